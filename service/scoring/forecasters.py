"""A forecaster's record, and the model's view of them."""

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
    """What the model makes of a forecaster; see `forecasting.forecasters` for the figures.

    Of one who was not in the latest fit only the weight is known. The offset is taken off their
    log-odds before pooling, in nats: how far they lie above others' on the same questions.
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
    """What is known of a forecaster; `opinion` is None for those who may not see it."""

    account: Account
    questions: int
    forecasts: int
    opinion: Opinion | None


@dataclass(frozen=True, slots=True)
class Movement:
    """What a forecast did to the aggregate of its question.

    `before` is None if there was no aggregate yet; both are None where the aggregate is hidden.
    """

    forecast: Forecast
    before: float | None
    after: float | None


async def get(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, forecaster_id: int
) -> Record:
    """A forecaster's record; NotFound names the id."""
    account = await _account(session, forecaster_id)
    asked, made = (
        await session.execute(
            select(func.count(func.distinct(Forecast.question_id)), func.count(Forecast.id)).where(
                Forecast.account_id == account.id
            )
        )
    ).one()
    opinion = await _opinion(session, aggregator, account) if _sees(actor, account) else None
    return Record(account, asked, made, opinion)


async def show(session: AsyncSession, actor: Actor, forecaster_id: int, *, shown: bool) -> None:
    """Let everybody see what the model makes of one's forecasts, or nobody but curators."""
    actor.require(Role.forecaster, "show a record")
    account = await _account(session, forecaster_id)
    if account.id != actor.id:
        raise Forbidden("only a forecaster can show their own record")
    account.shows_record = shown
    await session.flush()


async def movements(
    session: AsyncSession, actor: Actor, forecaster_id: int, *, before: int | None, limit: int
) -> list[Movement]:
    """What a forecaster's forecasts did to the aggregates, the newest first, from before an id.

    Forecasts of others on questions that the actor may not see yet are left out. Forbidden unless
    they are one's own, one is a curator, or they are shown to everybody.
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
    found = [Movement(*row) for row in await session.execute(query)]
    hidden = await _hidden(session, actor, {one.forecast.question_id for one in found})
    return [
        Movement(one.forecast, None, None) if one.forecast.question_id in hidden else one
        for one in found
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
    found = weights(belief.posterior, name, level=aggregator.level)
    ends = (found.value[0], found.lower[0], found.upper[0])
    return Opinion(0, aggregator.level, offset, Estimate(*(float(end) for end in ends)))
