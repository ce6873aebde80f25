"""Calibration of the aggregate, a pool or a forecaster: overall, by horizon, and over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.calibration import Reliability, reliability
from service import scoring
from service.aggregates import BAYES, METHODS
from service.errors import Invalid, NotFound
from service.models import LARGEST_ID, Account, Outcome, Resolution, Score
from service.scoring import HORIZONS, Scope

AGGREGATE: Final = "aggregate"
ENOUGH: Final = 20
"""Resolved questions below which a calibration says nothing but how many there are."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reliability over resolved questions, of what stood at their close or so long before it.

    `reliability` is None below `ENOUGH` questions.
    """

    questions: int
    reliability: Reliability | None

    @property
    def enough(self) -> bool:
        """Whether there are enough questions to say anything."""
        return self.questions >= ENOUGH


@dataclass(frozen=True, slots=True)
class Period:
    """The calibration over the questions settled in a quarter of a year, [starts_at, ends_at)."""

    starts_at: datetime
    ends_at: datetime
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class _Said:
    """What was said of a question, what became of it and when that was settled."""

    probability: float
    outcome: int
    settled_at: datetime


async def measure(
    session: AsyncSession, of: str, scope: Scope, *, horizon_days: int = 0
) -> Calibration:
    """The calibration of an entrant: `aggregate`, a method by name, or a forecaster by id.

    Args:
        of: whose.
        scope: over which questions.
        horizon_days: 0 for what stood at the effective close, or one of `scoring.HORIZONS` for
            what stood so many days before it.

    Raises:
        Invalid: an entrant or a horizon that there is not.
        NotFound: a forecaster or a set that is not there.
    """
    return _calibration(await _said(session, of, scope, horizon_days))


async def over_time(
    session: AsyncSession, of: str, scope: Scope, *, horizon_days: int = 0
) -> list[Period]:
    """The calibration by the quarter in which questions were settled, the oldest first."""
    quarters: dict[datetime, list[_Said]] = {}
    for one in await _said(session, of, scope, horizon_days):
        quarters.setdefault(_quarter(one.settled_at), []).append(one)
    return [
        Period(starts_at, _next_quarter(starts_at), _calibration(said))
        for starts_at, said in sorted(quarters.items())
    ]


def _calibration(said: Sequence[_Said]) -> Calibration:
    if len(said) < ENOUGH:
        return Calibration(len(said), None)
    measured = reliability(
        np.array([one.probability for one in said]),
        np.array([one.outcome for one in said], dtype=np.float64),
    )
    return Calibration(len(said), measured)


async def _said(session: AsyncSession, of: str, scope: Scope, horizon_days: int) -> list[_Said]:
    if horizon_days and horizon_days not in HORIZONS:
        allowed = ", ".join(str(days) for days in (0, *HORIZONS))
        raise Invalid(f"horizon_days must be one of {allowed}", field="horizon_days")
    column = getattr(Score, HORIZONS.get(horizon_days, "spot_probability"))
    query = (
        select(column, Resolution.outcome, Resolution.occurred_at)
        .where(column.is_not(None), await _entrant(session, of))
        .order_by(Score.question_id)
    )
    rows = await session.execute(await scoring.in_scope(session, query, scope))
    return [
        _Said(probability, int(outcome == Outcome.yes), settled_at)
        for probability, outcome, settled_at in rows
    ]


async def _entrant(session: AsyncSession, of: str) -> ColumnElement[bool]:
    if of == AGGREGATE:
        return Score.method == BAYES
    if of in METHODS:
        return Score.method == of
    if not (of.isascii() and of.isdecimal()):
        allowed = ", ".join((AGGREGATE, *METHODS))
        raise Invalid(f"of must be a forecaster's id or one of {allowed}", field="of")
    account = await session.get(Account, int(of)) if int(of) <= LARGEST_ID else None
    if account is None:
        raise NotFound(f"there is no forecaster {of}")
    return Score.account_id == account.id


def _quarter(at: datetime) -> datetime:
    month = at.month - (at.month - 1) % 3
    return at.replace(month=month, day=1, hour=0, minute=0, second=0, microsecond=0)


def _next_quarter(starts_at: datetime) -> datetime:
    year, month = divmod(starts_at.year * 12 + starts_at.month + 2, 12)
    return starts_at.replace(year=year, month=month + 1)
