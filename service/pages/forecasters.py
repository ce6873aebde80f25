"""A forecaster's profile: forecasts, scores and the model's estimates."""

from typing import Annotated, Final

from litestar import get
from litestar.params import PathParameter, QueryParameter
from litestar.response import Template
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.models import LARGEST_ID, Question
from service.pages.leaderboard import SCORES, calibration_said
from service.pages.rendering import page
from service.permissions import Actor
from service.questions import questions
from service.questions.dependencies import AggregatorDep
from service.questions.questions import View
from service.scoring import calibration, forecasters, leaderboards
from service.scoring.forecasters import Movement
from service.scoring.leaderboards import Criteria
from service.scoring.scores import KINDS, ScoreFilter
from service.web.dependencies import AppRequest, CurrentActor, ReadSession

LISTED: Final = 15

ForecasterId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]


@get("/forecasters/{forecaster_id:int}")
async def profile(
    request: AppRequest,
    actor: CurrentActor,
    reading: ReadSession,
    aggregator: AggregatorDep,
    forecaster_id: ForecasterId,
    before: Annotated[int | None, QueryParameter(ge=1, le=LARGEST_ID)] = None,
) -> Template:
    """Show a forecaster's profile."""
    record = await forecasters.get(reading, aggregator, actor, forecaster_id)
    places = {}
    for kind in KINDS:
        criteria = Criteria(kind=kind, imported=record.account.imported)
        found = (await leaderboards.ranked(reading, criteria)).entries
        mine = next((one for one in found if one.account_id == forecaster_id), None)
        if mine:
            places[kind] = (mine, len(found))
    made = await _movements(reading, actor, forecaster_id, before) if record.opinion else []
    measured = await calibration.measure(reading, str(forecaster_id), ScoreFilter())
    return page(
        request,
        actor,
        "forecaster.html",
        at=now(),
        record=record,
        places=places,
        made=made[:LISTED],
        following=made[LISTED - 1][0].forecast.id if made[LISTED:] else None,
        scores=SCORES,
        measured=measured,
        needed=calibration.ENOUGH,
        told_of=calibration_said(measured),
        own=forecaster_id == actor.id,
    )


async def _movements(
    session: AsyncSession, actor: Actor, forecaster_id: int, before: int | None
) -> list[tuple[Movement, View]]:
    """Return a page of forecasts with their effect on the aggregate, newest first, plus one."""
    found = await forecasters.movements(
        session, actor, forecaster_id, before=before, limit=LISTED + 1
    )
    ids = {one.forecast.question_id for one in found}
    query = questions.views_query(None).where(Question.id.in_(ids))
    views = {view.id: view for view in await questions.views(session, query)}
    return [(one, views[one.forecast.question_id]) for one in found]
