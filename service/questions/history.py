"""The history of a question's aggregate, for its charts and its history page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from forecasting import pooling
from service.clock import now
from service.models import Account, Aggregate, Cause, Forecast
from service.permissions import Actor
from service.questions import forecasts, visibility
from service.questions.forecasts import Stand
from service.questions.questions import View
from service.questions.visibility import Hidden

MOST_POINTS: Final = 400
MOST_MOMENTS: Final = 80
MOST_MOVES: Final = 6
BINS: Final = 20

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Point:
    """An aggregate from a moment on, in [0, 1], and the number of active forecasts."""

    at: datetime
    probability: float
    lower: float
    upper: float
    forecasters: int


@dataclass(frozen=True, slots=True)
class PoolPoint:
    """The probability of a classic pool from a moment on."""

    at: datetime
    method: str
    probability: float


@dataclass(frozen=True, slots=True)
class ForecastChange:
    """A forecaster's probability at a moment; `made` is False where a forecast ended."""

    at: datetime
    probability: float | None
    made: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """The number of active forecasts in [lower, upper); the last bin includes 1."""

    lower: float
    upper: float
    forecasters: int


@dataclass(frozen=True, slots=True)
class AggregateChange:
    """A change of the published aggregate, and its cause.

    If a forecast was the cause, `by` is its forecaster, `probability` its value and `previous`
    the value of the forecaster's previous forecast.
    """

    at: datetime
    cause: Cause
    before: float | None
    after: float
    by: str | None
    probability: float | None
    previous: float | None

    @property
    def change(self) -> float:
        """The increase of the probability; 0 for the first published aggregate."""
        return 0.0 if self.before is None else self.after - self.before


@dataclass(frozen=True, slots=True)
class QuestionHistory:
    """The history of a question's aggregate as a reader may see it.

    While others' forecasts are `hidden`, it contains only the reader's own. `extremes` are the
    lowest and the highest active forecast, None without forecasts.
    """

    hidden: Hidden | None
    points: list[Point]
    pools: list[PoolPoint]
    mine: list[ForecastChange]
    extremes: tuple[float, float] | None
    bins: list[Bin]
    moves: list[AggregateChange]

    @property
    def forecasters(self) -> int:
        """The number of active forecasts."""
        return sum(interval.forecasters for interval in self.bins)

    @property
    def standing(self) -> float | None:
        """The reader's final probability; None without an active forecast."""
        last = self.mine[-1] if self.mine else None
        return last.probability if last else None

    def at(self, moment: datetime) -> Point | None:
        """The latest aggregate published by a moment."""
        return next((point for point in reversed(self.points) if point.at <= moment), None)


async def load(
    session: AsyncSession, actor: Actor, view: View, *, pools: Sequence[str] = ()
) -> QuestionHistory:
    """The history of a question until now, or until its effective close.

    Args:
        session: any transaction.
        actor: the reader.
        view: the question as known now.
        pools: the classic pools to include besides the aggregate.
    """
    at = now()
    last = min(at, view.ends_at) if view.ends_at else at
    hidden = (await visibility.hidden(session, actor, [view], at)).get(view.id)
    by_question = await forecasts.stands(
        session, [view.id], known_at=at, account_id=actor.id if hidden else None
    )
    stands = by_question[view.id]
    mine = _own_changes([stand for stand in stands if stand.account_id == actor.id], last)
    if hidden:
        return QuestionHistory(hidden, [], [], mine, None, [], [])
    standing = [stand.probability for stand in forecasts.standing_at(stands, view, at)]
    return QuestionHistory(
        hidden=None,
        points=await published(session, view),
        pools=_pooled(view, stands, pools, last),
        mine=mine,
        extremes=(min(standing), max(standing)) if standing else None,
        bins=spread(standing),
        moves=await _moves(session, view),
    )


def spread(probabilities: Iterable[float]) -> list[Bin]:
    """Count the probabilities in each of 20 bins of 5 percentage points."""
    counts = [0] * BINS
    for probability in probabilities:
        counts[min(int(round(probability * BINS, 9)), BINS - 1)] += 1
    return [Bin(place / BINS, (place + 1) / BINS, count) for place, count in enumerate(counts)]


async def published(session: AsyncSession, view: View) -> list[Point]:
    """The aggregates published since the first forecast; earlier ones only restate the prior.

    Returns at most 400 of them, evenly chosen. Call it only for readers who may see them.
    """
    rows = await session.execute(
        select(
            Aggregate.created_at,
            Aggregate.probability,
            Aggregate.lower,
            Aggregate.upper,
            Aggregate.forecasters,
        )
        .where(Aggregate.question_id == view.id, Aggregate.forecasters > 0)
        .order_by(Aggregate.id)
    )
    return _thinned([Point(*row) for row in rows], MOST_POINTS)


def _pooled(
    view: View, stands: Sequence[Stand], methods: Sequence[str], last: datetime
) -> list[PoolPoint]:
    """The probabilities of classic pools at the time of each forecast."""
    if not methods:
        return []
    starts = sorted({stand.start for stand in stands if stand.start < last.timestamp()})
    points = []
    for start in [*_thinned(starts, MOST_MOMENTS), last.timestamp()]:
        moment = datetime.fromtimestamp(start, UTC)
        standing = forecasts.standing_at(stands, view, moment)
        if standing:
            probabilities = [stand.probability for stand in standing]
            made = [stand.start for stand in standing]
            points += [
                PoolPoint(moment, method, pooling.pool(method, probabilities, made))
                for method in methods
            ]
    return points


def _own_changes(stands: Sequence[Stand], last: datetime) -> list[ForecastChange]:
    """A forecaster's forecasts in order, each until its end, with the gaps between them."""
    changes: list[ForecastChange] = []
    for stand in stands:
        ends = datetime.fromtimestamp(min(stand.end, last.timestamp()), UTC)
        changes.append(
            ForecastChange(datetime.fromtimestamp(stand.start, UTC), stand.probability, made=True)
        )
        changes.append(ForecastChange(ends, stand.probability, made=False))
        if ends < last:
            changes.append(ForecastChange(ends, None, made=False))
    return changes


async def _moves(session: AsyncSession, view: View) -> list[AggregateChange]:
    """The latest changes of the published aggregate, newest first."""
    earlier = aliased(Forecast)
    instead_of = (
        select(earlier.probability)
        .where(
            earlier.question_id == Forecast.question_id,
            earlier.account_id == Forecast.account_id,
            earlier.id < Forecast.id,
        )
        .order_by(earlier.id.desc())
        .limit(1)
        .correlate(Forecast)
        .scalar_subquery()
    )
    rows = (
        await session.execute(
            select(Aggregate, Account.name, Forecast.probability, instead_of)
            .outerjoin(
                Forecast,
                and_(
                    Aggregate.cause == Cause.forecast,
                    Forecast.question_id == Aggregate.question_id,
                    Forecast.created_at == Aggregate.created_at,
                ),
            )
            .outerjoin(Account, Account.id == Forecast.account_id)
            .where(Aggregate.question_id == view.id, Aggregate.forecasters > 0)
            .order_by(Aggregate.id.desc())
            .limit(MOST_MOVES + 1)
        )
    ).all()
    return [
        AggregateChange(
            at=row.created_at,
            cause=Cause(row.cause),
            before=rows[place + 1][0].probability if place + 1 < len(rows) else None,
            after=row.probability,
            by=name,
            probability=probability,
            previous=before,
        )
        for place, (row, name, probability, before) in enumerate(rows[:MOST_MOVES])
    ]


def _thinned(rows: list[Row], most: int) -> list[Row]:
    """At most `most` rows, evenly chosen, including the first and the last."""
    if len(rows) <= most:
        return rows
    step = (len(rows) - 1) / (most - 1)
    return [rows[round(step * place)] for place in range(most)]
