"""Tasks: what workers were asked to do, how far it is, and the files that were made."""

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
    """An operation that answers with a file of an export, whose type depends on what it holds."""

    kinds: ClassVar[tuple[str, ...]] = (*TYPES.values(), ZIP)

    def __post_init__(self) -> None:
        """Document every type that the file may have."""
        super().__post_init__()
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            answer.content = dict.fromkeys(self.kinds, OpenAPIMediaType())


async def asked_for(
    request: AppRequest, session: AsyncSession, actor: Actor, key: str | None, wanted: Export
) -> Response[TaskOut]:
    """Have an export written, and answer with its task."""

    async def work() -> TaskOut:
        task = await tasks.ask_for_export(session, actor, wanted)
        return TaskOut.of(task, actor.name)

    return await once(request, session, actor, key, TaskOut, work)


class Tasks(Controller):
    """What workers were asked to do."""

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
        """What I asked workers to do, the newest first, and how far it is."""
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
        """Have every score derived anew; while that is under way, the answer is the same task.

        It goes question by question, so nothing else waits for it. The same facts give the same
        scores, byte for byte: `scores.mended` says how many were not what the facts lead to.
        """

        async def work() -> TaskOut:
            task = await tasks.ask_for_scores(writing, actor)
            return TaskOut.of(task, await tasks.asker(writing, task))

        return await once(request, writing, actor, idempotency_key, TaskOut, work)

    @get("/{task_id:int}", summary="Get a task")
    async def one(self, actor: CurrentActor, reading: ReadSession, task_id: TaskId) -> TaskOut:
        """A task of mine, or anybody's (administrators): how it stands, and what came of it."""
        task = await tasks.get(reading, actor, task_id)
        return TaskOut.of(task, await tasks.asker(reading, task))

    @get(
        "/{task_id:int}/file",
        summary="Download what an export wrote",
        responses=MAY_REFUSE | MAY_CONFLICT,
        operation_class=FileOperation,
    )
    async def file(
        self, request: AppRequest, actor: CurrentActor, reading: ReadSession, task_id: TaskId
    ) -> Download:
        """The file, with its size in `Content-Length` and its SHA-256 in `Repr-Digest` (RFC 9530).

        409 while it is being written, 404 once it has expired. A set's takes a curator still.
        """
        task = await tasks.finished(reading, actor, task_id)
        return tasks.download(request.app.state.database, task)

    @delete("/{task_id:int}/file", status_code=200, summary="Remove what an export wrote")
    async def remove(self, actor: CurrentActor, writing: WriteSession, task_id: TaskId) -> TaskOut:
        """Take the file away before it expires."""
        task = await tasks.remove(writing, actor, task_id)
        return TaskOut.of(task, await tasks.asker(writing, task))
