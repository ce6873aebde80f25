"""Comments on questions: writing, replying, editing with history, removing and restoring."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.clock import now
from service.exceptions import Conflict, Forbidden, Invalid, NotFound
from service.models import (
    Account,
    Comment,
    CommentRemoval,
    CommentRevision,
    Forecast,
    Question,
    QuestionRevision,
    Role,
)
from service.permissions import Actor
from service.questions import questions
from service.questions.questions import View
from service.text.validation import check_passage, optional_reason, required_reason


@dataclass(frozen=True, slots=True)
class CommentView:
    """A comment in its current state: its author, its latest text and its latest removal.

    The text is unprocessed Markdown; whoever renders it must escape it.
    """

    comment: Comment
    by: str
    bot: bool
    revision: CommentRevision
    last_removal: CommentRemoval | None

    @property
    def removal(self) -> CommentRemoval | None:
        """The removal in force; None if the comment can be read."""
        latest = self.last_removal
        return latest if latest is not None and latest.removed else None

    @property
    def taken_back(self) -> bool:
        """Whether its author deleted it, which nobody can undo."""
        return self.removal is not None and self.removal.account_id == self.comment.account_id


async def write(
    session: AsyncSession,
    actor: Actor,
    question_id: int,
    *,
    text: str,
    parent_id: int | None = None,
    forecast_id: int | None = None,
    private: bool = False,
) -> CommentView:
    """Comment on a question.

    Args:
        text: Markdown, 1 to 20,000 characters.
        parent_id: the comment to reply to, which must not be a reply itself; a reply to a private
            comment is private.
        forecast_id: the actor's own forecast on the question that the comment explains.
        private: visible only to the author, to curators and to the author of the parent comment.
    """
    actor.require(Role.forecaster, "comment")
    text = check_passage(text, "text")
    view = await questions.get(session, question_id, actor=actor)
    if parent_id is not None:
        parent = await _answerable(session, actor, view, parent_id)
        private = private or parent.comment.private
    if forecast_id is not None:
        forecaster = select(Forecast.account_id).where(
            Forecast.id == forecast_id, Forecast.question_id == view.id
        )
        if await session.scalar(forecaster) != actor.id:
            raise Invalid(
                "forecast_id must be the id of your own forecast on this question",
                field="forecast_id",
            )
    at = now()
    row = Comment(
        question_id=view.id,
        account_id=actor.id,
        parent_id=parent_id,
        forecast_id=forecast_id,
        private=private,
        created_at=at,
    )
    session.add(row)
    await session.flush()
    revision = CommentRevision(comment_id=row.id, number=1, text=text, created_at=at)
    session.add(revision)
    await session.flush()
    return CommentView(row, actor.name, actor.bot, revision, None)


async def repeated(
    session: AsyncSession,
    actor: Actor,
    question_id: int,
    *,
    text: str,
    parent_id: int | None,
    private: bool,
    within: timedelta,
) -> CommentView | None:
    """The same comment if the actor wrote it within the given time.

    Some clients retry after a lost response without sending an Idempotency-Key. Of two such
    simultaneous requests, the second waits for the first.
    """
    await questions.lock(session, [question_id])
    query = _seen(actor).where(
        Comment.question_id == question_id,
        Comment.account_id == actor.id,
        Comment.parent_id.is_(None) if parent_id is None else Comment.parent_id == parent_id,
        Comment.private.is_(private),
        Comment.created_at >= now() - within,
        CommentRevision.text == text,
    )
    rows = await session.execute(query.order_by(Comment.id.desc()))
    found = (CommentView(*row) for row in rows)
    return next((comment for comment in found if comment.removal is None), None)


async def edit(session: AsyncSession, actor: Actor, comment_id: int, *, text: str) -> CommentView:
    """Replace the text of the actor's own comment; earlier texts stay in its history."""
    actor.require(Role.forecaster, "edit a comment")
    text = check_passage(text, "text")
    comment = await _locked(session, actor, comment_id)
    if comment.comment.account_id != actor.id:
        raise Forbidden("only its author can edit a comment")
    if comment.removal is not None:
        raise Conflict(f"comment {comment_id} was removed", current={"removed": True})
    if text != comment.revision.text:
        session.add(
            CommentRevision(
                comment_id=comment_id,
                number=comment.revision.number + 1,
                text=text,
                created_at=now(),
            )
        )
        await session.flush()
    return await get(session, actor, comment_id)


async def remove(
    session: AsyncSession, actor: Actor, comment_id: int, *, reason: str = ""
) -> CommentView:
    """Remove a comment: the actor's own permanently, another's as a curator with a reason."""
    comment = await _locked(session, actor, comment_id)
    if comment.comment.account_id != actor.id:
        actor.require(Role.curator, "remove another's comment")
        reason = required_reason(reason, "for the author to read")
    else:
        reason = optional_reason(reason)
    if comment.removal is not None:
        raise Conflict(f"comment {comment_id} was already removed", current={"removed": True})
    return await _decide(session, actor, comment, removed=True, reason=reason)


async def restore(
    session: AsyncSession, actor: Actor, comment_id: int, *, reason: str
) -> CommentView:
    """Restore a comment that a curator removed."""
    actor.require(Role.curator, "restore a comment")
    reason = required_reason(reason, "for the author to read")
    comment = await _locked(session, actor, comment_id)
    if comment.removal is None or comment.taken_back:
        raise Conflict(
            f"comment {comment_id} was not removed by a curator",
            current={"removed": comment.removal is not None},
        )
    return await _decide(session, actor, comment, removed=False, reason=reason)


async def get(session: AsyncSession, actor: Actor, comment_id: int) -> CommentView:
    """One comment that the actor may see; NotFound names the id."""
    row = (await session.execute(_seen(actor).where(Comment.id == comment_id))).one_or_none()
    if row is None:
        raise NotFound(f"there is no comment {comment_id}")
    comment = CommentView(*row)
    await questions.get(session, comment.comment.question_id, actor=actor)
    return comment


async def listing(
    session: AsyncSession,
    actor: Actor,
    view: View | None,
    *,
    parent_id: int | None = None,
    author_id: int | None = None,
    private: bool | None = None,
    before: int | None = None,
    offset: int = 0,
    oldest_first: bool = False,
    limit: int,
) -> list[CommentView]:
    """The comments that the actor may see, newest first, including removed ones.

    Args:
        view: only comments on this question; None: on all questions that the actor may see.
        parent_id: only replies to this comment.
        author_id: only comments by this account.
        private: only private comments (True) or only public ones (False).
        before: only comments with a smaller id.
        offset: the number of comments to skip.
        oldest_first: reverse the order.
        limit: the maximum number of comments.
    """
    query = _seen(actor).order_by(Comment.id if oldest_first else Comment.id.desc())
    if view is not None:
        query = query.where(Comment.question_id == view.id)
    elif not actor.may(Role.curator):
        shown = questions.views_query(None).where(QuestionRevision.draft.is_(False))
        query = query.where(Comment.question_id.in_(shown.with_only_columns(Question.id)))
    if parent_id is not None:
        query = query.where(Comment.parent_id == parent_id)
    if author_id is not None:
        query = query.where(Comment.account_id == author_id)
    if private is not None:
        query = query.where(Comment.private.is_(private))
    if before is not None:
        query = query.where(Comment.id < before)
    return [CommentView(*row) for row in await session.execute(query.offset(offset).limit(limit))]


async def revisions(
    session: AsyncSession, actor: Actor, comment_id: int, *, after: int, limit: int
) -> list[CommentRevision]:
    """The revisions of a comment after a number, oldest first.

    Only curators see those of a removed comment.
    """
    comment = await get(session, actor, comment_id)
    if comment.removal is not None and not actor.may(Role.curator):
        return []
    rows = await session.scalars(
        select(CommentRevision)
        .where(CommentRevision.comment_id == comment_id, CommentRevision.number > after)
        .order_by(CommentRevision.number)
        .limit(limit)
    )
    return list(rows)


def _seen(actor: Actor) -> Select[*tuple[Any, ...]]:
    """The comments that the actor may see, each with its author, latest text and latest removal."""
    parent = aliased(Comment)
    query = (
        select(Comment, Account.name, Account.bot, CommentRevision, CommentRemoval)
        .join(Account, Account.id == Comment.account_id)
        .join(CommentRevision, _newest(CommentRevision))
        .outerjoin(CommentRemoval, _newest(CommentRemoval))
        .outerjoin(parent, parent.id == Comment.parent_id)
    )
    if actor.may(Role.curator):
        return query
    mine = or_(Comment.account_id == actor.id, parent.account_id == actor.id)
    return query.where(or_(Comment.private.is_(False), mine))


def _newest(table: type[CommentRevision | CommentRemoval]) -> ColumnElement[bool]:
    other = aliased(table)
    latest = select(func.max(other.number)).where(other.comment_id == Comment.id)
    return and_(
        table.comment_id == Comment.id,
        table.number == latest.correlate(Comment).scalar_subquery(),
    )


async def _locked(session: AsyncSession, actor: Actor, comment_id: int) -> CommentView:
    await session.execute(select(Comment.id).where(Comment.id == comment_id).with_for_update())
    return await get(session, actor, comment_id)


async def _answerable(
    session: AsyncSession, actor: Actor, view: View, parent_id: int
) -> CommentView:
    try:
        parent = await get(session, actor, parent_id)
    except NotFound:
        parent = None
    if parent is None or parent.comment.question_id != view.id:
        raise Invalid("parent_id must be the id of a comment on this question", field="parent_id")
    if parent.comment.parent_id is not None:
        raise Invalid(
            "parent_id must be the id of a comment that is not a reply itself", field="parent_id"
        )
    if parent.removal is not None:
        raise Conflict(f"comment {parent_id} was removed", current={"removed": True})
    return parent


async def _decide(
    session: AsyncSession, actor: Actor, comment: CommentView, *, removed: bool, reason: str
) -> CommentView:
    session.add(
        CommentRemoval(
            comment_id=comment.comment.id,
            number=comment.last_removal.number + 1 if comment.last_removal else 1,
            removed=removed,
            account_id=actor.id,
            reason=reason,
            created_at=now(),
        )
    )
    await session.flush()
    return await get(session, actor, comment.comment.id)
