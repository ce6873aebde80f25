"""Tasks for workers, executed in steps that any worker can resume.

A task and its progress are stored in a row, so any worker can resume after the last committed step.
Two workers on one task take turns, and no step is done twice.
"""

import asyncio
import base64
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.database.engine import Database
from service.database.isolation import together_or_apart
from service.exceptions import Conflict, NotFound, Problem
from service.exchange.exports import Export, Rows
from service.models import Account, Role, Score, Task, TaskKind, TaskPiece
from service.permissions import Actor
from service.questions import questions
from service.scoring import scores
from service.web.downloads import Download

log = logging.getLogger(__name__)

FORECASTS_AT_ONCE: Final = 2_000
"""Approximate number of forecasts scored in one transaction."""
QUESTIONS_AT_ONCE: Final = 50
PIECE: Final = 1_000_000
"""Approximate number of bytes of a file stored in one row."""
PAUSE_SECONDS: Final = 0.12
"""Pause between two steps: on SQLite, waiting writers retry every tenth of a second."""
TELL_SECONDS: Final = 1.0
MOST_ATTEMPTS: Final = 5
MOST_UNDER_WAY: Final = 3
MOST_KEPT: Final = 20
SCORES: Final = "scores"
SHOWN: Final = 10
"""Maximum number of questions named in an error."""


class Status(StrEnum):
    """The status of a task; the results of expired tasks are removed."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    expired = "expired"


@dataclass(frozen=True, slots=True)
class Tally:
    """The number of tasks of a kind and status, and when the first of them was requested."""

    kind: TaskKind
    status: Status
    count: int
    first_at: datetime


class Abandoned(Exception):  # noqa: N818  # an expected outcome, not an error
    """Another worker has restarted the task, or this worker is stopping."""


def status(task: Task, at: datetime) -> Status:
    """The status of a task at a given time."""
    if task.ended_at is None:
        return Status.queued if task.started_at is None else Status.running
    if task.error:
        return Status.failed
    return Status.expired if task.expires_at and task.expires_at <= at else Status.done


async def ask_for_scores(session: AsyncSession, actor: Actor | None) -> Task:
    """Request a rebuild of every score from the facts; while one is under way, returns its task.

    `None` stands for the command line.
    """
    if actor is not None:
        actor.require(Role.administrator, "have the scores rebuilt")
    return await _ask(session, TaskKind.scores, actor.id if actor else None, {}, SCORES)


async def ask_for_export(session: AsyncSession, actor: Actor, wanted: Export) -> Task:
    """Request an export; while the same one is under way, returns its task.

    Raises:
        Forbidden: the actor lacks the required role.
        NotFound: unknown set.
        Conflict: the account has `MOST_UNDER_WAY` exports under way, or `MOST_KEPT` available for
            download.
    """
    wanted.require(actor)
    if wanted.slug is not None:
        await questions.find_set(session, wanted.slug)
    asked = wanted.asked()
    key = hashlib.sha256(json.dumps([actor.id, asked], sort_keys=True).encode()).hexdigest()
    # Locked so that concurrent requests cannot exceed the limit.
    await session.execute(
        select(Account.id).where(Account.id == actor.id).with_for_update(key_share=True)
    )
    existing = await session.scalar(select(Task).where(Task.key == key))
    if existing is not None:
        return existing
    mine = select(func.count()).where(Task.account_id == actor.id, Task.kind == TaskKind.export)
    if (await session.scalar(mine.where(Task.ended_at.is_(None))) or 0) >= MOST_UNDER_WAY:
        raise Conflict(f"you have {MOST_UNDER_WAY} exports under way, which is the most; wait")
    if (await session.scalar(mine.where(Task.expires_at > now())) or 0) >= MOST_KEPT:
        raise Conflict(
            f"you have {MOST_KEPT} exports available for download, which is the most; "
            "remove one first"
        )
    return await _ask(session, TaskKind.export, actor.id, asked, key)


async def _ask(
    session: AsyncSession, kind: TaskKind, account_id: int | None, asked: dict[str, Any], key: str
) -> Task:
    task = Task(
        kind=kind,
        account_id=account_id,
        asked=asked,
        key=key,
        after=0,
        attempts=0,
        done=0,
        total=0,
        result={},
        error="",
        created_at=now(),
    )
    try:
        async with session.begin_nested():
            session.add(task)
    except IntegrityError:  # it is under way
        return (await session.scalars(select(Task).where(Task.key == key))).one()
    return task


async def get(session: AsyncSession, actor: Actor, task_id: int) -> Task:
    """A task of the actor, any task for administrators; NotFound for all other ids."""
    task = await session.get(Task, task_id)
    if task is None or not (task.account_id == actor.id or actor.may(Role.administrator)):
        raise NotFound(f"you have no task {task_id}")
    return task


async def listing(
    session: AsyncSession,
    actor: Actor,
    *,
    kind: TaskKind | None = None,
    before: int | None,
    limit: int,
) -> list[tuple[Task, str | None]]:
    """The actor's tasks, everybody's for administrators, newest first, with the requester."""
    query = select(Task, Account.name).outerjoin(Account, Account.id == Task.account_id)
    if not actor.may(Role.administrator):
        query = query.where(Task.account_id == actor.id)
    if kind is not None:
        query = query.where(Task.kind == kind)
    if before is not None:
        query = query.where(Task.id < before)
    rows = await session.execute(query.order_by(Task.id.desc()).limit(limit))
    return [(task, name) for task, name in rows]


async def asker(session: AsyncSession, task: Task) -> str | None:
    """The name of the account that requested a task; None: the command line."""
    return await session.scalar(select(Account.name).where(Account.id == task.account_id))


async def unfinished(session: AsyncSession) -> Sequence[Task]:
    """The unfinished tasks, oldest first."""
    rows = await session.scalars(select(Task).where(Task.ended_at.is_(None)).order_by(Task.id))
    return rows.all()


async def next_of_each(session: AsyncSession) -> list[tuple[int, str]]:
    """The id and kind of the first unfinished task of each account, oldest first.

    An account's other tasks wait for it, so that one account cannot delay the others.
    """
    first = select(func.min(Task.id)).where(Task.ended_at.is_(None)).group_by(Task.account_id)
    rows = await session.execute(
        select(Task.id, Task.kind).where(Task.id.in_(first)).order_by(Task.id)
    )
    return [(task_id, kind) for task_id, kind in rows]


async def tallies(session: AsyncSession, at: datetime, failed_within: timedelta) -> list[Tally]:
    """The number of tasks of each kind that are queued, running, or failed recently."""
    rows = await session.execute(
        select(Task.kind, Task.started_at.is_(None), Task.ended_at.is_(None), func.count())
        .add_columns(func.min(Task.created_at))
        .where(
            Task.ended_at.is_(None) | ((Task.ended_at > at - failed_within) & (Task.error != ""))
        )
        .group_by(Task.kind, Task.started_at.is_(None), Task.ended_at.is_(None))
    )
    by_kind: dict[tuple[str, Status], Tally] = {}
    for kind, waits, going, count, first in rows:
        how = (Status.queued if waits else Status.running) if going else Status.failed
        other = by_kind.get((kind, how))
        by_kind[kind, how] = Tally(
            TaskKind(kind),
            how,
            count + (other.count if other else 0),
            min(first, other.first_at) if other else first,
        )
    return list(by_kind.values())


async def remove(session: AsyncSession, actor: Actor, task_id: int) -> Task:
    """Remove the file of a task before it expires; Conflict while the task is under way."""
    await get(session, actor, task_id)
    task = await _held(session, task_id)
    if task.ended_at is None:
        raise Conflict(f"task {task_id} is under way; wait until it has ended")
    await session.execute(delete(TaskPiece).where(TaskPiece.task_id == task_id))
    if task.expires_at is not None:
        task.expires_at = min(task.expires_at, now())
    return task


async def tidy(session: AsyncSession) -> None:
    """Remove expired files."""
    past = select(Task.id).where(Task.expires_at <= now())
    await session.execute(delete(TaskPiece).where(TaskPiece.task_id.in_(past)))


async def _pieces(database: Database, task_id: int) -> AsyncIterator[bytes]:
    """The file of a task, piece by piece, so that slow readers hold no transaction."""
    number = 0
    while True:
        async with database.autocommit() as session:
            content = await session.scalar(
                select(TaskPiece.content).where(
                    TaskPiece.task_id == task_id, TaskPiece.number == number
                )
            )
        if content is None:
            return
        yield content
        number += 1


async def finished(session: AsyncSession, actor: Actor, task_id: int) -> Task:
    """A task whose file is available; requires the same role as requesting the task.

    Raises:
        NotFound: unknown task, or the file does not exist or has expired.
        Conflict: the file is not written yet.
    """
    task = await get(session, actor, task_id)
    if task.kind != TaskKind.export:
        raise NotFound(f"task {task_id} makes no file")
    Export.of(task.asked).require(actor)
    match status(task, now()):
        case Status.expired:
            raise NotFound(f"the file of task {task_id} was removed; ask for the export again")
        case Status.failed:
            raise NotFound(f"task {task_id} failed: {task.error}")
        case Status.done:
            return task
        case _:
            raise Conflict(f"task {task_id} is still being written", current={"done": task.done})


def download(database: Database, task: Task) -> Download:
    """The file of a task from `finished`, with its size and digest (RFC 9530)."""
    made = task.result
    digest = base64.b64encode(bytes.fromhex(made["sha256"])).decode()
    headers = {"Content-Length": str(made["bytes"]), "Repr-Digest": f"sha-256=:{digest}:"}
    return Download(_pieces(database, task.id), made["name"], made["media_type"], headers)


async def _held(session: AsyncSession, task_id: int) -> Task:
    """A task, locked against changes by other transactions."""
    return (
        await session.scalars(
            select(Task)
            .where(Task.id == task_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).one()


async def _begin(database: Database, task_id: int) -> Task | None:
    """Start or resume a task; None if it has ended or was attempted too often."""
    async with database.write() as session:
        task = await _held(session, task_id)
        if task.ended_at is not None:
            return None
        if task.attempts >= MOST_ATTEMPTS:
            _end(task, error=f"given up: {MOST_ATTEMPTS} attempts did not finish")
            return None
        task.attempts += 1
        task.started_at = task.started_at or now()
        if task.kind == TaskKind.scores:
            task.total = await scores.count_resolved(session)
        else:
            task.done = 0
            await session.execute(delete(TaskPiece).where(TaskPiece.task_id == task_id))
        return task


def _end(task: Task, *, error: str = "") -> None:
    task.ended_at, task.key, task.error = now(), None, error


async def _fail(database: Database, task_id: int, reason: str) -> None:
    """Record the failure of a task."""
    async with database.write() as session:
        task = await _held(session, task_id)
        if task.ended_at is None:
            _end(task, error=reason)
            await session.execute(delete(TaskPiece).where(TaskPiece.task_id == task_id))


async def run(
    database: Database,
    task_id: int,
    *,
    kept: timedelta,
    stopped: Callable[[], bool] = lambda: False,
    tell: Callable[[Task], None] = lambda _: None,
) -> None:
    """Run a task to its end from its current progress; errors are recorded as its failure.

    Args:
        database: the database.
        task_id: id of the task.
        kept: how long the result remains available.
        stopped: checked between two steps; if true, the task is left for later.
        tell: called with the task after each step.

    Raises:
        SQLAlchemyError: the database failed; the task should be retried.
    """
    task = await _begin(database, task_id)
    if task is None:
        return
    try:
        if task.kind == TaskKind.export:
            await _write_export(database, task, kept=kept, stopped=stopped)
        while task.kind == TaskKind.scores and task.ended_at is None and not stopped():
            task = await _rebuild_some(database, task_id)
            tell(task)
            await asyncio.sleep(PAUSE_SECONDS)
    except Abandoned:
        log.info("task %d is left to another worker or for later", task_id)
    except SQLAlchemyError:
        raise
    except Exception as error:
        log.exception("task %d failed", task_id)
        await _fail(database, task_id, _failure_reason(error))


async def _rebuild_some(database: Database, task_id: int) -> Task:
    """Rebuild the scores of a task's next few questions; returns the task, which may have ended.

    A question's scores and the task's progress are committed together.
    """
    async with database.write() as session:
        task = await _held(session, task_id)
        if task.ended_at is not None:
            return task
        ids = _few(await scores.resolved(session, after=task.after, limit=QUESTIONS_AT_ONCE))
        if ids:
            return await _rebuild(session, task, ids)
    async with database.read() as session:
        count = await session.scalar(select(func.count()).select_from(Score)) or 0
        digest = await scores.digest(session)
    async with database.write() as session:
        task = await _held(session, task_id)
        if task.ended_at is None:
            failed = task.result.get("failed", [])
            _end(task, error=_not_rebuilt(failed) if failed else "")
            mended = task.result.get("mended", 0)
            task.result = {"mended": mended, "scores": count, "sha256": digest}
        return task


async def _rebuild(session: AsyncSession, task: Task, ids: list[int]) -> Task:
    """Rebuild the scores of some questions; a failure affects only the question concerned."""
    mended, failed = await together_or_apart(
        "the scores cannot be rebuilt of question", ids, partial(_rescore, session)
    )
    task = await _held(session, task.id)
    task.result = {
        "mended": task.result.get("mended", 0) + sum(mended),
        "failed": task.result.get("failed", []) + failed,
    }
    task.after, task.attempts = ids[-1], 0
    task.done += len(ids)
    task.total = max(task.total, task.done)
    return task


async def _rescore(session: AsyncSession, ids: Sequence[int]) -> int:
    """Rebuild the scores of all the questions or none; returns how many were corrected."""
    async with session.begin_nested():
        before = {line async for line in scores.canonical(session, ids)}
        await scores.rescore(session, ids)
        after = {line async for line in scores.canonical(session, ids)}
    return max(len(before - after), len(after - before))


def _few(counts: Sequence[tuple[int, int]]) -> list[int]:
    """The first questions with `FORECASTS_AT_ONCE` forecasts in total; at least one question."""
    ids: list[int] = []
    left = FORECASTS_AT_ONCE
    for question_id, forecasts in counts:
        if ids and forecasts > left:
            break
        ids.append(question_id)
        left -= forecasts
    return ids


async def _write_export(
    database: Database, task: Task, *, kept: timedelta, stopped: Callable[[], bool]
) -> None:
    """Write an export, read in a single transaction, into pieces, and make it available."""
    wanted = Export.of(task.asked)
    async with database.read() as reading:
        tables = await wanted.tables(reading)
        paper = _ExportWriter(database, task, await wanted.expected(reading))
        counted = [replace(table, batches=paper.counting(table.batches)) for table in tables]
        async for piece in wanted.written(counted):
            if stopped():
                raise Abandoned
            await paper.add(piece)
    result = await paper.flush() | {
        "name": wanted.file_name,
        "media_type": wanted.media_type,
    }
    async with database.write() as session:
        ended = await paper.held(session)
        _end(ended)
        ended.total, ended.done, ended.result = paper.rows, paper.rows, result
        ended.expires_at = now() + kept


class _ExportWriter:
    """The output of an export, stored in pieces together with the task's progress."""

    def __init__(self, database: Database, task: Task, expected: int) -> None:
        self._database = database
        self._task = task
        self._expected = expected
        self._gathered = bytearray()
        self._digest = hashlib.sha256()
        self._size = self._number = 0
        self._told_at = time.monotonic()
        self.rows = 0

    async def counting(self, batches: AsyncIterator[Rows]) -> AsyncIterator[Rows]:
        """Count the rows of the batches passed through."""
        async for rows in batches:
            self.rows += len(rows)
            yield rows

    async def add(self, piece: bytes) -> None:
        """Append data."""
        self._gathered += piece
        if len(self._gathered) >= PIECE or time.monotonic() - self._told_at > TELL_SECONDS:
            await self._store(whole=len(self._gathered) >= PIECE)

    async def flush(self) -> dict[str, Any]:
        """Store the rest; returns the size and digest of the whole file."""
        await self._store(whole=True)
        return {"sha256": self._digest.hexdigest(), "bytes": self._size, "rows": self.rows}

    async def held(self, session: AsyncSession) -> Task:
        """The task, if this worker still holds it."""
        task = await _held(session, self._task.id)
        if task.ended_at is not None or task.attempts != self._task.attempts:
            raise Abandoned
        return task

    async def _store(self, *, whole: bool) -> None:
        content = bytes(self._gathered) if whole else b""
        async with self._database.write() as session:
            task = await self.held(session)
            task.done, task.total = self.rows, max(self._expected, self.rows)
            if content:
                session.add(TaskPiece(task_id=task.id, number=self._number, content=content))
        if content:
            self._digest.update(content)
            self._size += len(content)
            self._number += 1
            self._gathered.clear()
        self._told_at = time.monotonic()


def _not_rebuilt(failed: Sequence[int]) -> str:
    named = ", ".join(str(question_id) for question_id in failed[:SHOWN])
    more = f" and {len(failed) - SHOWN} more" if failed[SHOWN:] else ""
    return f"the scores of these questions could not be rebuilt: {named}{more}; all others were"


def _failure_reason(problem: Exception) -> str:
    """The reason of a failure as a readable sentence."""
    return (
        problem.detail if isinstance(problem, Problem) else f"{type(problem).__name__}: {problem}"
    )
