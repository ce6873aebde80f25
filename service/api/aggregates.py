"""The aggregate of a question: now, in the past, by any method, and its history."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import QueryParameter

from service import aggregates, questions
from service.aggregates import BAYES, METHODS
from service.api.parameters import (
    DEFAULT_LIMIT,
    AsOf,
    Cursor,
    Limit,
    Pooling,
    Reading,
    Who,
    page_of,
    position,
    utc,
)
from service.api.questions import QuestionId
from service.schemas.aggregates import AggregateOut, AggregatePoint
from service.schemas.common import Page


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
        at = utc(as_of)
        present = await questions.get(reading, question_id, actor=actor)
        await aggregates.require_known(reading, present, at)
        view = present if at is None else await questions.get(reading, question_id, known_at=at)
        return AggregateOut.of(
            view.id, await aggregator.as_known_at(reading, view, method=method, at=at)
        )

    @get("/history", summary="List the aggregates as they were published")
    async def history(
        self,
        actor: Who,
        reading: Reading,
        question_id: QuestionId,
        as_of: AsOf = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[AggregatePoint]:
        """Every published aggregate, the oldest first."""
        view = await questions.get(reading, question_id, actor=actor)
        rows = await aggregates.history(
            reading,
            view.id,
            after=position(cursor) or 0,
            limit=limit + 1,
            as_of=utc(as_of),
        )
        return page_of(rows, limit, AggregatePoint.of, lambda row: row.id)
