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
"""The number of resolved questions below which a calibration reports only their number."""

COMPANY: Final = 100
"""The maximum number of other forecasters, those with the most questions, in the shared model."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reliability of the forecasts active at the close of resolved questions, or days before it.

    `reliability` is None below `ENOUGH` questions. Its slope and intercept are shrunk, more so with
    little evidence, towards those of other forecasters or, by quarter, towards the same entrant's
    other quarters; the overall ones of a pool are not shrunk.
    """

    questions: int
    reliability: Reliability | None

    @property
    def enough(self) -> bool:
        """Whether the number of questions suffices for a measurement."""
        return self.questions >= ENOUGH


@dataclass(frozen=True, slots=True)
class Period:
    """The calibration over the questions settled in a quarter of a year, [starts_at, ends_at)."""

    starts_at: datetime
    ends_at: datetime
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class _ScoredForecast:
    """An entrant's probability for a question, its outcome and when that was settled."""

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
        of: the entrant.
        scope: the questions to include.
        horizon_days: 0 for forecasts active at the effective close, or one of `scores.HORIZONS`
            for those active that many days before it.

    Raises:
        Invalid: unknown kind of entrant or horizon.
        NotFound: unknown forecaster or set.
    """
    entrant, account_id = await _entrant(session, of)
    own = await _forecasts(session, entrant, scope, horizon_days)
    if account_id is None or len(own) < ENOUGH:
        return await asyncio.to_thread(_calibration, own)
    others = await _others(session, account_id, scope, horizon_days)
    return await asyncio.to_thread(_calibration_among, own, [*own, *others])


async def over_time(
    session: AsyncSession, of: str, scope: ScoreFilter, *, horizon_days: int = 0
) -> list[Period]:
    """The calibration by the quarter in which questions were settled, oldest first."""
    entrant, _ = await _entrant(session, of)
    forecasts = await _forecasts(session, entrant, scope, horizon_days)
    return await asyncio.to_thread(_by_quarter, forecasts)


def _calibration(forecasts: Sequence[_ScoredForecast]) -> Calibration:
    if len(forecasts) < ENOUGH:
        return Calibration(len(forecasts), None)
    measured = reliability(
        [forecast.probability for forecast in forecasts],
        [forecast.outcome for forecast in forecasts],
    )
    return Calibration(len(forecasts), measured)


def _calibration_among(
    own: Sequence[_ScoredForecast], everyone: Sequence[_ScoredForecast]
) -> Calibration:
    """The calibration of a forecaster, with the recalibration line estimated among everyone's."""
    lines = _lines(everyone, [forecast.account_id for forecast in everyone])
    return _with_line(_calibration(own), lines, own[0].account_id)


def _by_quarter(forecasts: Sequence[_ScoredForecast]) -> list[Period]:
    quarters: dict[datetime, list[_ScoredForecast]] = {}
    for forecast in forecasts:
        quarters.setdefault(_quarter(forecast.settled_at), []).append(forecast)
    lines = _lines(forecasts, [_quarter(row.settled_at).toordinal() for row in forecasts])
    return [
        Period(
            starts_at,
            _next_quarter(starts_at),
            _with_line(_calibration(quarters[starts_at]), lines, starts_at.toordinal()),
        )
        for starts_at in sorted(quarters)
    ]


def _lines(forecasts: Sequence[_ScoredForecast], group: Sequence[int]) -> Recalibrations:
    return recalibrations(
        [forecast.probability for forecast in forecasts],
        [forecast.outcome for forecast in forecasts],
        group,
        question=[forecast.question_id for forecast in forecasts],
    )


def _with_line(measured: Calibration, lines: Recalibrations, group: int) -> Calibration:
    """Replace the slope and the intercept by those of a group."""
    if measured.reliability is None:
        return measured
    row = int(np.searchsorted(lines.groups, group))
    slope, intercept = lines.slope(BAND), lines.intercept(BAND)
    return replace(
        measured,
        reliability=replace(
            measured.reliability,
            slope=float(slope.value[row]),
            slope_interval=(float(slope.lower[row]), float(slope.upper[row])),
            intercept=float(intercept.value[row]),
            intercept_interval=(float(intercept.lower[row]), float(intercept.upper[row])),
        ),
    )


async def _forecasts(
    session: AsyncSession, entrants: ColumnElement[bool], scope: ScoreFilter, horizon_days: int
) -> list[_ScoredForecast]:
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
        _ScoredForecast(
            account_id or CROWD, question_id, probability, int(outcome == Outcome.yes), settled_at
        )
        for account_id, question_id, probability, outcome, settled_at in rows
    ]


async def _others(
    session: AsyncSession, account_id: int, scope: ScoreFilter, horizon_days: int
) -> list[_ScoredForecast]:
    """The forecasts of the other forecasters with the most questions in the same scope."""
    column = getattr(Score, _column(horizon_days))
    query = (
        select(Score.account_id)
        .where(column.is_not(None), Score.account_id.is_not(None), Score.account_id != account_id)
        .group_by(Score.account_id)
        .order_by(func.count().desc(), Score.account_id)
        .limit(COMPANY)
    )
    chosen = await session.scalars(await scores.matching(session, query, scope))
    return await _forecasts(session, Score.account_id.in_(chosen.all()), scope, horizon_days)


def _column(horizon_days: int) -> str:
    if horizon_days and horizon_days not in HORIZONS:
        allowed = ", ".join(str(days) for days in (0, *HORIZONS))
        raise Invalid(f"horizon_days must be one of {allowed}", field="horizon_days")
    return HORIZONS.get(horizon_days, "spot_probability")


async def _entrant(session: AsyncSession, of: str) -> tuple[ColumnElement[bool], int | None]:
    """The condition that selects an entrant's scores, and the account id of a forecaster."""
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
