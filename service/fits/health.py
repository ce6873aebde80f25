"""Health of the model: whether its aggregates are up to date and sound."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.fits import fits
from service.models import Fit, FitStatus
from service.questions.aggregates import Aggregator

PATIENCE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """The fit in force (None: the prior), the latest attempt, and any warning.

    `unreadable` is the latest accepted fit if its stored posterior cannot be read, so that an
    earlier one is in force. `waiting_since` is the time of the first resolution that awaits a fit,
    if any.
    """

    in_force: Fit | None
    unreadable: Fit | None
    latest: Fit | None
    behind: bool
    waiting_since: datetime | None
    warning: str | None


async def model_health(
    session: AsyncSession, aggregator: Aggregator, *, reread: bool = False
) -> ModelHealth:
    """The state of the model, with a warning if its aggregates are outdated.

    This is the case if a posterior cannot be read, a fit was refused or failed, or none was
    completed within a day.

    Args:
        session: a read transaction.
        aggregator: the aggregator of this process.
        reread: read the stored posteriors again (a few milliseconds), since one may have been
            damaged after loading.
    """
    belief = await (aggregator.check(session) if reread else aggregator.belief(session))
    in_force = await session.get(Fit, belief.fit_id) if belief.fit_id is not None else None
    accepted = await session.scalar(
        select(Fit).where(Fit.status == FitStatus.accepted).order_by(Fit.id.desc()).limit(1)
    )
    unreadable = accepted if accepted is not in_force else None
    latest = await session.scalar(select(Fit).order_by(Fit.id.desc()).limit(1))
    need = await fits.need(session, quiet=PATIENCE, longest_wait=PATIENCE, at=now())
    warning = _warning(in_force, unreadable, latest, need)
    return ModelHealth(in_force, unreadable, latest, need.behind, need.since, warning)


def _warning(
    in_force: Fit | None, unreadable: Fit | None, latest: Fit | None, need: fits.Need
) -> str | None:
    if unreadable is not None:
        used = (
            f"fit {in_force.id} of {in_force.created_at:%d %B %Y}"
            if in_force
            else "the prior alone, which has learned from no resolution"
        )
        return (
            f"The posterior of fit {unreadable.id} cannot be read: it is damaged, or another "
            f"version stored it. Aggregates use {used}."
        )
    used = (
        f"Aggregates use fit {in_force.id} of {in_force.created_at:%d %B %Y}, which lacks the "
        "newest resolutions."
        if in_force
        else "Aggregates use the prior alone, which has learned from no resolution."
    )
    if latest is not None and latest.status != FitStatus.accepted and need.behind:
        return f"The latest fit was {latest.status}: {latest.reason.rstrip('.')}. {used}"
    if need.due:
        return f"Questions resolved more than a day ago, but no fit has learned from it. {used}"
    return None
