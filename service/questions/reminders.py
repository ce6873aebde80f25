"""Reminders: questions that await an account's forecast, and recent changes of aggregates."""

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
    """Why an account has no active forecast on a question."""

    never = "never"
    expired = "expired"
    withdrawn = "withdrawn"


@dataclass(frozen=True, slots=True)
class Reminder:
    """A question that closes soon, and why it awaits a forecast."""

    view: View
    why: ReminderReason


async def unanswered(
    session: AsyncSession, account_id: int, at: datetime, *, limit: int
) -> list[View]:
    """Open questions that an account has never forecast, soonest close first."""
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
    """Open questions that close within a time and on which an account has no active forecast.

    They are sorted by close, soonest first, and start after the current place of question `after`.
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
    """The position of an account's last row in a question's chain."""
    return (
        select(func.max(table.position))
        .where(table.question_id == Question.id, table.account_id == account_id)
        .correlate(Question)
        .scalar_subquery()
    )


async def week_ago(
    session: AsyncSession, question_ids: Sequence[int], at: datetime
) -> dict[int, float]:
    """The aggregate published by 7 days ago, by question id; questions without one are omitted."""
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
