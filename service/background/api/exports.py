"""Exports: personal data, and for curators the forecasts and comments of a set."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from litestar import Controller, Response, get, post
from litestar.params import PathParameter, QueryParameter

from service.background.api.tasks import FileOperation, asked_for
from service.background.schemas.tasks import TaskOut
from service.exchange.exports import TYPES, Export, Format, PersonalExport, SetExport
from service.questions import questions
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession
from service.web.downloads import Download
from service.web.openapi import MAY_REFUSE
from service.web.parameters import Slug
from service.web.repetition import IdempotencyKey


@dataclass
class TableOperation(FileOperation):
    """An operation that returns a table in one of the formats."""

    kinds: ClassVar[tuple[str, ...]] = tuple(TYPES.values())


What = Annotated[PersonalExport, PathParameter(description="which of my data")]
Form = Annotated[
    Format,
    QueryParameter(
        name="format",
        description="table format; `excel` is CSV with a byte order mark, by which Excel detects "
        "UTF-8. In both, texts that begin like a formula are prefixed with an apostrophe",
    ),
]
Names = Annotated[
    bool,
    QueryParameter(
        description="identify forecasters by account name instead of a pseudonym of this export"
    ),
]


class Exports(Controller):
    """Data exports: streamed by GET, or, for large ones, written by a worker after a POST."""

    path = "/"
    tags = ("Exports",)

    @get(
        "/account/exports/{what:str}",
        summary="Export my own data",
        media_type="text/csv",
        operation_class=TableOperation,
    )
    async def mine(
        self, request: AppRequest, actor: CurrentActor, what: What, form: Form = Format.csv
    ) -> Download:
        """All my forecasts, withdrawals or comments, or my current scores.

        Scores are those under the current resolutions; a comment has one row per version of its
        text.
        """
        return _streamed(request, Export(what=what, form=form, account_id=actor.id))

    @post(
        "/account/exports/{what:str}",
        status_code=202,
        summary="Have my own data written to a file",
    )
    async def ask_for_mine(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        what: What,
        form: Form = Format.csv,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[TaskOut]:
        """The same as by GET, written by a worker: `/tasks/{id}` says how far it is.

        While the same export is under way, the answer is its task.
        """
        wanted = Export(what=what, form=form, account_id=actor.id)
        return await asked_for(request, writing, actor, idempotency_key, wanted)

    @get(
        "/sets/{slug:str}/exports/forecasts",
        summary="Export the forecasts of a set (curators)",
        responses=MAY_REFUSE,
        media_type="application/zip",
    )
    async def of_set(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        slug: Slug,
        form: Form = Format.csv,
        names: Names = False,
    ) -> Download:
        """A ZIP of `questions` and `forecasts`, which `credence import` reads when in CSV."""
        wanted = Export(what=SetExport.forecasts, form=form, slug=slug, names=names)
        wanted.require(actor)
        await questions.find_set(reading, slug)
        return _streamed(request, wanted)

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
        actor: CurrentActor,
        reading: ReadSession,
        slug: Slug,
        form: Form = Format.csv,
        names: Names = False,
    ) -> Download:
        """The current comments, including private ones and without removed ones.

        Wording can identify an author, so the pseudonyms differ from those of any other export.
        """
        wanted = Export(what=SetExport.comments, form=form, slug=slug, names=names)
        wanted.require(actor)
        await questions.find_set(reading, slug)
        return _streamed(request, wanted)

    @post(
        "/sets/{slug:str}/exports/forecasts",
        status_code=202,
        summary="Have the forecasts of a set written to a file (curators)",
    )
    async def ask_for_set(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        slug: Slug,
        form: Form = Format.csv,
        names: Names = False,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[TaskOut]:
        """The same as by GET, written by a worker: `/tasks/{id}` says how far it is.

        While the same export is under way, the answer is its task.
        """
        wanted = Export(what=SetExport.forecasts, form=form, slug=slug, names=names)
        return await asked_for(request, writing, actor, idempotency_key, wanted)

    @post(
        "/sets/{slug:str}/exports/comments",
        status_code=202,
        summary="Have the comments of a set written to a file (curators)",
    )
    async def ask_for_comments_of_set(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        slug: Slug,
        form: Form = Format.csv,
        names: Names = False,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[TaskOut]:
        """The same as by GET, written by a worker: `/tasks/{id}` says how far it is.

        While the same export is under way, the answer is its task.
        """
        wanted = Export(what=SetExport.comments, form=form, slug=slug, names=names)
        return await asked_for(request, writing, actor, idempotency_key, wanted)


def _streamed(request: AppRequest, wanted: Export) -> Download:
    async def pieces() -> AsyncIterator[bytes]:
        async with request.app.state.database.read() as session:
            async for piece in wanted.written(await wanted.tables(session)):
                yield piece

    return Download(pieces(), wanted.file_name, wanted.media_type)
