"""What deserves one's attention: questions that one has not forecast, and how far others moved."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service import questions
from service.models import Aggregate, Forecast, Question, QuestionRevision
from service.questions import State, View

SINCE: Final = timedelta(days=7)


async def unanswered(
    session: AsyncSession, account_id: int, at: datetime, *, limit: int
) -> list[View]:
    """Open questions that someone has never forecast, those that close first first."""
    mine = select(Forecast.question_id).where(Forecast.account_id == account_id)
    query = (
        questions.views_query(None)
        .where(questions.in_state(State.open, at), Question.id.not_in(mine))
        .order_by(QuestionRevision.closes_at.is_(None), QuestionRevision.closes_at, Question.id)
        .limit(limit)
    )
    return await questions.views(session, query)


async def week_ago(
    session: AsyncSession, question_ids: Sequence[int], at: datetime
) -> dict[int, float]:
    """What was published of each question 7 days before; those without it are left out."""
    latest = (
        select(func.max(Aggregate.id))
        .where(
            Aggregate.question_id.in_(question_ids),
            Aggregate.forecasters > 0,
            Aggregate.created_at <= at - SINCE,
        )
        .group_by(Aggregate.question_id)
    )
    rows = await session.execute(
        select(Aggregate.question_id, Aggregate.probability).where(Aggregate.id.in_(latest))
    )
    return {question_id: float(probability) for question_id, probability in rows}
