"""A forecaster's record and the model's estimates of their skill."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from forecasting.forecasters import weights
from service.clock import now
from service.exceptions import Forbidden, NotFound
from service.models import Account, Aggregate, Cause, Forecast, ForecasterSummary, Question, Role
from service.permissions import Actor
from service.questions import questions, visibility
from service.questions.aggregates import Aggregator


@dataclass(frozen=True, slots=True)
class Estimate:
    """A posterior median or mean with the ends of its central credible interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """The model's estimates of a forecaster; `forecasting.forecasters` defines the figures.

    For a forecaster outside the latest fit only the weight is estimated. The offset, in nats, is
    the amount by which their log-odds lie above those of others on the same questions; it is
    subtracted before pooling.
    """

    resolved: int
    level: float
    offset: float
    weight: Estimate
    bias: Estimate | None = None
    noise: Estimate | None = None
    slope: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A forecaster's record; `opinion` is None for readers who may not see it."""

    account: Account
    questions: int
    forecasts: int
    opinion: Opinion | None


@dataclass(frozen=True, slots=True)
class Movement:
    """The effect of a forecast on its question's aggregate.

    `before` is None for the first aggregate; both are None while the aggregate is hidden.
    """

    forecast: Forecast
    before: float | None
    after: float | None


async def get(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, forecaster_id: int
) -> Record:
    """A forecaster's record; NotFound names the id."""
    account = await _account(session, forecaster_id)
    questions_forecast, forecasts_made = (
        await session.execute(
            select(func.count(func.distinct(Forecast.question_id)), func.count(Forecast.id)).where(
                Forecast.account_id == account.id
            )
        )
    ).one()
    opinion = await _opinion(session, aggregator, account) if _sees(actor, account) else None
    return Record(account, questions_forecast, forecasts_made, opinion)


async def show(session: AsyncSession, actor: Actor, forecaster_id: int, *, shown: bool) -> None:
    """Show the model's estimates of the actor to everybody, or only to the actor and curators."""
    actor.require(Role.forecaster, "show a record")
    account = await _account(session, forecaster_id)
    if account.id != actor.id:
        raise Forbidden("only a forecaster can show their own record")
    account.shows_record = shown
    await session.flush()


async def movements(
    session: AsyncSession, actor: Actor, forecaster_id: int, *, before: int | None, limit: int
) -> list[Movement]:
    """The effects of a forecaster's forecasts before an id, newest first.

    Others' forecasts on questions whose forecasts are still hidden from the actor are omitted.
    Raises Forbidden unless the actor is the forecaster or a curator, or the record is public.
    """
    account = await _account(session, forecaster_id)
    if not _sees(actor, account):
        raise Forbidden("this forecaster does not show their record")
    after, earlier = aliased(Aggregate), aliased(Aggregate)
    last = (
        select(func.max(Aggregate.id))
        .where(Aggregate.question_id == after.question_id, Aggregate.id < after.id)
        .correlate(after)
        .scalar_subquery()
    )
    query = (
        select(Forecast, earlier.probability, after.probability)
        .outerjoin(
            after,
            (after.question_id == Forecast.question_id)
            & (after.created_at == Forecast.created_at)
            & (after.cause == Cause.forecast),
        )
        .outerjoin(earlier, earlier.id == last)
        .where(Forecast.account_id == account.id)
        .order_by(Forecast.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Forecast.id < before)
    if account.id not in (await session.scalars(visibility.reader(actor))).all():
        shown = questions.views_query(None).where(visibility.shown(actor, now()))
        query = query.where(Forecast.question_id.in_(shown.with_only_columns(Question.id)))
    moves = [Movement(*row) for row in await session.execute(query)]
    hidden = await _hidden(session, actor, {move.forecast.question_id for move in moves})
    return [
        Movement(move.forecast, None, None) if move.forecast.question_id in hidden else move
        for move in moves
    ]


async def _hidden(session: AsyncSession, actor: Actor, question_ids: set[int]) -> dict[int, Any]:
    query = questions.views_query(None).where(Question.id.in_(question_ids))
    return await visibility.hidden(session, actor, await questions.views(session, query), now())


async def _account(session: AsyncSession, forecaster_id: int) -> Account:
    account = await session.get(Account, forecaster_id)
    if account is None:
        raise NotFound(f"there is no forecaster {forecaster_id}")
    return account


def _sees(actor: Actor, account: Account) -> bool:
    return account.shows_record or actor.id == account.id or actor.may(Role.curator)


async def _opinion(session: AsyncSession, aggregator: Aggregator, account: Account) -> Opinion:
    belief = await aggregator.belief(session)
    stored = await session.scalar(
        select(ForecasterSummary).where(
            ForecasterSummary.fit_id == belief.fit_id, ForecasterSummary.account_id == account.id
        )
    )
    name = (str(account.id),)
    offset = float(belief.posterior.offsets[belief.posterior.rows_of(name)[0]])
    if stored is not None:
        figures = {figure: Estimate(*values) for figure, values in stored.figures.items()}
        return Opinion(stored.resolved, stored.level, offset, **figures)
    weight = weights(belief.posterior, name, level=aggregator.level)
    ends = (weight.value[0], weight.lower[0], weight.upper[0])
    return Opinion(0, aggregator.level, offset, Estimate(*(float(end) for end in ends)))
