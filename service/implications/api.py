"""API of sets and of the implications of their documents."""

from typing import Annotated

from litestar import Controller, Router, get
from litestar.params import PathParameter, QueryParameter

from service.clock import now
from service.implications import implications
from service.implications.schemas import HistoryOut, ImplicationOut, ReadingPoint, SetDetail, SetOut
from service.questions import questions
from service.questions.dependencies import AggregatorDep
from service.web.dependencies import WITHOUT_NUL, CurrentActor, ReadSession
from service.web.parameters import (
    DEFAULT_LIMIT,
    Archived,
    AsOf,
    Cursor,
    Limit,
    Slug,
    decode_id_cursor,
    paginate,
    utc,
)
from service.web.schemas import Moment, Page

ImplicationSlug = Annotated[
    str, PathParameter(max_length=100, pattern=WITHOUT_NUL, description="the implication's slug")
]
Since = Annotated[
    Moment | None,
    QueryParameter(
        description="compare estimates with this moment (ISO 8601 with offset); "
        "default: 7 days before"
    ),
]
Points = Annotated[int, QueryParameter(ge=2, le=60, description="the number of moments, 2 to 60")]


class Sets(Controller):
    """Sets."""

    path = "/sets"
    tags = ("Sets",)

    @get(summary="List the sets")
    async def listing(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        archived: Archived = False,
    ) -> Page[SetOut]:
        """List the sets in the order in which they were first loaded."""
        del actor
        rows = await questions.sets(
            reading, after=decode_id_cursor(cursor) or 0, limit=limit + 1, archived=archived
        )
        return paginate(rows, limit, lambda row: SetOut.of(*row), lambda row: row[0].id)

    @get("/{slug:str}", summary="Get a set")
    async def one(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        slug: Slug,
        as_of: AsOf = None,
    ) -> SetDetail:
        """Return a set with its document, its rules, and a summary of its implications."""
        question_set = await questions.find_set(reading, slug)
        at = utc(as_of)
        summaries = await implications.board(reading, aggregator, actor, question_set, as_of=at)
        return SetDetail.on(
            question_set,
            await questions.policy(reading, question_set.id),
            await questions.count(reading, question_set.id),
            at or now(),
            summaries,
        )

    @get("/{slug:str}/implications", summary="List a set's implications")
    async def implications(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        slug: Slug,
        as_of: AsOf = None,
        since: Since = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[ImplicationOut]:
        """List the document's implications, in its order, with their estimates."""
        question_set = await questions.find_set(reading, slug)
        summaries = await implications.board(
            reading, aggregator, actor, question_set, as_of=utc(as_of), since=utc(since)
        )
        after = decode_id_cursor(cursor) or 0
        following = [line for line in summaries if line.implication.position > after]
        return paginate(
            following[: limit + 1], limit, ImplicationOut.of, lambda line: line.implication.position
        )

    @get(
        "/{slug:str}/implications/{implication:str}/history",
        summary="Get the history of an implication's estimate",
    )
    async def history(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        slug: Slug,
        implication: ImplicationSlug,
        as_of: AsOf = None,
        points: Points = 12,
    ) -> HistoryOut:
        """Return the estimates at evenly spaced moments since the implication's first question."""
        question_set = await questions.find_set(reading, slug)
        known = await implications.past(
            reading, aggregator, actor, question_set, implication, as_of=utc(as_of), points=points
        )
        return HistoryOut(implication, [ReadingPoint.of(point) for point in known])


router = Router(path="/", route_handlers=[Sets])
