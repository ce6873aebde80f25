"""Who sees what others believe of a question, and from when on: the one rule of it.

A question's own `reveal_at` goes before its set's policy. Curators see everything, and so does
everyone once a question has resolved; the policy in force now decides about the past as well.
A person and their bots are one reader: what one of them has forecast, all of them have.
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

OTHERS: Final = "what others believe of this question is shown"


@dataclass(frozen=True, slots=True)
class Hidden:
    """Others' forecasts on a question, and its aggregate, are not shown.

    `why` is a sentence for the reader; `until` the moment from which on they are shown at the
    latest, None if none is known.
    """

    why: str
    until: datetime | None


async def hidden(
    session: AsyncSession, actor: Actor, views: Iterable[View], at: datetime
) -> dict[int, Hidden]:
    """The questions of which someone sees only their own forecasts now; the others are left out.

    It takes one statement more if a question is shown after one's own forecast, else none.

    Args:
        session: any transaction.
        actor: who looks.
        views: the questions as they are now, not as known earlier.
        at: now.
    """
    if actor.may(Role.curator):
        return {}
    found: dict[int, Hidden] = {}
    until_forecast: list[int] = []
    for view in views:
        if (unrevealed := hidden_from_forecaster(actor, view, at)) is not None:
            found[view.id] = unrevealed
        elif view.resolved is None and reveal_at(view) is None and _waits_for_forecast(view, at):
            found[view.id] = Hidden(
                f"{OTHERS} once you have forecast it or it has closed", view.revision.closes_at
            )
            until_forecast.append(view.id)
    if until_forecast:
        for question_id in await session.scalars(
            select(Forecast.question_id)
            .where(Forecast.account_id.in_(reader(actor)), Forecast.question_id.in_(until_forecast))
            .distinct()
        ):
            del found[question_id]
    return found


def hidden_from_forecaster(actor: Actor, view: View, at: datetime) -> Hidden | None:
    """What is hidden of a question now from someone who has forecast it."""
    reveals = reveal_at(view)
    if view.resolved is not None or reveals is None or at >= reveals:
        return None
    if actor.may(Role.curator):
        return None
    return Hidden(f"{OTHERS} from {reveals.isoformat()} on", reveals)


def reveal_at(view: View) -> datetime | None:
    """The moment from which on a question shows what others believe, if it or its set names one."""
    return view.revision.reveal_at or (view.policy.reveal_at if view.policy else None)


def reader(actor: Actor) -> Select[int]:
    """The ids of the accounts that are one reader with an actor: a person and all their bots."""
    own = select(func.coalesce(Account.owner_id, Account.id)).where(Account.id == actor.id)
    person = own.scalar_subquery()
    return select(Account.id).where(or_(Account.id == person, Account.owner_id == person))


def shown(actor: Actor, at: datetime) -> ColumnElement[bool]:
    """The rule of `hidden` as a condition on `questions.views_query`: the actor sees all of it."""
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
    asks = view.policy is not None and view.policy.visibility == Visibility.after_forecast
    return asks and (closes is None or at < closes)
