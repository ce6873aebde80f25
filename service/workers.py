"""Workers: which are alive, what they do now, and what waits to be done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service import fits
from service.clock import now
from service.models import WebhookDelivery, Worker

BEAT_SECONDS: Final = 5.0
PATIENCE: Final = timedelta(seconds=30)
KEPT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is to be done: a refit (and why it is not made now, if it is not), and deliveries."""

    behind: bool
    due: bool
    why: str
    deliveries: int
    first_due_at: datetime | None


async def beat(session: AsyncSession, name: str, doing: str) -> None:
    """Note that a worker is alive, and what it does; those long gone are forgotten."""
    at = now()
    worker = await session.scalar(select(Worker).where(Worker.name == name))
    if worker is None:
        await session.execute(delete(Worker).where(Worker.seen_at < at - KEPT))
        worker = Worker(name=name, doing="", started_at=at, since=at)
        session.add(worker)
    if worker.doing != doing:
        worker.doing, worker.since = doing, at
    worker.seen_at = at


async def leave(session: AsyncSession, name: str) -> None:
    """Forget a worker that ends in order."""
    await session.execute(delete(Worker).where(Worker.name == name))


async def alive(session: AsyncSession) -> Sequence[str]:
    """The names of the workers that were seen lately."""
    names = await session.scalars(select(Worker.name).where(Worker.seen_at >= now() - PATIENCE))
    return names.all()


async def listing(session: AsyncSession) -> Sequence[Worker]:
    """Every worker of the last day that did not end in order, those seen last first."""
    return (await session.scalars(select(Worker).order_by(Worker.seen_at.desc()))).all()


async def waiting(session: AsyncSession, *, quiet: timedelta, longest_wait: timedelta) -> Waiting:
    """Derive from the rows what is to be done now."""
    at = now()
    need = await fits.need(session, quiet=quiet, longest_wait=longest_wait, at=at)
    query = select(func.count(), func.min(WebhookDelivery.due_at))
    count, first = (await session.execute(query.where(WebhookDelivery.due_at <= at))).one()
    return Waiting(need.behind, need.due, need.why, count, first)
