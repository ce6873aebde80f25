"""A forecaster's record, and the model's view of them."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.posterior import ForecasterSummary
from service.accounts import Actor
from service.aggregates import Aggregator
from service.errors import NotFound
from service.models import Account, Forecast, Role


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a forecaster; `weight` is None for those who may not see it."""

    account: Account
    questions: int
    forecasts: int
    weight: ForecasterSummary | None


async def get(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, forecaster_id: int
) -> Record:
    """A forecaster's record; NotFound names the id."""
    account = await session.get(Account, forecaster_id)
    if account is None:
        raise NotFound(f"there is no forecaster {forecaster_id}")
    questions, forecasts = (
        await session.execute(
            select(func.count(func.distinct(Forecast.question_id)), func.count(Forecast.id)).where(
                Forecast.account_id == account.id
            )
        )
    ).one()
    weight = None
    if actor.id == account.id or actor.may(Role.curator):
        belief = await aggregator.belief(session)
        weight = belief.posterior.forecaster_summary(str(account.id), aggregator.level)
    return Record(account, questions, forecasts, weight)
