"""API of a question's aggregate: present, past, by any method, and its history."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import QueryParameter

from service.questions import aggregates, questions
from service.questions.aggregates import BAYES, METHODS
from service.questions.dependencies import AggregatorDep, QuestionId
from service.questions.schemas.aggregates import AggregateOut, AggregatePoint, SeenPage
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


class Aggregates(Controller):
    """The aggregate of a question."""

    path = "/questions/{question_id:int}/aggregate"
    tags = ("Aggregates",)

    @get(summary="Get the aggregate")
    async def one(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        as_of: AsOf = None,
        method: Annotated[str, QueryParameter(description=f"one of {', '.join(METHODS)}")] = BAYES,
    ) -> AggregateOut:
        """Return the aggregate now or as known at a moment; later facts never change the past."""
        view, estimate = await aggregator.as_known_at(
            reading, actor, question_id, method=method, at=utc(as_of)
        )
        return AggregateOut.of(view.id, estimate)

    @get("/history", summary="List the published aggregates")
    async def history(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        question_id: QuestionId,
        as_of: AsOf = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> SeenPage[AggregatePoint]:
        """List every published aggregate, oldest first; none while they are hidden."""
        view = await questions.get(reading, question_id, actor=actor)
        rows, hidden = await aggregates.history(
            reading,
            actor,
            view,
            after=decode_id_cursor(cursor) or 0,
            limit=limit + 1,
            as_of=utc(as_of),
        )
        page = paginate(rows, limit, AggregatePoint.of, lambda row: row.id)
        return SeenPage.of(page, hidden)
