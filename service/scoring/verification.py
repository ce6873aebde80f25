"""Whether what is derived from the facts is what it would be if it were derived anew."""

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
"""How far an aggregate may be from the one computed anew: sums in another order."""


@dataclass
class Comparison:
    """What a comparison with the facts found.

    Attributes:
        differing: what is not what the facts lead to, one sentence each.
        compared: how many aggregates are what they would be if they were computed now.
        earlier: how many an earlier version made, which this one does not compute alike.
    """

    differing: list[str] = field(default_factory=list)
    compared: int = 0
    earlier: int = 0


async def compare(session: AsyncSession) -> Comparison:
    """Compare the present aggregates and the scores with what the facts lead to.

    Every question with facts must have an aggregate that was published with the last of them, and
    that is what the model of then makes of the facts known then. An aggregate of an earlier version
    of the computation, or of a posterior that only an earlier version could read, may differ. The
    scores must be those that `scoring.rebuild` makes; the caller undoes the transaction, in which
    they are rebuilt.
    """
    found = Comparison()
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
                found.differing.append(f"question {question_id}: no aggregate has its last fact")
                continue
            # Intervals have the level that was set when they were published.
            aggregator = aggregators.setdefault(row.level, Aggregator(row.level))
            again = await _again(session, aggregator, row)
            if again is not None and _alike(again, row):
                found.compared += 1
            elif _made_by_an_earlier_version(again, row):
                found.earlier += 1
            else:
                what = (
                    f"aggregate {row.id} is not what facts say"
                    if again is not None
                    else f"the posterior of fit {row.fit_id}, of aggregate {row.id}, is unreadable"
                )
                found.differing.append(f"question {question_id}: {what}")
    rebuilt = await scores.rebuild(session)
    if rebuilt.before != rebuilt.after:
        found.differing.append(
            "the scores are not what the facts say; `credence scores rebuild` mends them"
        )
    return found


async def _again(
    session: AsyncSession, aggregator: Aggregator, row: Aggregate
) -> AggregateEstimate | None:
    """An aggregate computed anew; None if the posterior that made it cannot be read."""
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


def _alike(again: AggregateEstimate, row: Aggregate) -> bool:
    return (again.forecasters, again.fingerprint) == (row.forecasters, row.fingerprint) and all(
        math.isclose(getattr(again, name), getattr(row, name), rel_tol=0, abs_tol=CLOSE)
        for name in ("probability", "lower", "upper")
    )


def _made_by_an_earlier_version(again: AggregateEstimate | None, row: Aggregate) -> bool:
    """Whether an aggregate that differs may do so; how many forecasts it pools never may."""
    counted = again is None or again.forecasters == row.forecasters
    return row.algorithm != live.ALGORITHM and counted
