"""Sets and the implications of their documents."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import PathParameter

from service import questions
from service.api.parameters import (
    DEFAULT_LIMIT,
    WITHOUT_NUL,
    Cursor,
    Limit,
    Reading,
    Who,
    page_of,
    position,
)
from service.schemas import ImplicationOut, Page, SetOut

Slug = Annotated[
    str, PathParameter(max_length=100, pattern=WITHOUT_NUL, description="the set's slug")
]


class Sets(Controller):
    """Sets."""

    path = "/sets"
    tags = ("Sets",)

    @get(summary="List the sets")
    async def listing(
        self, actor: Who, reading: Reading, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Page[SetOut]:
        """The sets in the order in which they were first loaded."""
        del actor
        rows = await questions.sets(reading, after=position(cursor) or 0, limit=limit + 1)
        return page_of(rows, limit, lambda row: SetOut.of(*row), lambda row: row[0].id)

    @get("/{slug:str}", summary="Get a set")
    async def one(self, actor: Who, reading: Reading, slug: Slug) -> SetOut:
        """A set with its document and set-wide rules."""
        del actor
        found = await questions.find_set(reading, slug)
        return SetOut.of(found, await questions.count(reading, found.id))

    @get("/{slug:str}/implications", summary="List a set's implications")
    async def implications(
        self,
        actor: Who,
        reading: Reading,
        slug: Slug,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[ImplicationOut]:
        """What the document says may follow, in the document's order."""
        del actor
        found = await questions.find_set(reading, slug)
        rows = await questions.implications(
            reading, found.id, after=position(cursor) or 0, limit=limit + 1
        )
        return page_of(rows, limit, ImplicationOut.of, lambda row: row.position)
