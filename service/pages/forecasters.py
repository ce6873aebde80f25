"""A forecaster's page: what they did, how they scored, and what the model makes of them."""

from typing import Annotated

from litestar import get
from litestar.params import PathParameter
from litestar.response import Template

from service import calibration, forecasters, leaderboards
from service.dependencies import AppRequest, Pooling, Reading, Who
from service.leaderboards import Criteria
from service.models import LARGEST_ID
from service.pages.leaderboard import SCORES, calibration_said
from service.pages.rendering import page
from service.scoring import KINDS, Scope

ForecasterId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]


@get("/forecasters/{forecaster_id:int}")
async def profile(
    request: AppRequest,
    actor: Who,
    reading: Reading,
    aggregator: Pooling,
    forecaster_id: ForecasterId,
) -> Template:
    """A forecaster."""
    record = await forecasters.get(reading, aggregator, actor, forecaster_id)
    places = {}
    for kind in KINDS:
        found = await leaderboards.ranked(reading, Criteria(kind=kind))
        mine = next((one for one in found if one.account_id == forecaster_id), None)
        if mine:
            places[kind] = (mine, len(found))
    measured = await calibration.measure(reading, str(forecaster_id), Scope())
    return page(
        request,
        actor,
        "forecaster.html",
        record=record,
        places=places,
        scores=SCORES,
        measured=measured,
        needed=calibration.ENOUGH,
        told_of=calibration_said(measured),
        own=forecaster_id == actor.id,
    )
