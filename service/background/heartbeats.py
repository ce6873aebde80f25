"""Workers: which are alive, their jobs and progress, and the pending work."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.background import tasks
from service.clock import now
from service.fits import fits
from service.models import Task, WebhookDelivery, Worker
from service.settings import Settings

BEATS: Final = 6
"""Heartbeats within the time after which a silent worker counts as lost."""
KEPT: Final = timedelta(days=1)


class Progress(NamedTuple):
    """Progress of a fit: its stage, and the number of sampled transitions."""

    stage: str = ""
    drawn: int = 0
    draws: int = 0


IDLE: Final = Progress()


@dataclass(frozen=True, slots=True)
class Background:
    """The workers of the last day, including lost ones, and the pending work.

    Pending work is a refit (or the reason why none is due), deliveries and tasks.
    """

    workers: Sequence[Worker]
    alive: set[str]
    behind: bool
    due: bool
    why: str
    deliveries: int
    first_due_at: datetime | None
    tasks: Sequence[Task]


async def record_heartbeat(
    session: AsyncSession, name: str, doing: str, progress: Progress = IDLE
) -> None:
    """Record that a worker is alive and its job; workers lost long ago are deleted."""
    at = now()
    worker = await session.scalar(select(Worker).where(Worker.name == name))
    if worker is None:
        await session.execute(delete(Worker).where(Worker.seen_at < at - KEPT))
        worker = Worker(name=name, doing="", started_at=at, since=at)
        session.add(worker)
    if worker.doing != doing:
        worker.doing, worker.since = doing, at
    worker.stage, worker.drawn, worker.draws = progress
    worker.seen_at = at


async def deregister(session: AsyncSession, name: str) -> None:
    """Deregister a worker that shut down cleanly."""
    await session.execute(delete(Worker).where(Worker.name == name))


async def alive(session: AsyncSession, patience: timedelta) -> Sequence[str]:
    """The names of the workers with a heartbeat within the last `patience`."""
    names = await session.scalars(select(Worker.name).where(Worker.seen_at >= now() - patience))
    return names.all()


async def refitting(session: AsyncSession, patience: timedelta) -> int:
    """The number of workers that are refitting."""
    query = select(func.count()).where(
        Worker.seen_at >= now() - patience, Worker.doing.contains("refit")
    )
    return int(await session.scalar(query) or 0)


def patience(settings: Settings) -> timedelta:
    """The time without a heartbeat after which a worker counts as lost."""
    return timedelta(seconds=settings.worker_patience_seconds)


async def background(session: AsyncSession, settings: Settings) -> Background:
    """The workers, most recently seen first, and the pending work, derived from the rows."""
    at = now()
    need = await fits.need(
        session,
        quiet=timedelta(seconds=settings.fit_debounce_seconds),
        longest_wait=timedelta(seconds=settings.fit_longest_wait_seconds),
        at=at,
    )
    query = select(func.count(), func.min(WebhookDelivery.due_at))
    count, first = (await session.execute(query.where(WebhookDelivery.due_at <= at))).one()
    return Background(
        (await session.scalars(select(Worker).order_by(Worker.seen_at.desc()))).all(),
        set(await alive(session, patience(settings))),
        need.behind,
        need.due,
        need.why,
        count,
        first,
        await tasks.unfinished(session),
    )
