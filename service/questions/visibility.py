"""Visibility: the single rule for who sees others' forecasts and the aggregate, and when.

A question's own `reveal_at` takes precedence over its set's policy. Curators see everything, and so
does everyone once a question has resolved; the present policy also governs past states. A person
and their bots count as one reader: a forecast by one of them counts for all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from service.models import (
    Account,
    Forecast,
    Question,
    QuestionRevision,
    Role,
    SetPolicy,
    Utc,
    Visibility,
)
from service.permissions import Actor
from service.questions import questions
from service.questions.questions import State, View

OTHERS: Final = "others' forecasts on this question are shown"


@dataclass(frozen=True, slots=True)
class Hidden:
    """Others' forecasts on a question and its aggregate are not shown.

    `why` is a sentence for the reader; `until` is the latest moment from which they are shown, None
    if unknown.
    """

    why: str
    until: datetime | None


async def hidden(
    session: AsyncSession, actor: Actor, views: Iterable[View], at: datetime
) -> dict[int, Hidden]:
    """The questions on which the actor now sees only their own forecasts; others are omitted.

    This runs a statement only if the visibility of some question depends on the actor's forecast.

    Args:
        session: any transaction.
        actor: the reader.
        views: the questions as known now, not as known earlier.
        at: now.
    """
    if actor.may(Role.curator):
        return {}
    hidden_by_question: dict[int, Hidden] = {}
    until_forecast: list[int] = []
    for view in views:
        if (unrevealed := hidden_from_forecaster(actor, view, at)) is not None:
            hidden_by_question[view.id] = unrevealed
        elif view.resolved is None and reveal_at(view) is None and _waits_for_forecast(view, at):
            hidden_by_question[view.id] = Hidden(
                f"{OTHERS} once you have forecast it or it has closed", view.revision.closes_at
            )
            until_forecast.append(view.id)
    if until_forecast:
        for question_id in await session.scalars(
            select(Forecast.question_id)
            .where(Forecast.account_id.in_(reader(actor)), Forecast.question_id.in_(until_forecast))
            .distinct()
        ):
            del hidden_by_question[question_id]
    return hidden_by_question


def hidden_from_forecaster(actor: Actor, view: View, at: datetime) -> Hidden | None:
    """What is now hidden from an actor who has forecast the question."""
    reveals = reveal_at(view)
    if view.resolved is not None or reveals is None or at >= reveals:
        return None
    if actor.may(Role.curator):
        return None
    return Hidden(f"{OTHERS} from {reveals.isoformat()} on", reveals)


def reveal_at(view: View) -> datetime | None:
    """The moment from which others' forecasts are shown, if the question or its set defines one."""
    return view.revision.reveal_at or (view.policy.reveal_at if view.policy else None)


def reader(actor: Actor) -> Select[int]:
    """The ids of the accounts that form one reader with the actor: a person and all their bots."""
    own = select(func.coalesce(Account.owner_id, Account.id)).where(Account.id == actor.id)
    person = own.scalar_subquery()
    return select(Account.id).where(or_(Account.id == person, Account.owner_id == person))


def shown(actor: Actor, at: datetime) -> ColumnElement[bool]:
    """The condition on `questions.views_query`, as in `hidden`, that the actor sees everything."""
    if actor.may(Role.curator):
        return true()
    closed = and_(QuestionRevision.closes_at.is_not(None), QuestionRevision.closes_at <= at)
    reveals = func.coalesce(QuestionRevision.reveal_at, SetPolicy.reveal_at, type_=Utc)
    waits = func.coalesce(SetPolicy.visibility, Visibility.always) == Visibility.after_forecast
    has_forecast = (
        select(Forecast.id)
        .where(Forecast.question_id == Question.id, Forecast.account_id.in_(reader(actor)))
        .correlate(Question)
        .exists()
    )
    return or_(
        questions.in_state(State.resolved, at),
        and_(reveals.is_not(None), reveals <= at),
        and_(reveals.is_(None), or_(closed, ~waits, has_forecast)),
    )


def _waits_for_forecast(view: View, at: datetime) -> bool:
    closes = view.revision.closes_at
    waits = view.policy is not None and view.policy.visibility == Visibility.after_forecast
    return waits and (closes is None or at < closes)
