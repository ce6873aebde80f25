"""Scores, leaderboards, calibration and forecasters."""

from typing import Annotated, Literal

from litestar import Controller, get
from litestar.params import PathParameter, QueryParameter

from service import forecasters, questions, scoring
from service.api.parameters import (
    DEFAULT_LIMIT,
    AsOf,
    Cursor,
    Limit,
    Pooling,
    Reading,
    SetSlug,
    Who,
    page_of,
    position,
    utc,
)
from service.api.questions import QuestionId
from service.models import LARGEST_ID
from service.schemas.common import Page
from service.schemas.scores import CalibrationOut, ForecasterOut, ScoreOut, StandingOut

Kind = Literal["brier", "log", "baseline", "peer"]


class Scores(Controller):
    """What forecasts earned."""

    path = "/"
    tags = ("Scores",)

    @get("/questions/{question_id:int}/scores", summary="List a question's scores")
    async def of_question(
        self,
        actor: Who,
        reading: Reading,
        question_id: QuestionId,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[ScoreOut]:
        """Every forecaster's scores under the resolution that holds, and the aggregate's."""
        view = await questions.get(reading, question_id, actor=actor)
        rows = await scoring.of_question(
            reading, view, after=position(cursor) or 0, limit=limit + 1
        )
        return page_of(rows, limit, lambda row: ScoreOut.of(*row), lambda row: row[0].id)

    @get("/leaderboard", summary="Rank the forecasters")
    async def leaderboard(
        self,
        actor: Who,
        reading: Reading,
        score: Annotated[Kind, QueryParameter(description="which score ranks")] = "peer",
        set_slug: SetSlug = None,
        as_of: AsOf = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[StandingOut]:
        """Everyone who was scored, best first, ranked by a score pulled to the field's mean."""
        del actor
        standings = await scoring.leaderboard(
            reading, kind=score, set_slug=set_slug, as_of=utc(as_of)
        )
        first = position(cursor) or 0
        return page_of(
            standings[first : first + limit + 1], limit, StandingOut.of, lambda place: place.rank
        )

    @get("/calibration", summary="Get a calibration")
    async def calibration(
        self,
        actor: Who,
        reading: Reading,
        of: Annotated[
            str, QueryParameter(max_length=20, description="`aggregate`, or a forecaster's id")
        ] = scoring.AGGREGATE,
        set_slug: SetSlug = None,
        as_of: AsOf = None,
    ) -> CalibrationOut:
        """Reliability of the forecasts that stood when each resolved question closed."""
        del actor
        found = await scoring.calibration(reading, of=of, set_slug=set_slug, as_of=utc(as_of))
        return CalibrationOut.measured(of, found)

    @get("/forecasters/{forecaster_id:int}", summary="Get a forecaster")
    async def forecaster(
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
