"""What curators do to questions and sets: ask, revise, close early, decide who sees; write out.

A question that should not have been asked is retired by resolving it as annulled.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from questions.lint import Finding, lint
from questions.schema import SCHEMA_VERSION, Source, dump_set, question_hash
from questions.schema import Question as WrittenQuestion
from questions.schema import QuestionSet as WrittenSet
from service.audit import audit_log
from service.clock import now
from service.exceptions import Conflict, Invalid
from service.models import (
    Account,
    Cause,
    Forecast,
    Implication,
    Question,
    QuestionRevision,
    QuestionSet,
    Role,
    SetPolicy,
    Visibility,
)
from service.permissions import Actor
from service.questions import questions
from service.questions.aggregates import Aggregator
from service.questions.questions import State, View
from service.text.validation import optional_reason, required_reason

FIELDS: Final = tuple(
    name for name in WrittenQuestion.__struct_fields__ if name not in {"slug", "kind"}
)
FIELD_OF: Final = {"implication_id": "implication"}
NAMED: Final = re.compile(r"Object (missing required|contains unknown) field `(.+)`")


@dataclass(frozen=True, slots=True)
class Revised:
    """A revision, whose it is (None: the set's file), and what it changed of the one before."""

    revision: QuestionRevision
    by: str | None
    changed: list[str]


async def ask(
    session: AsyncSession, actor: Actor, set_slug: str, told: dict[str, Any], reason: str
) -> View:
    """Add a question to a set; raises Invalid for what a file could not say either."""
    actor.require(Role.curator, "ask a question")
    reason = optional_reason(reason)
    found = await questions.find_set(session, set_slug)
    await _lock_set(session, found.id)
    written, content_hash = _read(told)
    held = await session.scalar(
        select(Question.id).where(Question.set_id == found.id, Question.slug == written.slug)
    )
    if held is not None:
        raise Conflict(
            f"set {set_slug!r} already has a question {written.slug!r}", current={"id": held}
        )
    at = now()
    row = Question(set_id=found.id, slug=written.slug, created_at=at)
    session.add(row)
    await session.flush()
    revision = questions.revision(
        written, row.id, 1, content_hash, await _implications(session, found.id, written), at
    )
    revision.account_id, revision.reason = actor.id, reason
    await questions.add_revision(session, revision)
    return await questions.get(session, row.id)


async def revise(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    question_id: int,
    *,
    based_on: int,
    reason: str,
    changes: dict[str, Any],
) -> View:
    """Change fields of a question by a new revision.

    Args:
        based_on: the number of the revision that the curator saw; Conflict if it is not the latest.
        reason: why, for forecasters to read; required.
        changes: fields of the file's format with their new values.
    """
    view, at = await _revisable(session, actor, question_id, based_on, reason)
    return await _append(session, aggregator, actor, view, reason, changes, at)


async def close(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    question_id: int,
    *,
    based_on: int,
    reason: str,
) -> View:
    """Close an open question now, by a revision."""
    view, at = await _revisable(session, actor, question_id, based_on, reason)
    _require(view, at, State.open, "only an open one can be closed")
    return await _append(session, aggregator, actor, view, reason, {"closes_at": at}, at)


async def reopen(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    question_id: int,
    *,
    based_on: int,
    reason: str,
    closes_at: datetime,
) -> View:
    """Take forecasts on a closed question again, until a later close, by a revision."""
    view, at = await _revisable(session, actor, question_id, based_on, reason)
    _require(view, at, State.closed, "only a closed one can be reopened")
    if closes_at <= at:
        raise Invalid("closes_at must be in the future", field="closes_at")
    return await _append(session, aggregator, actor, view, reason, {"closes_at": closes_at}, at)


def _require(view: View, at: datetime, state: State, allowed: str) -> None:
    found = view.state(at)
    if found is not state:
        raise Conflict(f"question {view.id} is {found}; {allowed}", current={"state": found})


async def findings(session: AsyncSession, view: View) -> list[Finding]:
    """What the lint says of a question as it now is, its set's waivers applied.

    What it says of a whole set, or leaves to a person, is for the file.
    """
    found = await questions.find_set(session, view.set_slug)
    try:
        written = await _whole(session, found, [view])
    except Conflict:
        return []
    return [one for one in lint(written) if one.question == view.question.slug]


async def decide_visibility(
    session: AsyncSession,
    actor: Actor,
    set_slug: str,
    *,
    visibility: Visibility,
    reveal_at: datetime | None = None,
    reason: str,
) -> SetPolicy:
    """Decide when forecasters see what others believe of a set's questions, from now on.

    Args:
        visibility: always, after one's own forecast, or from `reveal_at` on.
        reveal_at: given under the visibility of that name, and only then.
        reason: why; required.
    """
    actor.require(Role.curator, "decide what forecasters see")
    reason = required_reason(reason, "for forecasters to read")
    if (visibility is Visibility.reveal_at) != (reveal_at is not None):
        raise Invalid(
            "reveal_at must be given if visibility is reveal_at, and only then", field="reveal_at"
        )
    found = await questions.find_set(session, set_slug)
    await _lock_set(session, found.id)
    held = await questions.policy(session, found.id)
    if (visibility, reveal_at) == (
        (held.visibility, held.reveal_at) if held else (Visibility.always, None)
    ):
        raise Conflict(
            f"set {set_slug!r} already has this visibility", current={"visibility": visibility}
        )
    row = SetPolicy(
        set_id=found.id,
        number=held.number + 1 if held else 1,
        visibility=visibility,
        reveal_at=reveal_at,
        account_id=actor.id,
        reason=reason,
        created_at=now(),
    )
    session.add(row)
    await session.flush()
    return row


async def archive(
    session: AsyncSession, actor: Actor | None, set_slug: str, *, archived: bool
) -> QuestionSet:
    """Take a set out of lists and boards, or put it back; doing it again changes nothing.

    It stays at its address, with its questions, and they go on. `None` is the command.
    """
    if actor is not None:
        actor.require(Role.curator, "archive a set")
    found = await questions.find_set(session, set_slug)
    changed = await session.scalar(
        update(QuestionSet)
        .where(QuestionSet.id == found.id, questions.listed(archived=not archived))
        .values(archived_at=now() if archived else None)
        .returning(QuestionSet.id)
    )
    if changed is not None:
        action = "set.archived" if archived else "set.unarchived"
        await audit_log.record(session, actor.id if actor else None, action, set_id=found.id)
    await session.refresh(found)
    return found


async def revisions(
    session: AsyncSession, question_id: int, *, after: int, limit: int
) -> list[Revised]:
    """The next revisions of a question after a number, the first first, with what they changed."""
    rows = await session.execute(
        select(QuestionRevision, Account.name)
        .outerjoin(Account, Account.id == QuestionRevision.account_id)
        .where(QuestionRevision.question_id == question_id, QuestionRevision.number >= after)
        .order_by(QuestionRevision.number)
        .limit(limit + 1)
    )
    known: list[tuple[QuestionRevision, str | None]] = [(row, by) for row, by in rows]
    found = [
        Revised(row, by, [FIELD_OF.get(name, name) for name in audit_log.changes(before, row)])
        for (before, _), (row, by) in pairwise(known)
    ]
    first = [Revised(row, by, []) for row, by in known[:1] if row.number > after]
    return [*first, *found][:limit]


async def export(session: AsyncSession, actor: Actor, set_slug: str) -> str:
    """A set as one TOML file, as it is now, drafts too; Conflict if it never was such a file."""
    actor.require(Role.curator, "export a set")
    found = await questions.find_set(session, set_slug)
    query = questions.views_query(None).where(Question.set_id == found.id).order_by(Question.id)
    return dump_set(await _whole(session, found, await questions.views(session, query)))


async def _whole(session: AsyncSession, found: QuestionSet, views: Sequence[View]) -> WrittenSet:
    """A set with some of its questions as its file would say it; Conflict if none could."""
    implications = await session.scalars(
        select(Implication).where(Implication.set_id == found.id).order_by(Implication.position)
    )
    policy = await questions.policy(session, found.id)
    told = {
        "version": SCHEMA_VERSION,
        "slug": found.slug,
        "title": found.title,
        "description": found.description,
        "defaults": found.defaults,
        "visibility": policy.visibility if policy else Visibility.always,
        "reveal_at": policy.reveal_at if policy else None,
        "document": found.document,
        "review": found.review,
        "waivers": found.waivers,
        "implications": [_told(one) for one in implications],
        "questions": [_written(view) for view in views],
    }
    try:
        return msgspec.convert(told, WrittenSet)
    except msgspec.ValidationError as error:
        raise Conflict(
            f"set {found.slug!r} holds what a set's file cannot say, as it was not made from one: "
            f"{error}"
        ) from error


async def _lock_set(session: AsyncSession, set_id: int) -> None:
    await session.execute(select(QuestionSet.id).where(QuestionSet.id == set_id).with_for_update())


async def _revisable(
    session: AsyncSession, actor: Actor, question_id: int, based_on: int, reason: str
) -> tuple[View, datetime]:
    """The locked question, if it may be revised, and the moment."""
    actor.require(Role.curator, "revise a question")
    reason = required_reason(reason, "for forecasters to read")
    await questions.lock(session, [question_id])
    view = await questions.get(session, question_id, actor=actor)
    number = view.revision.number
    if based_on != number:
        raise Conflict(
            f"question {question_id} is at revision {number}, not {based_on}; look at it again",
            current={"revision": number},
        )
    at = now()
    if view.resolved is not None:
        raise Conflict(
            f"question {question_id} is resolved; take that back before revising it",
            current={"state": view.state(at)},
        )
    return view, at


async def _append(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    view: View,
    reason: str,
    changes: dict[str, Any],
    at: datetime,
) -> View:
    told = _written(view) | msgspec.to_builtins(changes)
    written, content_hash = _read(told)
    if content_hash == view.revision.content_hash:
        raise Invalid("changes must change something", field="changes")
    if written.slug != view.question.slug:
        raise Invalid("slug must stay: files and links know the question by it", field="slug")
    has_forecasts = await session.scalar(
        select(Forecast.id).where(Forecast.question_id == view.id).limit(1)
    )
    if has_forecasts:
        _require_kept(view, written, at)
    implications = await _implications(session, view.question.set_id, written)
    number = view.revision.number + 1
    row = questions.revision(written, view.id, number, content_hash, implications, at)
    row.account_id, row.reason = actor.id, reason
    await questions.add_revision(session, row)
    revised = await questions.get(session, view.id)
    if has_forecasts:
        await aggregator.publish(session, [revised], cause=Cause.revision, at=at)
    return revised


def _require_kept(view: View, written: WrittenQuestion, at: datetime) -> None:
    """Refuse a revision that would make forecasts that were taken no longer count."""
    if written.draft:
        raise Invalid("draft must stay false once there are forecasts", field="draft")
    if written.opens_at != view.revision.opens_at:
        raise Invalid("opens_at must stay once there are forecasts", field="opens_at")
    if written.closes_at != view.revision.closes_at and written.closes_at < at:
        raise Invalid(
            "closes_at must not move into the past once there are forecasts", field="closes_at"
        )


async def _implications(
    session: AsyncSession, set_id: int, written: WrittenQuestion
) -> dict[str, int]:
    rows = await session.execute(
        select(Implication.slug, Implication.id).where(
            Implication.set_id == set_id, Implication.slug == written.implication
        )
    )
    found: dict[str, int] = dict(rows.all())
    if not found:
        raise Invalid(
            f"implication must be one of the set's, not {written.implication!r}",
            field="implication",
        )
    return found


def _told(row: Implication) -> dict[str, Any]:
    names = ("slug", "section", "paraphrase", "hedge", "actors", "premise", "premise_note")
    return {name: getattr(row, name) for name in (*names, "uncovered")}


def _written(view: View) -> dict[str, Any]:
    """A question as a file would say it, in JSON's types."""
    own = {"slug": view.question.slug, "implication": view.implication_slug, "kind": "binary"}
    rest = {name: getattr(view.revision, name) for name in FIELDS if name not in own}
    told: dict[str, Any] = msgspec.to_builtins(own | rest)
    return told


def _read(told: dict[str, Any]) -> tuple[WrittenQuestion, str]:
    """A question and the hash of what it says; Invalid as a file's loading would refuse it."""
    try:
        written = msgspec.convert(told, WrittenQuestion)
        return written, question_hash(written)
    except msgspec.ValidationError as error:
        raise _refused(str(error)) from error
    except OverflowError as error:
        raise Invalid("a time must be in the years 1 to 9999 of UTC", field="body") from error


def _refused(message: str) -> Invalid:
    """What msgspec says of a question in the sentence of the format, with the field."""
    said, _, place = message.partition(" - at `$")
    place = place.strip("`.")
    if named := NAMED.fullmatch(said):
        field = ".".join(part for part in (place, named[2]) if part)
        missing = named[1].startswith("missing")
        return Invalid(f"{field} is {'missing' if missing else 'an unknown field'}", field=field)
    if order := re.match(r"(\w+) must ", said):
        field = ".".join(part for part in (place, order[1]) if part)
        return Invalid(field + said.removeprefix(order[1]), field=field)
    allowed = _allowed(place)
    return Invalid(f"{place} must be {allowed}" if allowed else message, field=place or "body")


def _allowed(place: str) -> str | None:
    """What the format says of a field, such as `sources[0].url`; None if it says nothing."""
    outer, _, inner = place.partition("].")
    hints = get_type_hints(Source if inner else WrittenQuestion, include_extras=True)
    kind = hints.get(inner or outer.partition("[")[0])
    if get_origin(kind) is tuple:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is Annotated:
        return str(get_args(kind)[1].description)
    return {str: "a text", bool: "true or false"}.get(kind) if isinstance(kind, type) else None
