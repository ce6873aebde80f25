"""JSON bodies of tasks."""

from datetime import datetime

import msgspec

from service.background.tasks import Status, status
from service.clock import now
from service.models import Task, TaskKind
from service.models.unreadable import readable


class FileOut(msgspec.Struct):
    """A file written by a task, with the time until which `/tasks/{id}/file` serves it."""

    name: str
    media_type: str
    bytes: int
    sha256: str
    rows: int
    expires_at: datetime


class ScoresOut(msgspec.Struct):
    """The result of a rebuild: the number of scores, and how many were corrected."""

    scores: int
    mended: int
    sha256: str


class ExportAsked(msgspec.Struct):
    """The subject of an export: personal data, or a set."""

    what: str
    format: str
    set: str | None
    names: bool


class TaskOut(msgspec.Struct):
    """A task and its progress: `done` of about `total` questions or rows.

    `asked_by` is empty for requests from the command line. A finished task has its result in `file`
    or `scores`, and a failed one the reason in `error`.
    """

    id: int
    kind: TaskKind
    status: Status
    asked_by: str | None
    export: ExportAsked | None
    done: int
    total: int
    error: str
    file: FileOut | None
    scores: ScoresOut | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, task: Task, asked_by: str | None) -> "TaskOut":
        """From the row and the name of the requester."""
        how = status(task, now())
        made, asked = (task.result, task.asked) if readable(task) else ({}, {})
        return cls(
            id=task.id,
            kind=TaskKind(task.kind),
            status=how,
            asked_by=asked_by,
            export=ExportAsked(asked["what"], asked["form"], asked["slug"], asked["names"])
            if asked
            else None,
            done=task.done,
            total=task.total,
            error=task.error,
            file=FileOut(**made, expires_at=task.expires_at)
            if made and how is Status.done and task.expires_at
            else None,
            scores=ScoresOut(**made)
            if made and how is Status.done and task.kind == TaskKind.scores
            else None,
            created_at=task.created_at,
            started_at=task.started_at,
            ended_at=task.ended_at,
        )
