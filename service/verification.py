"""Whether what is derived from the facts is what it would be if it were derived anew."""

import math
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service import chain, forecasts, questions, scoring
from service.aggregates import Aggregator
from service.models import Aggregate, Question

BATCH: Final = 200
CLOSE: Final = 1e-9
"""How far an aggregate may be from the one computed anew: sums in another order."""


async def differences(session: AsyncSession, aggregator: Aggregator) -> list[str]:
    """Say which present aggregates and scores are not what the facts lead to.

    Every question with facts must have an aggregate that was published with the last of them, and
    that is what the model of then makes of the facts known then. The scores must be those that
    `scoring.rebuild` makes; the caller undoes the transaction, in which they are rebuilt.
    """
    found = []
    after = 0
    while heads := await chain.heads(session, after=after, limit=BATCH):
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
                found.append(f"question {question_id}: no aggregate has its last fact")
            elif not await _holds(session, aggregator, row):
                found.append(f"question {question_id}: aggregate {row.id} is not what facts say")
    rebuilt = await scoring.rebuild(session)
    if rebuilt.before != rebuilt.after:
        found.append("the scores are not what the facts say; `credence scores rebuild` mends them")
    return found


async def _holds(session: AsyncSession, aggregator: Aggregator, row: Aggregate) -> bool:
    at = row.created_at
    query = questions.views_query(at).where(Question.id == row.question_id)
    views = await questions.views(session, query)
    if not views:
        return False
    stands = await forecasts.stands(session, [row.question_id], known_at=at)
    belief = await aggregator.belief_of(session, row.fit_id)
    again = aggregator.read(views[0], stands[row.question_id], at, belief)
    return (again.forecasters, again.fingerprint) == (row.forecasters, row.fingerprint) and all(
        math.isclose(getattr(again, name), getattr(row, name), rel_tol=0, abs_tol=CLOSE)
        for name in ("probability", "lower", "upper")
    )
