"""API of the scores of questions and their breakdowns."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import QueryParameter

from service.models import LARGEST_ID
from service.questions import questions
from service.questions.dependencies import QuestionId
from service.scoring import scores
from service.scoring.schemas.scores import ScoreOut, ScoreTermOut
from service.web.dependencies import CurrentActor, ReadSession
from service.web.parameters import (
    DEFAULT_LIMIT,
    AsOf,
    Cursor,
    Limit,
    decode_id_cursor,
    paginate,
    utc,
)
from service.web.schemas import Page


class Scores(Controller):
    """Scores of forecasts on a question."""

    path = "/questions/{question_id:int}/scores"
    tags = ("Scores",)

    @get(summary="List a question's scores")
    async def listing(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        question_id: QuestionId,
        as_of: AsOf = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[ScoreOut]:
        """List the scores of all forecasters and pools under the resolution in force."""
        view = await questions.get(reading, question_id, actor=actor, known_at=utc(as_of))
        rows = await scores.of_question(
            reading, view, after=decode_id_cursor(cursor) or 0, limit=limit + 1
        )
        return paginate(rows, limit, lambda row: ScoreOut.of(*row), lambda row: row[0].id)

    @get("/receipt", summary="Get the breakdown of a score")
    async def receipt(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        question_id: QuestionId,
        forecaster_id: Annotated[
            int | None,
            QueryParameter(ge=1, le=LARGEST_ID, description="the forecaster's id; default: me"),
        ] = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[ScoreTermOut]:
        """List the terms that add up to a forecaster's scores, in chronological order."""
        view = await questions.get(reading, question_id, actor=actor)
        terms, own = await scores.breakdown(reading, view, forecaster_id or actor.id)
        first = decode_id_cursor(cursor) or 0
        return paginate(
            list(enumerate(own))[first : first + limit + 1],
            limit,
            lambda entry: ScoreTermOut.of(terms, entry[1]),
            lambda entry: entry[0] + 1,
        )
