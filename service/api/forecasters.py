"""Forecasters and their records."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import PathParameter

from service import forecasters
from service.api.parameters import Pooling, Reading, Who
from service.models import LARGEST_ID
from service.schemas.forecasters import ForecasterOut


class Forecasters(Controller):
    """Forecasters."""

    path = "/forecasters"
    tags = ("Scores",)

    @get("/{forecaster_id:int}", summary="Get a forecaster")
    async def one(
        self,
        actor: Who,
        reading: Reading,
        aggregator: Pooling,
        forecaster_id: Annotated[
            int, PathParameter(ge=1, le=LARGEST_ID, description="the forecaster's id")
        ],
    ) -> ForecasterOut:
        """A forecaster; the model's view of them is shown to them and to curators only."""
        return ForecasterOut.of(await forecasters.get(reading, aggregator, actor, forecaster_id))
