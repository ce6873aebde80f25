"""Tasks, workers, acts of administration and requests answered before."""

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
    """What the workers can be asked to do."""

    scores = "scores"
    export = "export"


class IdempotentRequest(Base):
    """An answered request, kept so that the same key gives the same answer."""

    __tablename__ = "idempotent_request"
    __table_args__ = (UniqueConstraint("account_id", "key"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    key: Mapped[str] = mapped_column(String(255))
    digest: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str]
    created_at: Mapped[datetime]


class AuditEvent(Base):
    """Something that was done and left no row of its own that says who did it, and why.

    `account_id` did it (empty: somebody at the command line); `subject_id` is the account that it
    was done to, `set_id` the set. `details` says what was before and after.
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
    """Something that the workers were asked to do, and how far it is.

    `account_id` asked for it (empty: somebody at the command line); `asked` says for what. `key` is
    of what was asked until it has ended, so that nothing is under way twice. `after` is the id up
    to which it is done, and `attempts` how often it was begun since it last came further. `done`
    and `total` count what it goes through; `result` says what came of it, or `error` why nothing
    did. What it made is in its pieces until `expires_at`.
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
    """A piece of the file that a task made; they follow each other by their numbers."""

    __tablename__ = "task_piece"
    __table_args__ = (UniqueConstraint("task_id", "number"),)

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    number: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Worker(Base):
    """A worker that runs, or was lost: when it was seen last, and what it did then.

    `stage` is of a refit, in words, and `drawn` of `draws` transitions are sampled of it.
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
