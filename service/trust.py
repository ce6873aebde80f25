"""Whether the model's answers deserve trust now, and why not."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service import fits
from service.clock import now
from service.models import Fit, FitStatus

PATIENCE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Trust:
    """The fit in force (None: the prior answers), the latest attempt, and what is wrong.

    `waiting_since` is when the first resolution came that a fit is to learn from, if any.
    """

    in_force: Fit | None
    latest: Fit | None
    behind: bool
    waiting_since: datetime | None
    warning: str | None


async def judge(session: AsyncSession) -> Trust:
    """The state of the model; a warning where a fit was refused or failed, or is a day behind."""
    in_force = await session.scalar(
        select(Fit).where(Fit.status == FitStatus.accepted).order_by(Fit.id.desc()).limit(1)
    )
    latest = await session.scalar(select(Fit).order_by(Fit.id.desc()).limit(1))
    need = await fits.need(session, quiet=PATIENCE, longest_wait=PATIENCE, at=now())
    return Trust(in_force, latest, need.behind, need.since, _warning(in_force, latest, need))


def _warning(in_force: Fit | None, latest: Fit | None, need: fits.Need) -> str | None:
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
