"""What deserves one's attention: questions that one has not forecast, and how far others moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.models import Aggregate, Forecast, Question, QuestionRevision, Withdrawal
from service.questions import questions
from service.questions.questions import State, View

SINCE: Final = timedelta(days=7)
SOON: Final = timedelta(hours=48)


class ReminderReason(StrEnum):
    """Why nothing of someone's stands on a question."""

    never = "never"
    expired = "expired"
    withdrawn = "withdrawn"


@dataclass(frozen=True, slots=True)
class Reminder:
    """A question that closes soon, and why it waits for someone."""

    view: View
    why: ReminderReason


async def unanswered(
    session: AsyncSession, account_id: int, at: datetime, *, limit: int
) -> list[View]:
    """Open questions that someone has never forecast, those that close first first."""
    mine = select(Forecast.question_id).where(Forecast.account_id == account_id)
    query = (
        questions.views_query(None)
        .where(questions.listed(), questions.in_state(State.open, at), Question.id.not_in(mine))
        .order_by(QuestionRevision.closes_at.is_(None), QuestionRevision.closes_at, Question.id)
        .limit(limit)
    )
    return await questions.views(session, query)


async def closing(
    session: AsyncSession,
    account_id: int,
    at: datetime,
    *,
    within: timedelta,
    after: int = 0,
    limit: int,
) -> list[Reminder]:
    """Open questions that close within a time and on which nothing of someone's stands.

    Those that close first come first, from behind the question `after` on, wherever it is now.
    """
    closes_at = QuestionRevision.closes_at
    position = _last(Forecast, account_id)
    withdrawn = func.coalesce(_last(Withdrawal, account_id), 0) > position
    expires_at = (
        select(Forecast.expires_at)
        .where(Forecast.question_id == Question.id, Forecast.position == position)
        .correlate(Question)
        .scalar_subquery()
    )
    why = case(
        (position.is_(None), ReminderReason.never),
        (withdrawn, ReminderReason.withdrawn),
        (expires_at <= at, ReminderReason.expired),
    ).label("why")
    query = questions.views_query(None).where(
        questions.listed(),
        questions.in_state(State.open, at),
        closes_at <= at + within,
        why.is_not(None),
    )
    if after:
        only = questions.views_query(None).with_only_columns(closes_at)
        last = await session.scalar(only.where(Question.id == after))
        behind = and_(closes_at == last, Question.id > after)
        query = query.where(or_(closes_at > last, behind))
    query = query.add_columns(why).order_by(closes_at, Question.id).limit(limit)
    return [
        Reminder(view, ReminderReason(row.why))
        for view, row in await questions.rows(session, query)
    ]


def _last(table: type[Forecast | Withdrawal], account_id: int) -> ColumnElement[int]:
    """The place of someone's last row in the chain of a question."""
    return (
        select(func.max(table.position))
        .where(table.question_id == Question.id, table.account_id == account_id)
        .correlate(Question)
        .scalar_subquery()
    )


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
