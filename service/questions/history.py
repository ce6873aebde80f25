"""How a question's aggregate came to be what it is: what charts and the page about it tell."""

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
    """An aggregate from a moment on, in [0, 1], and how many forecasts stood then."""

    at: datetime
    probability: float
    lower: float
    upper: float
    forecasters: int


@dataclass(frozen=True, slots=True)
class PoolPoint:
    """What a classic pool said from a moment on."""

    at: datetime
    method: str
    probability: float


@dataclass(frozen=True, slots=True)
class ForecastChange:
    """What one forecaster said at a moment; `made` is False where a forecast ended."""

    at: datetime
    probability: float | None
    made: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """How many standing forecasts lie in [lower, upper); the last bin holds certainty too."""

    lower: float
    upper: float
    forecasters: int


@dataclass(frozen=True, slots=True)
class AggregateChange:
    """A change of the published aggregate, and what caused it.

    `by` is who forecast `said`, where a forecast was the cause, and `instead_of` what they had
    said before.
    """

    at: datetime
    cause: Cause
    before: float | None
    after: float
    by: str | None
    said: float | None
    instead_of: float | None

    @property
    def change(self) -> float:
        """By how much the probability rose; from nothing published it is 0."""
        return 0.0 if self.before is None else self.after - self.before


@dataclass(frozen=True, slots=True)
class QuestionHistory:
    """How a question's aggregate came to be what it is, as someone may see it.

    Where what others believe is `hidden`, there is only what one said oneself. `extremes` are the
    lowest and the highest forecast that stands, None where there is none.
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
        """How many forecasts stand."""
        return sum(one.forecasters for one in self.bins)

    @property
    def standing(self) -> float | None:
        """What one says oneself in the end; None where nothing of it stands."""
        last = self.mine[-1] if self.mine else None
        return last.probability if last else None

    def at(self, moment: datetime) -> Point | None:
        """What was published last by a moment."""
        return next((one for one in reversed(self.points) if one.at <= moment), None)


async def tell(
    session: AsyncSession, actor: Actor, view: View, *, pools: Sequence[str] = ()
) -> QuestionHistory:
    """The story of a question until now, or until its effective close.

    Args:
        session: any transaction.
        actor: who looks.
        view: the question as it is now.
        pools: the classic pools to tell of beside the aggregate.
    """
    at = now()
    last = min(at, view.ends_at) if view.ends_at else at
    hidden = (await visibility.hidden(session, actor, [view], at)).get(view.id)
    found = await forecasts.stands(
        session, [view.id], known_at=at, account_id=actor.id if hidden else None
    )
    stands = found[view.id]
    mine = _said([one for one in stands if one.account_id == actor.id], last)
    if hidden:
        return QuestionHistory(hidden, [], [], mine, None, [], [])
    standing = [one.probability for one in forecasts.standing_at(stands, view, at)]
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
    """How many probabilities lie in each of 20 bins of 5 points."""
    counts = [0] * BINS
    for probability in probabilities:
        counts[min(int(round(probability * BINS, 9)), BINS - 1)] += 1
    return [Bin(place / BINS, (place + 1) / BINS, count) for place, count in enumerate(counts)]


async def published(session: AsyncSession, view: View) -> list[Point]:
    """The aggregates published from the first forecast on; before it only the prior speaks.

    At most 400 of them, evenly chosen. It is for readers from whom they are not hidden.
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
    """What classic pools said whenever a forecast came."""
    if not methods:
        return []
    starts = sorted({one.start for one in stands if one.start < last.timestamp()})
    points = []
    for start in [*_thinned(starts, MOST_MOMENTS), last.timestamp()]:
        moment = datetime.fromtimestamp(start, UTC)
        standing = forecasts.standing_at(stands, view, moment)
        if standing:
            said, made = [one.probability for one in standing], [one.start for one in standing]
            points += [
                PoolPoint(moment, method, pooling.pool(method, said, made)) for method in methods
            ]
    return points


def _said(stands: Sequence[Stand], last: datetime) -> list[ForecastChange]:
    """Someone's forecasts in their order, each until it ended, with the gaps between them."""
    told: list[ForecastChange] = []
    for one in stands:
        ends = datetime.fromtimestamp(min(one.end, last.timestamp()), UTC)
        told.append(
            ForecastChange(datetime.fromtimestamp(one.start, UTC), one.probability, made=True)
        )
        told.append(ForecastChange(ends, one.probability, made=False))
        if ends < last:
            told.append(ForecastChange(ends, None, made=False))
    return told


async def _moves(session: AsyncSession, view: View) -> list[AggregateChange]:
    """The latest changes of the published aggregate, the newest first."""
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
            said=said,
            instead_of=before,
        )
        for place, (row, name, said, before) in enumerate(rows[:MOST_MOVES])
    ]


def _thinned(rows: list[Row], most: int) -> list[Row]:
    """At most so many, evenly chosen, the first and the last among them."""
    if len(rows) <= most:
        return rows
    step = (len(rows) - 1) / (most - 1)
    return [rows[round(step * place)] for place in range(most)]
