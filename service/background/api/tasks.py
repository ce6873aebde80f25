"""Tasks for workers: requests, progress and result files."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from litestar import Controller, Response, delete, get, post
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse
from litestar.params import PathParameter, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from service.background import tasks
from service.background.schemas.tasks import TaskOut
from service.exchange.exports import TYPES, ZIP, Export
from service.models import LARGEST_ID, TaskKind
from service.permissions import Actor
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession
from service.web.downloads import Download
from service.web.openapi import MAY_CONFLICT, MAY_REFUSE, DocumentedOperation
from service.web.parameters import DEFAULT_LIMIT, Cursor, Limit, decode_id_cursor, paginate
from service.web.repetition import IdempotencyKey, once
from service.web.schemas import Page

TaskId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the task's id")]


@dataclass
class FileOperation(DocumentedOperation):
    """An operation that returns the file of an export, whose type depends on its content."""

    kinds: ClassVar[tuple[str, ...]] = (*TYPES.values(), ZIP)

    def __post_init__(self) -> None:
        """Document every media type of the file."""
        super().__post_init__()
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            answer.content = dict.fromkeys(self.kinds, OpenAPIMediaType())


async def asked_for(
    request: AppRequest, session: AsyncSession, actor: Actor, key: str | None, wanted: Export
) -> Response[TaskOut]:
    """Request an export, and return its task."""

    async def work() -> TaskOut:
        task = await tasks.ask_for_export(session, actor, wanted)
        return TaskOut.of(task, actor.name)

    return await once(request, session, actor, key, TaskOut, work)


class Tasks(Controller):
    """Tasks for workers."""

    path = "/tasks"
    tags = ("Jobs",)

    @get(summary="List my tasks, or everybody's (administrators)")
    async def listing(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        kind: Annotated[
            TaskKind | None, QueryParameter(description="only tasks of this kind")
        ] = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[TaskOut]:
        """Tasks that I requested, newest first, with their progress."""
        rows = await tasks.listing(
            reading, actor, kind=kind, before=decode_id_cursor(cursor), limit=limit + 1
        )
        return paginate(rows, limit, lambda row: TaskOut.of(*row), lambda row: row[0].id)

    @post("/scores", status_code=202, summary="Rebuild the scores (administrators)")
    async def rebuild_scores(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[TaskOut]:
        """Recompute every score; while a rebuild is under way, the response is the same task.

        The rebuild proceeds question by question and blocks nothing else. The same facts give
        identical scores, byte for byte: `scores.mended` counts the scores that had to be corrected.
        """

        async def work() -> TaskOut:
            task = await tasks.ask_for_scores(writing, actor)
            return TaskOut.of(task, await tasks.asker(writing, task))

        return await once(request, writing, actor, idempotency_key, TaskOut, work)

    @get("/{task_id:int}", summary="Get a task")
    async def one(self, actor: CurrentActor, reading: ReadSession, task_id: TaskId) -> TaskOut:
        """One of my tasks, or anybody's (administrators), with its status and result."""
        task = await tasks.get(reading, actor, task_id)
        return TaskOut.of(task, await tasks.asker(reading, task))

    @get(
        "/{task_id:int}/file",
        summary="Download the file of an export",
        responses=MAY_REFUSE | MAY_CONFLICT,
        operation_class=FileOperation,
    )
    async def file(
        self, request: AppRequest, actor: CurrentActor, reading: ReadSession, task_id: TaskId
    ) -> Download:
        """The file, with its size in `Content-Length` and its SHA-256 in `Repr-Digest` (RFC 9530).

        409 while it is being written, 404 once it has expired. Files of a set still require a
        curator.
        """
        task = await tasks.finished(reading, actor, task_id)
        return tasks.download(request.app.state.database, task)

    @delete("/{task_id:int}/file", status_code=200, summary="Remove the file of an export")
    async def remove(self, actor: CurrentActor, writing: WriteSession, task_id: TaskId) -> TaskOut:
        """Remove the file before it expires."""
        task = await tasks.remove(writing, actor, task_id)
        return TaskOut.of(task, await tasks.asker(writing, task))
