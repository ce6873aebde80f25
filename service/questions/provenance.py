"""The provenance of an aggregate: fit, forecasts, question, implication, document and evidence."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting import live
from service.models import Account, Fit, Forecast, Implication, QuestionSet
from service.permissions import Actor
from service.questions import aggregates, forecasts
from service.questions.aggregates import AggregateEstimate, Aggregator, Belief
from service.questions.forecasts import Entry
from service.questions.questions import View

MOST_SHARES: Final = 200


@dataclass(frozen=True, slots=True)
class Share:
    """A forecast that counts, and its share of the forecasters' weight, in [0, 1]."""

    entry: Entry
    share: float


@dataclass(frozen=True, slots=True)
class Chain:
    """The path from an aggregate back to the document, and on to the evidence.

    `fit` is None if the aggregate uses the prior. `shares` lists at most 200 forecasts, largest
    weight first, and none while the aggregate is hidden; `left_out` counts the rest.
    """

    view: View
    aggregate: AggregateEstimate
    fit: Fit | None
    shares: list[Share]
    left_out: int
    implication: Implication | None
    in_set: QuestionSet


async def trace(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    question_id: int,
    *,
    as_of: datetime | None = None,
) -> Chain:
    """The provenance of a question's Bayesian aggregate as known at a moment (None: now)."""
    view, estimate = await aggregator.as_known_at(session, actor, question_id, at=as_of)
    fit = await session.get(Fit, estimate.fit_id) if estimate.fit_id else None
    belief = (
        await aggregator.belief(session, fit.created_at)
        if fit
        else Belief(None, aggregates.prior())
    )
    shares = [] if estimate.hidden else await _shares(session, view, estimate.as_of, belief)
    implication_id = view.revision.implication_id
    return Chain(
        view=view,
        aggregate=estimate,
        fit=fit,
        shares=shares[:MOST_SHARES],
        left_out=len(shares[MOST_SHARES:]),
        implication=await session.get(Implication, implication_id) if implication_id else None,
        in_set=await session.get_one(QuestionSet, view.question.set_id),
    )


async def _shares(session: AsyncSession, view: View, at: datetime, belief: Belief) -> list[Share]:
    """Each active forecast with its share, largest first."""
    by_question = await forecasts.stands(session, [view.id], known_at=at)
    standing = forecasts.standing_at(by_question[view.id], view, at)
    influence = live.influence(
        belief.posterior,
        [str(stand.account_id) for stand in standing],
        [stand.probability for stand in standing],
        [stand.start for stand in standing],
        domain=view.revision.domain,
    )
    shares = {
        (stand.account_id, stand.start): float(share)
        for stand, share in zip(standing, influence, strict=True)
    }
    rows = await session.execute(
        select(Forecast, Account.name, Account.bot)
        .join(Account, Account.id == Forecast.account_id)
        .where(
            Forecast.question_id == view.id,
            Forecast.account_id.in_([stand.account_id for stand in standing]),
        )
        .order_by(Forecast.id)
    )
    entries = {(row[0].account_id, row[0].created_at.timestamp()): Entry(*row) for row in rows}
    return sorted(
        (Share(entries[key], share) for key, share in shares.items()),
        key=lambda item: (-item.share, item.entry.forecast.id),
    )
