"""The aggregate of a question: now, in the past, by any method, and its history."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import QueryParameter

from service.questions import aggregates, questions
from service.questions.aggregates import BAYES, METHODS
from service.questions.dependencies import Pooling, QuestionId
from service.questions.schemas.aggregates import AggregateOut, AggregatePoint, SeenPage
from service.web.dependencies import Reading, Who
from service.web.parameters import DEFAULT_LIMIT, AsOf, Cursor, Limit, page_of, position, utc


class Aggregates(Controller):
    """The aggregate of a question."""

    path = "/questions/{question_id:int}/aggregate"
    tags = ("Aggregates",)

    @get(summary="Get the aggregate")
    async def one(
        self,
        actor: Who,
        reading: Reading,
        aggregator: Pooling,
        question_id: QuestionId,
        as_of: AsOf = None,
        method: Annotated[str, QueryParameter(description=f"one of {', '.join(METHODS)}")] = BAYES,
    ) -> AggregateOut:
        """The aggregate now or as known at a moment; later facts never change a past answer."""
        view, found = await aggregator.as_known_at(
            reading, actor, question_id, method=method, at=utc(as_of)
        )
        return AggregateOut.of(view.id, found)

    @get("/history", summary="List the aggregates as they were published")
    async def history(
        self,
        actor: Who,
        reading: Reading,
        question_id: QuestionId,
        as_of: AsOf = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> SeenPage[AggregatePoint]:
        """Every published aggregate, the oldest first; none while they are hidden."""
        view = await questions.get(reading, question_id, actor=actor)
        rows, hidden = await aggregates.history(
            reading,
            actor,
            view,
            after=position(cursor) or 0,
            limit=limit + 1,
            as_of=utc(as_of),
        )
        page = page_of(rows, limit, AggregatePoint.of, lambda row: row.id)
        return SeenPage.of(page, hidden)
