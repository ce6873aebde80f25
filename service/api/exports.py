"""Exports: one's own data, and for curators the forecasts and comments of a set."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

from litestar import Controller, get
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse
from litestar.params import PathParameter, QueryParameter
from litestar.response import Stream

from service import exports, questions
from service.api.documentation import MAY_REFUSE, DocumentedOperation
from service.api.sets import Slug
from service.dependencies import AppRequest, Reading, Who
from service.exports import Format, Own

TYPES: Final = {Format.csv: "text/csv", Format.parquet: "application/vnd.apache.parquet"}


@dataclass
class TableOperation(DocumentedOperation):
    """An operation that answers with a table in any of the formats."""

    def __post_init__(self) -> None:
        """Say so."""
        super().__post_init__()
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            answer.content = dict.fromkeys(TYPES.values(), OpenAPIMediaType())


Form = Annotated[Format, QueryParameter(name="format", description="how tables are written")]
Names = Annotated[
    bool,
    QueryParameter(
        description="name forecasters by their accounts, not by pseudonyms of this export"
    ),
]


class Exports(Controller):
    """Data to take away."""

    path = "/"
    tags = ("Exports",)

    @get(
        "/account/exports/{what:str}",
        summary="Export my own data",
        media_type="text/csv",
        operation_class=TableOperation,
    )
    async def mine(
        self,
        request: AppRequest,
        actor: Who,
        what: Annotated[Own, PathParameter(description="what of my own")],
        form: Form = Format.csv,
    ) -> Stream:
        """All forecasts, withdrawals or comments of mine, or my scores that hold.

        Scores are those under the resolutions that hold; a comment has a row for each of its texts.
        """

        async def pieces() -> AsyncIterator[bytes]:
            async with request.app.state.database.read() as session:
                table = await exports.own(session, actor.id, what)
                async for piece in exports.written(table, form):
                    yield piece

        return _file(pieces(), f"{what}.{form}", TYPES[form])

    @get(
        "/sets/{slug:str}/exports/forecasts",
        summary="Export the forecasts of a set (curators)",
        responses=MAY_REFUSE,
        media_type="application/zip",
    )
    async def of_set(
        self,
        request: AppRequest,
        actor: Who,
        reading: Reading,
        slug: Slug,
        form: Form = Format.csv,
        names: Names = False,
    ) -> Stream:
        """A ZIP of `questions` and `forecasts`, which `credence import` reads when in CSV."""
        exports.require_curator(actor)
        await questions.find_set(reading, slug)

        async def pieces() -> AsyncIterator[bytes]:
            async with request.app.state.database.read() as session:
                tables = await exports.of_set(session, slug, pseudonymous=not names)
                async for piece in exports.archived(tables, form):
                    yield piece

        return _file(pieces(), f"{slug}.zip", "application/zip")

    @get(
        "/sets/{slug:str}/exports/comments",
        summary="Export the comments of a set (curators)",
        responses=MAY_REFUSE,
        media_type="text/csv",
        operation_class=TableOperation,
    )
    async def comments_of_set(
        self,
        request: AppRequest,
        actor: Who,
        reading: Reading,
        slug: Slug,
        form: Form = Format.csv,
        names: Names = False,
    ) -> Stream:
        """The comments as they stand, private ones too, removed ones not.

        Words can give their author away, so the pseudonyms differ from those of any other export.
        """
        exports.require_curator(actor)
        await questions.find_set(reading, slug)

        async def pieces() -> AsyncIterator[bytes]:
            async with request.app.state.database.read() as session:
                table = await exports.comments_of_set(session, slug, pseudonymous=not names)
                async for piece in exports.written(table, form):
                    yield piece

        return _file(pieces(), f"{slug}-comments.{form}", TYPES[form])


def _file(pieces: AsyncIterator[bytes], name: str, media_type: str) -> Stream:
    headers: dict[str, Any] = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Stream(pieces, media_type=media_type, headers=headers)
