"""Sets and the implications of their documents."""

from typing import Annotated

from litestar import Controller, Response, delete, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter, SkipValidation

from service.clock import now
from service.curation import editing
from service.implications import implications
from service.implications.schemas import (
    HistoryOut,
    ImplicationOut,
    NewVisibility,
    ReadingPoint,
    SetDetail,
    SetOut,
    VisibilityOut,
)
from service.notifications import feeds
from service.questions import questions
from service.questions.api.questions import edited
from service.questions.dependencies import Pooling
from service.questions.schemas.questions import EditedQuestion, NewQuestion
from service.web import security
from service.web.dependencies import WITHOUT_NUL, AppRequest, Reading, Who, Writing
from service.web.openapi import MAY_CONFLICT, MAY_REFUSE
from service.web.parameters import (
    DEFAULT_LIMIT,
    Archived,
    AsOf,
    Cursor,
    Limit,
    page_of,
    position,
    strictly,
    utc,
)
from service.web.schemas import Moment, Page

Slug = Annotated[
    str, PathParameter(max_length=100, pattern=WITHOUT_NUL, description="the set's slug")
]

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
        actor: Who,
        reading: Reading,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        archived: Archived = False,
    ) -> Page[SetOut]:
        """The sets in the order in which they were first loaded."""
        del actor
        rows = await questions.sets(
            reading, after=position(cursor) or 0, limit=limit + 1, archived=archived
        )
        return page_of(rows, limit, lambda row: SetOut.of(*row), lambda row: row[0].id)

    @get("/{slug:str}", summary="Get a set")
    async def one(
        self, actor: Who, reading: Reading, aggregator: Pooling, slug: Slug, as_of: AsOf = None
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

    @post("/{slug:str}/visibility", summary="Decide what forecasters see (curators)")
    async def decide_visibility(
        self,
        request: AppRequest,
        actor: Who,
        writing: Writing,
        slug: Slug,
        data: JSONBody[SkipValidation[NewVisibility]],
    ) -> VisibilityOut:
        """Show others' forecasts and the aggregates always, after one's own, or from a moment on.

        A question's own `reveal_at` goes before it. Curators always see everything, and everyone
        sees what has resolved.
        """
        data = await strictly(request, NewVisibility)
        row = await editing.decide_visibility(
            writing,
            actor,
            slug,
            visibility=data.visibility,
            reveal_at=utc(data.reveal_at),
            reason=data.reason,
        )
        return VisibilityOut.of(row)

    @post("/{slug:str}/archive", status_code=200, summary="Archive a set (curators)")
    async def archive(self, actor: Who, writing: Writing, slug: Slug) -> SetOut:
        """Take a set out of lists and boards; it stays at its address, and its questions go on.

        Doing it again changes nothing.
        """
        found = await editing.archive(writing, actor, slug, archived=True)
        return SetOut.of(found, await questions.count(writing, found.id))

    @delete("/{slug:str}/archive", status_code=200, summary="Put a set back into lists (curators)")
    async def unarchive(self, actor: Who, writing: Writing, slug: Slug) -> SetOut:
        """Take a set out of the archive; doing it again changes nothing."""
        found = await editing.archive(writing, actor, slug, archived=False)
        return SetOut.of(found, await questions.count(writing, found.id))

    @get("/{slug:str}/implications", summary="List a set's implications")
    async def implications(
        self,
        actor: Who,
        reading: Reading,
        aggregator: Pooling,
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
        after = position(cursor) or 0
        following = [one for one in lines if one.implication.position > after]
        return page_of(
            following[: limit + 1], limit, ImplicationOut.of, lambda one: one.implication.position
        )

    @get("/{slug:str}/implications/{implication:str}/history", summary="Get a reading's history")
    async def history(
        self,
        actor: Who,
        reading: Reading,
        aggregator: Pooling,
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

    @post("/{slug:str}/questions", summary="Add a question (curators)")
    async def ask(
        self,
        request: AppRequest,
        actor: Who,
        writing: Writing,
        aggregator: Pooling,
        slug: Slug,
        data: JSONBody[SkipValidation[NewQuestion]],
    ) -> EditedQuestion:
        """Ask something more of the set's document, in the format of a set's file.

        `findings` is what the lint says of the question; it stops nothing.
        """
        data = await strictly(request, NewQuestion)
        view = await editing.ask(writing, actor, slug, data.question, data.reason)
        return await edited(writing, aggregator, actor, view)

    @get(
        "/{slug:str}/export",
        media_type="application/toml",
        summary="Export a set (curators)",
        responses=MAY_REFUSE | MAY_CONFLICT,
    )
    async def export(self, actor: Who, reading: Reading, slug: Slug) -> Response[str]:
        """The set as one TOML file that loads again, drafts included."""
        return Response(
            await editing.export(reading, actor, slug),
            media_type="application/toml",
            headers={"Content-Disposition": f'attachment; filename="{slug}.toml"'},
        )

    @get("/{slug:str}/feed", media_type=feeds.MEDIA_TYPE, summary="Get a set's feed")
    async def feed(
        self, request: AppRequest, actor: Who, reading: Reading, slug: Slug
    ) -> Response[str]:
        """What happened to the set's questions as an Atom feed, the newest 100 entries first.

        Questions that opened, close within 24 hours, closed, were resolved, or whose resolution
        was taken back. Readers that keep cookies find the same at `/sets/{slug}/feed.atom`.
        """
        del actor
        site = security.site(request)
        told = await feeds.of_set(reading, slug, site=site, address=f"{site}{request.url.path}")
        return Response(told, media_type=feeds.MEDIA_TYPE)
