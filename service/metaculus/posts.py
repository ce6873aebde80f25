"""Questions as posts of tournaments, for Metaculus clients.

A set is a tournament, identified by slug or id, and each question is a post with the same id.
Drafts are never exposed as posts, not even to curators.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.clock import now
from service.comments.comments import CommentView
from service.exceptions import Forbidden, Invalid, NotFound
from service.models import LARGEST_ID, Forecast, Question, QuestionRevision, QuestionSet
from service.permissions import Actor
from service.questions import forecasts, questions, search, visibility
from service.questions import history as histories
from service.questions.aggregates import AggregateEstimate, Aggregator
from service.questions.forecasts import Stand
from service.questions.history import Point
from service.questions.questions import State, View
from service.questions.search import Order

MOST_SLUG: Final = 100


@dataclass(frozen=True, slots=True)
class Span:
    """A time span, later than `after` and earlier than `before`; None: unbounded."""

    after: datetime | None = None
    before: datetime | None = None


ALWAYS: Final = Span()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filters of a list of posts.

    `tournaments` are slugs or ids of sets, empty for all; `states` is None for any; `forecaster_id`
    selects questions with a forecast of this account, which must be the actor's own.
    """

    tournaments: Collection[str] = ()
    states: Collection[State] | None = None
    forecaster_id: int | None = None
    published: Span = ALWAYS
    opens: Span = ALWAYS
    resolves: Span = ALWAYS
    order: Order = Order.latest_opens_at


@dataclass(frozen=True, slots=True)
class Post:
    """A question with the data of its post that the actor may see.

    `mine` are the actor's own forecasts, oldest first; `history` are the published aggregates,
    oldest first, empty in lists and while hidden. `forecasters` and `forecasts` are totals over all
    time.
    """

    view: View
    of_set: QuestionSet
    published_at: datetime
    state: State
    reading: AggregateEstimate
    reveal_at: datetime | None
    mine: list[Stand]
    history: list[Point]
    forecasters: int
    forecasts: int


async def listing(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    wanted: Wanted,
    *,
    offset: int,
    limit: int,
) -> list[Post]:
    """Sorted posts from an offset on; Invalid names an unknown tournament."""
    at = now()
    query = questions.views_query(None).where(QuestionRevision.draft.is_(False))
    if wanted.tournaments:
        query = query.where(Question.set_id.in_(await _sets(session, wanted.tournaments)))
    else:
        query = query.where(questions.listed())
    if wanted.states is not None:
        query = query.where(or_(False, *(questions.in_state(one, at) for one in wanted.states)))
    if wanted.forecaster_id is not None:
        if wanted.forecaster_id != actor.id:
            raise Forbidden("forecaster_id may only be your own id, as given by users/me")
        mine = select(Forecast.question_id).where(Forecast.account_id == actor.id)
        query = query.where(Question.id.in_(mine))
    for moment, span in (
        (_published_at(), wanted.published),
        (QuestionRevision.opens_at, wanted.opens),
        (_resolves_at(), wanted.resolves),
    ):
        query = query.where(*_within(moment, span))
    query = search.in_order(query, actor, wanted.order, at).offset(offset).limit(limit)
    return await _posts(session, aggregator, actor, await questions.views(session, query), at)


async def one(session: AsyncSession, aggregator: Aggregator, actor: Actor, post_id: int) -> Post:
    """A post with its history; NotFound for an unknown id."""
    if not 1 <= post_id <= LARGEST_ID:
        raise NotFound(f"there is no post {post_id}")
    view = await questions.get(session, post_id, actor=actor)
    if view.revision.draft:
        raise NotFound(f"question {post_id} is a draft and not yet a post")
    (post,) = await _posts(session, aggregator, actor, [view], now(), with_history=True)
    return post


async def latest_own(session: AsyncSession, actor: Actor, question_id: int) -> int | None:
    """The id of the actor's last forecast on a question, to attach to a comment; None if none."""
    forecast_id: int | None = await session.scalar(
        select(func.max(Forecast.id)).where(
            Forecast.question_id == question_id, Forecast.account_id == actor.id
        )
    )
    return forecast_id


async def explained(
    session: AsyncSession, actor: Actor, comments: Sequence[CommentView]
) -> dict[int, Forecast]:
    """The forecasts attached to comments that the actor may see, by id."""
    query = questions.views_query(None).where(
        Question.id.in_({one.comment.question_id for one in comments})
    )
    hidden = await visibility.hidden(session, actor, await questions.views(session, query), now())
    shown = {
        one.comment.forecast_id
        for one in comments
        if one.removal is None
        and (one.comment.account_id == actor.id or one.comment.question_id not in hidden)
    }
    rows = await session.scalars(select(Forecast).where(Forecast.id.in_(shown - {None})))
    return {row.id: row for row in rows}


async def _sets(session: AsyncSession, identifiers: Collection[str]) -> list[int]:
    """The ids of sets given by slug or id."""
    names = {name for name in identifiers if len(name) <= MOST_SLUG and name.isprintable()}
    numbers = {int(name) for name in names if name.isascii() and name.isdigit()}
    rows = await session.execute(
        select(QuestionSet.id, QuestionSet.slug).where(
            or_(
                QuestionSet.slug.in_(names),
                QuestionSet.id.in_({number for number in numbers if number <= LARGEST_ID}),
            )
        )
    )
    slugs = {row.id: row.slug for row in rows}
    known = {str(set_id) for set_id in slugs} | set(slugs.values())
    if unknown := sorted(set(identifiers) - known):
        raise Invalid(f"there is no tournament {unknown[0]!r}", field="tournaments")
    return list(slugs)


def _within(moment: ColumnElement[Any] | Any, span: Span) -> Iterable[ColumnElement[bool]]:
    if span.after is not None:
        yield moment > span.after
    if span.before is not None:
        yield moment < span.before


def _published_at() -> ColumnElement[datetime]:
    """The time of a question's first revision that is not a draft."""
    other = aliased(QuestionRevision)
    return (
        select(func.min(other.created_at))
        .where(other.question_id == Question.id, other.draft.is_(False))
        .correlate(Question)
        .scalar_subquery()
    )


def _resolves_at() -> ColumnElement[datetime]:
    return func.coalesce(QuestionRevision.resolves_by, QuestionRevision.closes_at)


async def _posts(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    views: Sequence[View],
    at: datetime,
    *,
    with_history: bool = False,
) -> list[Post]:
    ids = [view.id for view in views]
    sets = await questions.sets_of(session, views)
    readings = await aggregator.current(session, actor, views)
    mine = await forecasts.stands(session, ids, account_id=actor.id)
    published = {
        row.question_id: row.first
        for row in await session.execute(
            select(
                QuestionRevision.question_id, func.min(QuestionRevision.created_at).label("first")
            )
            .where(QuestionRevision.question_id.in_(ids), QuestionRevision.draft.is_(False))
            .group_by(QuestionRevision.question_id)
        )
    }
    made = {
        question_id: (forecasters, count)
        for question_id, forecasters, count in await session.execute(
            select(
                Forecast.question_id,
                func.count(Forecast.account_id.distinct()),
                func.count(),
            )
            .where(Forecast.question_id.in_(ids))
            .group_by(Forecast.question_id)
        )
    }
    told = []
    for view in views:
        reading = readings[view.id]
        forecasters, count = made.get(view.id, (0, 0))
        shown = with_history and reading.hidden is None
        told.append(
            Post(
                view=view,
                of_set=sets[view.question.set_id],
                published_at=published[view.id],
                state=view.state(at),
                reading=reading,
                reveal_at=reading.hidden.until if reading.hidden else visibility.reveal_at(view),
                mine=mine[view.id],
                history=await histories.published(session, view) if shown else [],
                forecasters=forecasters,
                forecasts=count,
            )
        )
    return told
