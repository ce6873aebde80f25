"""The reader's score breakdown on a resolved question, term by term."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.permissions import Actor
from service.questions.questions import View
from service.scoring import scores


@dataclass(frozen=True, slots=True)
class Term:
    """A period during which a forecast was active, and its contribution to the scores."""

    starts_at: datetime | None
    ends_at: datetime | None
    probability: float
    share: float
    baseline: float
    peer: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """The terms of a score and their totals; Brier is the average, lower is better, 0 best."""

    terms: list[Term]
    brier: float
    baseline: float
    peer: float
    coverage: float


async def receipt(session: AsyncSession, actor: Actor, view: View) -> Receipt | None:
    """Return the score breakdown of a resolved question; None for an actor without scores."""
    if not actor.id or view.outcome is None:
        return None
    breakdown, own = await scores.breakdown(session, view, actor.id)
    covered = float(breakdown.share[own].sum())
    if not covered:
        return None
    return Receipt(
        terms=[
            Term(
                starts_at=_moment(float(breakdown.start[term])),
                ends_at=_moment(float(breakdown.end[term])),
                probability=float(breakdown.probability[term]),
                share=float(breakdown.share[term]),
                baseline=float(breakdown.baseline[term]),
                peer=float(breakdown.peer[term]),
            )
            for term in own
        ],
        brier=float(breakdown.brier[own].sum()) / covered,
        baseline=float(breakdown.baseline[own].sum()),
        peer=float(breakdown.peer[own].sum()),
        coverage=covered,
    )


def _moment(seconds: float) -> datetime | None:
    """Convert a Unix timestamp to a time; None if a question has no window (nan)."""
    return None if math.isnan(seconds) else datetime.fromtimestamp(seconds, UTC)
