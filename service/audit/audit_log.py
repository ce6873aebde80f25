"""The audit log: who did what, to which object, when and why.

Revisions, resolutions, policies and removals of comments already record this, and the log reads
them; only actions without such a row are recorded here.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

from msgspec import Meta
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    null,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from service.clock import now
from service.models import (
    LARGEST_ID,
    Account,
    AuditEvent,
    Comment,
    CommentRemoval,
    Implication,
    Outcome,
    Question,
    QuestionRevision,
    QuestionSet,
    Resolution,
    SetPolicy,
    Utc,
)

REVISION_METADATA: Final = frozenset(
    {
        *("id", "question_id", "number", "content_hash", "search_text"),
        *("account_id", "reason", "created_at"),
    }
)
REVISION_CONTENT: Final = tuple(
    column.key
    for column in QuestionRevision.__table__.columns
    if column.key not in REVISION_METADATA
)
FACT_DETAILS: Final[tuple[tuple[str, type[Resolution | SetPolicy], tuple[str, ...]], ...]] = (
    ("resolution", Resolution, ("number", "outcome", "occurred_at", "evidence_url")),
    ("policy", SetPolicy, ("number", "visibility", "reveal_at")),
)

Column = ColumnElement[Any] | InstrumentedAttribute[Any]


class Place(NamedTuple):
    """The position of an entry in the log: its time, its source table and its row there."""

    at: Annotated[datetime, Meta(tz=True)]
    source: Literal["revision", "resolution", "policy", "removal", "act"]
    id: Annotated[int, Meta(ge=1, le=LARGEST_ID)]


@dataclass(frozen=True, slots=True)
class Entry:
    """A recorded action; `by` is None for the file of a set and for the command line."""

    place: Place
    action: str
    by: str | None
    by_id: int | None
    set_slug: str | None
    question_id: int | None
    comment_id: int | None
    subject_id: int | None
    reason: str
    details: dict[str, Any]


async def record(
    session: AsyncSession,
    account_id: int | None,
    action: str,
    *,
    subject_id: int | None = None,
    set_id: int | None = None,
    reason: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    """Record an action that leaves no other row with its author and reason.

    Args:
        session: the transaction of the action.
        account_id: who acted; None: the command line.
        action: the name of the action, as `noun.verb` in the past tense, such as
            `account.deactivated`; at most 50 characters.
        subject_id: the affected account.
        set_id: the affected set.
        reason: the reason in the actor's words.
        details: the state before and after, as JSON values; no secrets.
    """
    session.add(
        AuditEvent(
            action=action,
            account_id=account_id,
            subject_id=subject_id,
            set_id=set_id,
            reason=reason,
            details=details or {},
            created_at=now(),
        )
    )
    await session.flush()


async def listing(
    session: AsyncSession,
    *,
    set_id: int | None = None,
    question_id: int | None = None,
    account_id: int | None = None,
    action: str | None = None,
    public: bool = False,
    before: Place | None = None,
    limit: int,
) -> list[Entry]:
    """The entries of the log, newest first.

    Args:
        session: a read transaction.
        set_id: only actions on this set and its questions.
        question_id: only actions on this question and its comments.
        account_id: only actions by this account.
        action: only this action, such as `question.resolved`.
        public: omit actions on private comments.
        before: only entries older than this one.
        limit: the maximum number of entries.
    """
    log = union_all(_revisions(), _resolutions(), _policies(), _removals(public=public), _acts())
    done = log.subquery("done").columns
    query = (
        select(*done, Account.name, QuestionSet.slug)
        .outerjoin(Account, Account.id == done.account_id)
        .outerjoin(QuestionSet, QuestionSet.id == done.set_id)
        .order_by(done.at.desc(), done.source.desc(), done.id.desc())
        .limit(limit)
    )
    wanted = {"set_id": set_id, "question_id": question_id, "account_id": account_id}
    for name, value in (wanted | {"action": action}).items():
        if value is not None:
            query = query.where(done[name] == value)
    if before is not None:
        last = (literal(before.at, Utc), literal(before.source), literal(before.id))
        query = query.where(tuple_(done.at, done.source, done.id) < tuple_(*last))
    rows = (await session.execute(query)).all()
    details = await _details(session, [(row.source, row.id) for row in rows])
    return [
        Entry(
            Place(row.at, row.source, row.id),
            row.action,
            row.name,
            row.account_id,
            row.slug,
            row.question_id,
            row.comment_id,
            row.subject_id,
            row.reason,
            details[row.source, row.id],
        )
        for row in rows
    ]


def changes(before: QuestionRevision, after: QuestionRevision) -> dict[str, dict[str, Any]]:
    """The changes of a revision: each changed column with its value before and after."""
    both = {name: (getattr(before, name), getattr(after, name)) for name in REVISION_CONTENT}
    return {
        name: {"before": was, "after": became}
        for name, (was, became) in both.items()
        if was != became
    }


def _arm(
    source: str,
    row: type[QuestionRevision | Resolution | SetPolicy | CommentRemoval | AuditEvent],
    action: Column,
    reason: Column,
    **subject: Column,
) -> Select[*tuple[Any, ...]]:
    """The entries from one table, in the columns shared by all parts of the log."""
    nothing = cast(null(), Integer)
    return select(
        row.created_at.label("at"),
        literal(source).label("source"),
        row.id.label("id"),
        action.label("action"),
        row.account_id.label("account_id"),
        reason.label("reason"),
        *(
            subject.get(name, nothing).label(name)
            for name in ("set_id", "question_id", "comment_id", "subject_id")
        ),
    )


def _revisions() -> Select[*tuple[Any, ...]]:
    row, before = QuestionRevision, aliased(QuestionRevision)
    ended = func.coalesce(row.closes_at <= row.created_at, false())
    had_ended = func.coalesce(before.closes_at <= row.created_at, false())
    action = case(
        (row.number == 1, "question.created"),
        (and_(before.draft, not_(row.draft)), "question.published"),
        (and_(ended, not_(had_ended)), "question.closed"),
        (and_(had_ended, not_(ended)), "question.reopened"),
        else_="question.revised",
    )
    subject = {"set_id": Question.set_id, "question_id": row.question_id}
    return (
        _arm("revision", row, action, row.reason, **subject)
        .join(Question, Question.id == row.question_id)
        .outerjoin(
            before, and_(before.question_id == row.question_id, before.number == row.number - 1)
        )
    )


def _resolutions() -> Select[*tuple[Any, ...]]:
    row = Resolution
    action = case(
        (row.outcome == Outcome.unresolved, "question.unresolved"), else_="question.resolved"
    )
    subject = {"set_id": Question.set_id, "question_id": row.question_id}
    return _arm("resolution", row, action, row.note, **subject).join(
        Question, Question.id == row.question_id
    )


def _policies() -> Select[*tuple[Any, ...]]:
    row = SetPolicy
    return _arm("policy", row, literal("set.visibility_decided"), row.reason, set_id=row.set_id)


def _removals(*, public: bool) -> Select[*tuple[Any, ...]]:
    """Curators' actions on comments; authors who delete their own comments are not logged."""
    row = CommentRemoval
    action = case((row.removed, "comment.removed"), else_="comment.restored")
    subject = {
        "set_id": Question.set_id,
        "question_id": Comment.question_id,
        "comment_id": row.comment_id,
        "subject_id": Comment.account_id,
    }
    query = (
        _arm("removal", row, action, row.reason, **subject)
        .join(Comment, Comment.id == row.comment_id)
        .join(Question, Question.id == Comment.question_id)
        .where(row.account_id != Comment.account_id)
    )
    return query.where(not_(Comment.private)) if public else query


def _acts() -> Select[*tuple[Any, ...]]:
    row = AuditEvent
    return _arm("act", row, row.action, row.reason, set_id=row.set_id, subject_id=row.subject_id)


async def _details(
    session: AsyncSession, places: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], dict[str, Any]]:
    """The details of each entry: the state before and after, or the evidence."""
    ids: dict[str, list[int]] = defaultdict(list)
    for source, row_id in places:
        ids[source].append(row_id)
    found: dict[tuple[str, int], dict[str, Any]] = {place: {} for place in places}
    before, old, new = aliased(QuestionRevision), aliased(Implication), aliased(Implication)
    for row, was, old_slug, new_slug in await session.execute(
        select(QuestionRevision, before, old.slug, new.slug)
        .outerjoin(
            before,
            and_(
                before.question_id == QuestionRevision.question_id,
                before.number == QuestionRevision.number - 1,
            ),
        )
        .outerjoin(old, old.id == before.implication_id)
        .outerjoin(new, new.id == QuestionRevision.implication_id)
        .where(QuestionRevision.id.in_(ids["revision"]))
    ):
        changed = changes(was, row) if was else {}
        if changed.pop("implication_id", None):
            changed["implication"] = {"before": old_slug, "after": new_slug}
        found["revision", row.id] = {"revision": row.number, "changed": changed}
    for source, table, columns in FACT_DETAILS:
        query = select(table.id, *(getattr(table, name) for name in columns))
        for row_id, *values in await session.execute(query.where(table.id.in_(ids[source]))):
            found[source, row_id] = dict(zip(columns, values, strict=True))
    for act in await session.scalars(select(AuditEvent).where(AuditEvent.id.in_(ids["act"]))):
        found["act", act.id] = act.details
    return found
