"""Tasks, workers, audit events and idempotent requests."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, one_of


class TaskKind(StrEnum):
    """The kinds of tasks for workers."""

    scores = "scores"
    export = "export"


class IdempotentRequest(Base):
    """A stored response, replayed for requests with the same idempotency key."""

    __tablename__ = "idempotent_request"
    __table_args__ = (UniqueConstraint("account_id", "key"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    key: Mapped[str] = mapped_column(String(255))
    digest: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str]
    created_at: Mapped[datetime]


class AuditEvent(Base):
    """An audited action that leaves no other row with its author and reason.

    `account_id` is the author (empty: the command line), `subject_id` the affected account and
    `set_id` the affected set. `details` contains the state before and after.
    """

    __tablename__ = "act"

    action: Mapped[str] = mapped_column(String(50))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    subject_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    set_id: Mapped[int | None] = mapped_column(ForeignKey("question_set.id"), index=True)
    reason: Mapped[str]
    details: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Task(Base):
    """A task for the workers, with its progress.

    `account_id` requested it (empty: the command line) with the parameters `asked`. Until the task
    ends, `key` identifies its parameters, so that no two equal tasks run at once. `after` is the
    last processed id, and `attempts` the number of starts since the last progress. `done` and
    `total` measure the progress; `result` or `error` describe the end. Its output is in its pieces
    until `expires_at`.
    """

    __tablename__ = "task"
    __table_args__ = (one_of("kind", TaskKind), Index(None, "account_id", "id"))

    kind: Mapped[str] = mapped_column(String(20))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    asked: Mapped[dict[str, Any]]
    key: Mapped[str | None] = mapped_column(String(200), unique=True)
    after: Mapped[int]
    attempts: Mapped[int]
    done: Mapped[int]
    total: Mapped[int]
    result: Mapped[dict[str, Any]]
    error: Mapped[str]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)


class TaskPiece(Base):
    """A piece of a task's output file; the numbers give the order of the pieces."""

    __tablename__ = "task_piece"
    __table_args__ = (UniqueConstraint("task_id", "number"),)

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    number: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Worker(Base):
    """A worker that is running or was lost: its last heartbeat and its activity at that time.

    During a refit, `stage` describes its stage, and `drawn` of `draws` transitions are sampled.
    """

    __tablename__ = "worker"

    name: Mapped[str] = mapped_column(String(200), unique=True)
    doing: Mapped[str]
    stage: Mapped[str] = mapped_column(default="")
    drawn: Mapped[int] = mapped_column(default=0)
    draws: Mapped[int] = mapped_column(default=0)
    since: Mapped[datetime]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
