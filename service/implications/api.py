"""Sets and the implications of their documents."""

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
        description="hold readings against this moment (ISO 8601 with offset); "
        "default: 7 days before"
    ),
]
Points = Annotated[
    int, QueryParameter(ge=2, le=60, description="how many moments, 2 to 60; default 12")
]


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
        """The sets in the order in which they were first loaded."""
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
        """A set with its document, its rules, and where the document's implications stand."""
        found = await questions.find_set(reading, slug)
        at = utc(as_of)
        lines = await implications.board(reading, aggregator, actor, found, as_of=at)
        return SetDetail.on(
            found,
            await questions.policy(reading, found.id),
            await questions.count(reading, found.id),
            at or now(),
            lines,
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
        """What the document says may follow, in its order, with what forecasters believe of it."""
        found = await questions.find_set(reading, slug)
        lines = await implications.board(
            reading, aggregator, actor, found, as_of=utc(as_of), since=utc(since)
        )
        after = decode_id_cursor(cursor) or 0
        following = [one for one in lines if one.implication.position > after]
        return paginate(
            following[: limit + 1], limit, ImplicationOut.of, lambda one: one.implication.position
        )

    @get("/{slug:str}/implications/{implication:str}/history", summary="Get a reading's history")
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
        """What was believed of an implication at evenly spaced moments since it was first asked."""
        found = await questions.find_set(reading, slug)
        known = await implications.past(
            reading, aggregator, actor, found, implication, as_of=utc(as_of), points=points
        )
        return HistoryOut(implication, [ReadingPoint.of(point) for point in known])


router = Router(path="/", route_handlers=[Sets])
