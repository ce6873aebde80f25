"""Search: filtered and sorted questions, one page at a time."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from questions.text import search_form
from service.clock import now
from service.models import (
    Aggregate,
    Question,
    QuestionRevision,
    RevisionTag,
    Role,
    Utc,
)
from service.permissions import Actor
from service.questions import questions, visibility
from service.questions.questions import State, View

MOVED_WITHIN: Final = timedelta(days=7)
NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)


class Order(StrEnum):
    """The sort order of a list of questions; ties are sorted by id.

    `closes_at` and `opens_at` sort the soonest first, with a minus the latest first; a question
    without a close counts as closing last. `moved` sorts by the change of the aggregate's
    probability within a week, largest first.
    """

    id = "id"
    opens_at = "opens_at"
    latest_opens_at = "-opens_at"
    closes_at = "closes_at"
    latest_closes_at = "-closes_at"
    moved = "moved"


DESCENDING: Final = frozenset({Order.latest_opens_at, Order.latest_closes_at, Order.moved})


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    set_slug: str | None = None,
    state: State | None = None,
    tag: str | None = None,
    text: str | None = None,
    archived: bool = False,
    order: Order = Order.id,
    after: int = 0,
    limit: int,
) -> list[View]:
    """One page of questions; only curators see drafts.

    Args:
        set_slug: only questions of this set, archived or not; NotFound for an unknown set.
        state: only questions in this state.
        tag: only questions with this tag.
        text: only questions with every one of these words in the title, background or criteria;
            case, accents and variants of quotation marks and dashes are ignored.
        archived: without `set_slug`, select questions of archived sets (True) or other sets.
        order: the sort order.
        after: the id of the last question on the previous page; 0 for the first page.
        limit: the maximum number of questions.
    """
    at = now()
    query = questions.views_query(None)
    if not actor.may(Role.curator):
        query = query.where(QuestionRevision.draft.is_(False))
    if set_slug is not None:
        question_set = await questions.find_set(session, set_slug)
        query = query.where(Question.set_id == question_set.id)
    else:
        query = query.where(questions.listed(archived=archived))
    if tag is not None:
        tagged = select(RevisionTag.revision_id).where(RevisionTag.tag == tag)
        query = query.where(QuestionRevision.id.in_(tagged))
    if state is not None:
        query = query.where(questions.in_state(state, at))
    for word in search_form(text or "").split():
        query = query.where(_contains(word))
    query = await _following(session, query, actor, order, after, at)
    return await questions.views(session, query.limit(limit))


async def _following(
    session: AsyncSession,
    query: Select[*tuple[Any, ...]],
    actor: Actor,
    order: Order,
    after: int,
    at: datetime,
) -> Select[*tuple[Any, ...]]:
    """Sort a query and start it after the current place of question `after`."""
    if order is Order.id:
        return query.where(Question.id > after).order_by(Question.id)
    if after:
        value = _value(actor, order, at)
        only = questions.views_query(None).with_only_columns(value).where(Question.id == after)
        last = await session.scalar(only)
        beyond = value < last if order in DESCENDING else value > last
        query = query.where(or_(beyond, and_(value == last, Question.id > after)))
    return in_order(query, actor, order, at)


def in_order(
    query: Select[*tuple[Any, ...]], actor: Actor, order: Order, at: datetime
) -> Select[*tuple[Any, ...]]:
    """Sort a query made by `questions.views_query`."""
    value = _value(actor, order, at)
    return query.order_by(value.desc() if order in DESCENDING else value, Question.id)


def _value(actor: Actor, order: Order, at: datetime) -> ColumnElement[Any]:
    if order in {Order.opens_at, Order.latest_opens_at}:
        return QuestionRevision.opens_at.expression
    if order in {Order.closes_at, Order.latest_closes_at}:
        return func.coalesce(QuestionRevision.closes_at, literal(NEVER, Utc), type_=Utc)
    moved = func.coalesce(func.abs(_published(at) - _published(at - MOVED_WITHIN)), 0.0)
    # The position in a list must not reveal a hidden aggregate.
    return case((visibility.shown(actor, at), moved), else_=0.0)


def _published(at: datetime) -> ColumnElement[float]:
    return (
        select(Aggregate.probability)
        .where(Aggregate.question_id == Question.id, Aggregate.created_at <= at)
        .order_by(Aggregate.id.desc())
        .limit(1)
        .correlate(Question)
        .scalar_subquery()
    )


def _contains(word: str) -> ColumnElement[bool]:
    return QuestionRevision.search_text.contains(word, autoescape=True)
