"""What one earned on a resolved question, term by term."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.permissions import Actor
from service.questions.questions import View
from service.scoring import scores


@dataclass(frozen=True, slots=True)
class Term:
    """A time in which one's forecast stood, and what it added to the scores."""

    starts_at: datetime | None
    ends_at: datetime | None
    probability: float
    share: float
    baseline: float
    peer: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """One's terms, and what they come to; Brier is the average, lower better, 0 best."""

    terms: list[Term]
    brier: float
    baseline: float
    peer: float
    coverage: float


async def receipt(session: AsyncSession, actor: Actor, view: View) -> Receipt | None:
    """The receipt of a resolved question; None for someone who earned nothing on it."""
    if not actor.id or view.outcome is None:
        return None
    told, own = await scores.breakdown(session, view, actor.id)
    covered = float(told.share[own].sum())
    if not covered:
        return None
    return Receipt(
        terms=[
            Term(
                starts_at=_moment(float(told.start[one])),
                ends_at=_moment(float(told.end[one])),
                probability=float(told.probability[one]),
                share=float(told.share[one]),
                baseline=float(told.baseline[one]),
                peer=float(told.peer[one]),
            )
            for one in own
        ],
        brier=float(told.brier[own].sum()) / covered,
        baseline=float(told.baseline[own].sum()),
        peer=float(told.peer[own].sum()),
        coverage=covered,
    )


def _moment(seconds: float) -> datetime | None:
    """A moment from seconds since 1970; None where a question has no window (nan)."""
    return None if math.isnan(seconds) else datetime.fromtimestamp(seconds, UTC)
