"""API of forecasters and their records."""

from typing import Annotated

from litestar import Controller, get, put
from litestar.params import JSONBody, PathParameter, SkipValidation

from service.models import LARGEST_ID
from service.questions.dependencies import AggregatorDep
from service.scoring import forecasters
from service.scoring.schemas.forecasters import ForecasterOut, MovementOut, NewShowing
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession
from service.web.openapi import MAY_REFUSE
from service.web.parameters import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    decode_body,
    decode_id_cursor,
    paginate,
)
from service.web.schemas import Page

ForecasterId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the forecaster's id")]


class Forecasters(Controller):
    """Forecasters."""

    path = "/forecasters/{forecaster_id:int}"
    tags = ("Scores",)

    @get(summary="Get a forecaster")
    async def one(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        forecaster_id: ForecasterId,
    ) -> ForecasterOut:
        """Return a forecaster; only they and curators see the model's estimates, unless public."""
        return ForecasterOut.of(await forecasters.get(reading, aggregator, actor, forecaster_id))

    @put("/showing", summary="Show or hide my record")
    async def show(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        forecaster_id: ForecasterId,
        data: JSONBody[SkipValidation[NewShowing]],
    ) -> ForecasterOut:
        """Show the model's estimates of my forecasts to everybody, or only to curators and me."""
        data = await decode_body(request, NewShowing)
        await forecasters.show(writing, actor, forecaster_id, shown=data.shows_record)
        return ForecasterOut.of(await forecasters.get(writing, aggregator, actor, forecaster_id))

    @get(
        "/movements",
        summary="List how a forecaster moved the aggregates",
        responses=MAY_REFUSE,
    )
    async def movements(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        forecaster_id: ForecasterId,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[MovementOut]:
        """List the aggregate before and after each of their forecasts, newest first."""
        rows = await forecasters.movements(
            reading, actor, forecaster_id, before=decode_id_cursor(cursor), limit=limit + 1
        )
        return paginate(rows, limit, MovementOut.of, lambda movement: movement.forecast.id)
