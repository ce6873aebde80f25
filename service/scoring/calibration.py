"""Calibration of the aggregate, a pool or a forecaster: overall, by horizon, and over time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.calibration import BAND, Reliability, reliability
from forecasting.recalibration import Recalibrations, recalibrations
from service.exceptions import Invalid, NotFound
from service.models import LARGEST_ID, Account, Outcome, Resolution, Score
from service.questions.aggregates import BAYES, METHODS
from service.scoring import scores
from service.scoring.scores import CROWD, HORIZONS, ScoreFilter

AGGREGATE: Final = "aggregate"
ENOUGH: Final = 20
"""Resolved questions below which a calibration says nothing but how many there are."""

COMPANY: Final = 100
"""From how many others at most, those with the most questions, a forecaster's line is learned."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reliability over resolved questions, of what stood at their close or so long before it.

    `reliability` is None below `ENOUGH` questions. Its slope and intercept are pulled, as far as
    the evidence is thin, towards those of the forecaster's company, or in a quarter towards the
    same entrant's other quarters; those of a pool stand alone.
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
    """What an entrant said of a question, what became of it and when that was settled."""

    account_id: int
    question_id: int
    probability: float
    outcome: int
    settled_at: datetime


async def measure(
    session: AsyncSession, of: str, scope: ScoreFilter, *, horizon_days: int = 0
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
    entrant, account_id = await _entrant(session, of)
    said = await _said(session, entrant, scope, horizon_days)
    if account_id is None or len(said) < ENOUGH:
        return await asyncio.to_thread(_calibration, said)
    company = await _company(session, account_id, scope, horizon_days)
    return await asyncio.to_thread(_beside, said, [*said, *company])


async def over_time(
    session: AsyncSession, of: str, scope: ScoreFilter, *, horizon_days: int = 0
) -> list[Period]:
    """The calibration by the quarter in which questions were settled, the oldest first."""
    entrant, _ = await _entrant(session, of)
    said = await _said(session, entrant, scope, horizon_days)
    return await asyncio.to_thread(_by_quarter, said)


def _calibration(said: Sequence[_Said]) -> Calibration:
    if len(said) < ENOUGH:
        return Calibration(len(said), None)
    measured = reliability([one.probability for one in said], [one.outcome for one in said])
    return Calibration(len(said), measured)


def _beside(own: Sequence[_Said], everyone: Sequence[_Said]) -> Calibration:
    """The calibration of a forecaster, with a line learned from everyone's."""
    lines = _lines(everyone, [one.account_id for one in everyone])
    return _on_line(_calibration(own), lines, own[0].account_id)


def _by_quarter(said: Sequence[_Said]) -> list[Period]:
    quarters: dict[datetime, list[_Said]] = {}
    for one in said:
        quarters.setdefault(_quarter(one.settled_at), []).append(one)
    lines = _lines(said, [_quarter(one.settled_at).toordinal() for one in said])
    return [
        Period(
            starts_at,
            _next_quarter(starts_at),
            _on_line(_calibration(quarters[starts_at]), lines, starts_at.toordinal()),
        )
        for starts_at in sorted(quarters)
    ]


def _lines(said: Sequence[_Said], group: Sequence[int]) -> Recalibrations:
    return recalibrations(
        [one.probability for one in said],
        [one.outcome for one in said],
        group,
        question=[one.question_id for one in said],
    )


def _on_line(found: Calibration, lines: Recalibrations, group: int) -> Calibration:
    """The same with the slope and the intercept of a group."""
    if found.reliability is None:
        return found
    row = int(np.searchsorted(lines.groups, group))
    slope, intercept = lines.slope(BAND), lines.intercept(BAND)
    return replace(
        found,
        reliability=replace(
            found.reliability,
            slope=float(slope.value[row]),
            slope_interval=(float(slope.lower[row]), float(slope.upper[row])),
            intercept=float(intercept.value[row]),
            intercept_interval=(float(intercept.lower[row]), float(intercept.upper[row])),
        ),
    )


async def _said(
    session: AsyncSession, entrants: ColumnElement[bool], scope: ScoreFilter, horizon_days: int
) -> list[_Said]:
    column = getattr(Score, _column(horizon_days))
    query = (
        select(
            Score.account_id, Score.question_id, column, Resolution.outcome, Resolution.occurred_at
        )
        .where(column.is_not(None), entrants)
        .order_by(Score.question_id, Score.id)
    )
    rows = await session.execute(await scores.matching(session, query, scope))
    return [
        _Said(
            account_id or CROWD, question_id, probability, int(outcome == Outcome.yes), settled_at
        )
        for account_id, question_id, probability, outcome, settled_at in rows
    ]


async def _company(
    session: AsyncSession, account_id: int, scope: ScoreFilter, horizon_days: int
) -> list[_Said]:
    """What those others said who answered the most of the same scope's questions."""
    column = getattr(Score, _column(horizon_days))
    query = (
        select(Score.account_id)
        .where(column.is_not(None), Score.account_id.is_not(None), Score.account_id != account_id)
        .group_by(Score.account_id)
        .order_by(func.count().desc(), Score.account_id)
        .limit(COMPANY)
    )
    chosen = await session.scalars(await scores.matching(session, query, scope))
    return await _said(session, Score.account_id.in_(chosen.all()), scope, horizon_days)


def _column(horizon_days: int) -> str:
    if horizon_days and horizon_days not in HORIZONS:
        allowed = ", ".join(str(days) for days in (0, *HORIZONS))
        raise Invalid(f"horizon_days must be one of {allowed}", field="horizon_days")
    return HORIZONS.get(horizon_days, "spot_probability")


async def _entrant(session: AsyncSession, of: str) -> tuple[ColumnElement[bool], int | None]:
    """Which scores are an entrant's, and the account if it is a forecaster."""
    if of == AGGREGATE:
        return Score.method == BAYES, None
    if of in METHODS:
        return Score.method == of, None
    if not (of.isascii() and of.isdecimal()):
        allowed = ", ".join((AGGREGATE, *METHODS))
        raise Invalid(f"of must be a forecaster's id or one of {allowed}", field="of")
    account = await session.get(Account, int(of)) if int(of) <= LARGEST_ID else None
    if account is None:
        raise NotFound(f"there is no forecaster {of}")
    return Score.account_id == account.id, account.id


def _quarter(at: datetime) -> datetime:
    month = at.month - (at.month - 1) % 3
    return at.replace(month=month, day=1, hour=0, minute=0, second=0, microsecond=0)


def _next_quarter(starts_at: datetime) -> datetime:
    year, month = divmod(starts_at.year * 12 + starts_at.month + 2, 12)
    return starts_at.replace(year=year, month=month + 1)
