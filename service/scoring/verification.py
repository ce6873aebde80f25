"""Verification of the derived data: recompute aggregates and scores from the facts and compare."""

import math
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting import live
from service.exceptions import NotFound
from service.models import Aggregate, Question
from service.questions import forecasts, hash_chain, questions
from service.questions.aggregates import AggregateEstimate, Aggregator
from service.scoring import scores

BATCH: Final = 200
CLOSE: Final = 1e-9
"""The tolerance for a recomputed aggregate, whose sums may run in another order."""


@dataclass
class Comparison:
    """The result of a comparison with the facts.

    Attributes:
        differing: the differences from the facts, one sentence each.
        compared: the number of aggregates that agree with their recomputation.
        earlier: the number of differing aggregates that an earlier version computed.
    """

    differing: list[str] = field(default_factory=list)
    compared: int = 0
    earlier: int = 0


async def compare(session: AsyncSession) -> Comparison:
    """Compare the present aggregates and the scores with a recomputation from the facts.

    Every question with facts must have an aggregate published with or after its last fact, and that
    aggregate must follow from the fit and the facts known at the time. It may differ if an earlier
    version of the algorithm computed it, or if only an earlier version can read its posterior. The
    scores must equal those of `scores.rebuild`; that rebuilds them in this transaction, which the
    caller rolls back.
    """
    comparison = Comparison()
    aggregators: dict[float, Aggregator] = {}
    after = 0
    while heads := await hash_chain.heads(session, after=after, limit=BATCH):
        after = heads[-1][0]
        ids = [question_id for question_id, _ in heads]
        latest = select(func.max(Aggregate.id)).where(Aggregate.question_id.in_(ids))
        rows = await session.scalars(
            select(Aggregate).where(Aggregate.id.in_(latest.group_by(Aggregate.question_id)))
        )
        published = {row.question_id: row for row in rows}
        for question_id, head in heads:
            row = published.get(question_id)
            if row is None or (head.at is not None and row.created_at < head.at):
                comparison.differing.append(
                    f"question {question_id}: no aggregate includes its last fact"
                )
                continue
            # Intervals use the level that was configured when they were published.
            aggregator = aggregators.setdefault(row.level, Aggregator(row.level))
            recomputed = await _recomputed(session, aggregator, row)
            if recomputed is not None and _equal(recomputed, row):
                comparison.compared += 1
            elif _made_by_an_earlier_version(recomputed, row):
                comparison.earlier += 1
            else:
                difference = (
                    f"aggregate {row.id} does not follow from the facts"
                    if recomputed is not None
                    else f"the posterior of fit {row.fit_id}, of aggregate {row.id}, is unreadable"
                )
                comparison.differing.append(f"question {question_id}: {difference}")
    rebuilt = await scores.rebuild(session)
    if rebuilt.before != rebuilt.after:
        comparison.differing.append(
            "the scores do not follow from the facts; `credence scores rebuild` repairs them"
        )
    return comparison


async def _recomputed(
    session: AsyncSession, aggregator: Aggregator, row: Aggregate
) -> AggregateEstimate | None:
    """The aggregate recomputed from the facts; None if its posterior cannot be read."""
    at = row.created_at
    (view,) = await questions.views(
        session, questions.views_query(at).where(Question.id == row.question_id)
    )
    stands = await forecasts.stands(session, [row.question_id], known_at=at)
    try:
        belief = await aggregator.belief_of(session, row.fit_id)
    except NotFound:
        return None
    return aggregator.read(view, stands[row.question_id], at, belief)


def _equal(recomputed: AggregateEstimate, row: Aggregate) -> bool:
    same_source = (recomputed.forecasters, recomputed.fingerprint) == (
        row.forecasters,
        row.fingerprint,
    )
    return same_source and all(
        math.isclose(getattr(recomputed, name), getattr(row, name), rel_tol=0, abs_tol=CLOSE)
        for name in ("probability", "lower", "upper")
    )


def _made_by_an_earlier_version(recomputed: AggregateEstimate | None, row: Aggregate) -> bool:
    """Whether an earlier algorithm explains a difference; the number of forecasts must agree."""
    same_count = recomputed is None or recomputed.forecasters == row.forecasters
    return row.algorithm != live.ALGORITHM and same_count
