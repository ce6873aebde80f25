"""Curators' edits of questions and sets: add, revise, close early, set visibility, export.

To retire a question that should not exist, resolve it as annulled.
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
    """A revision, its author (None: the set's file), and its changes to the previous one."""

    revision: QuestionRevision
    by: str | None
    changed: list[str]


async def ask(
    session: AsyncSession, actor: Actor, set_slug: str, fields: dict[str, Any], reason: str
) -> View:
    """Add a question to a set; raises Invalid for anything a set's file must not contain."""
    actor.require(Role.curator, "ask a question")
    reason = optional_reason(reason)
    found = await questions.find_set(session, set_slug)
    await _lock_set(session, found.id)
    written, content_hash = _parse(fields)
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
    """Change fields of a question in a new revision.

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
    """Close an open question now, with a revision."""
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
    """Accept forecasts on a closed question again until a later close, with a revision."""
    view, at = await _revisable(session, actor, question_id, based_on, reason)
    _require(view, at, State.closed, "only a closed one can be reopened")
    if closes_at <= at:
        raise Invalid("closes_at must be in the future", field="closes_at")
    return await _append(session, aggregator, actor, view, reason, {"closes_at": closes_at}, at)


def _require(view: View, at: datetime, state: State, allowed: str) -> None:
    actual = view.state(at)
    if actual is not state:
        raise Conflict(f"question {view.id} is {actual}; {allowed}", current={"state": actual})


async def findings(session: AsyncSession, view: View) -> list[Finding]:
    """The lint's findings for a question in its current revision, with the set's waivers applied.

    Findings about the whole set, and reminders for reviewers, are reported for files only.
    """
    question_set = await questions.find_set(session, view.set_slug)
    try:
        written = await _whole(session, question_set, [view])
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
    """Decide when forecasters see others' forecasts on a set's questions, from now on.

    Args:
        visibility: always, after the viewer's own forecast, or from `reveal_at` on.
        reveal_at: required for the visibility `reveal_at`, and allowed only then.
        reason: why; required.
    """
    actor.require(Role.curator, "decide what forecasters see")
    reason = required_reason(reason, "for forecasters to read")
    if (visibility is Visibility.reveal_at) != (reveal_at is not None):
        raise Invalid(
            "reveal_at must be given if visibility is reveal_at, and only then", field="reveal_at"
        )
    question_set = await questions.find_set(session, set_slug)
    await _lock_set(session, question_set.id)
    policy = await questions.policy(session, question_set.id)
    if (visibility, reveal_at) == (
        (policy.visibility, policy.reveal_at) if policy else (Visibility.always, None)
    ):
        raise Conflict(
            f"set {set_slug!r} already has this visibility", current={"visibility": visibility}
        )
    row = SetPolicy(
        set_id=question_set.id,
        number=policy.number + 1 if policy else 1,
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
    """Remove a set from lists and leaderboards, or restore it; repeating this changes nothing.

    Its address and questions remain available and active. `None` stands for the command line.
    """
    if actor is not None:
        actor.require(Role.curator, "archive a set")
    question_set = await questions.find_set(session, set_slug)
    changed = await session.scalar(
        update(QuestionSet)
        .where(QuestionSet.id == question_set.id, questions.listed(archived=not archived))
        .values(archived_at=now() if archived else None)
        .returning(QuestionSet.id)
    )
    if changed is not None:
        action = "set.archived" if archived else "set.unarchived"
        await audit_log.record(session, actor.id if actor else None, action, set_id=question_set.id)
    await session.refresh(question_set)
    return question_set


async def revisions(
    session: AsyncSession, question_id: int, *, after: int, limit: int
) -> list[Revised]:
    """The revisions of a question after a number, oldest first, with their changes."""
    rows = await session.execute(
        select(QuestionRevision, Account.name)
        .outerjoin(Account, Account.id == QuestionRevision.account_id)
        .where(QuestionRevision.question_id == question_id, QuestionRevision.number >= after)
        .order_by(QuestionRevision.number)
        .limit(limit + 1)
    )
    known: list[tuple[QuestionRevision, str | None]] = [(row, by) for row, by in rows]
    changed = [
        Revised(row, by, [FIELD_OF.get(name, name) for name in audit_log.changes(before, row)])
        for (before, _), (row, by) in pairwise(known)
    ]
    first = [Revised(row, by, []) for row, by in known[:1] if row.number > after]
    return [*first, *changed][:limit]


async def export(session: AsyncSession, actor: Actor, set_slug: str) -> str:
    """The current set as one TOML file, with drafts; Conflict if it cannot be expressed as one."""
    actor.require(Role.curator, "export a set")
    question_set = await questions.find_set(session, set_slug)
    query = (
        questions.views_query(None).where(Question.set_id == question_set.id).order_by(Question.id)
    )
    return dump_set(await _whole(session, question_set, await questions.views(session, query)))


async def _whole(
    session: AsyncSession, question_set: QuestionSet, views: Sequence[View]
) -> WrittenSet:
    """A set and some of its questions in the file's format; Conflict if it cannot express them."""
    implications = await session.scalars(
        select(Implication)
        .where(Implication.set_id == question_set.id)
        .order_by(Implication.position)
    )
    policy = await questions.policy(session, question_set.id)
    fields = {
        "version": SCHEMA_VERSION,
        "slug": question_set.slug,
        "title": question_set.title,
        "description": question_set.description,
        "defaults": question_set.defaults,
        "visibility": policy.visibility if policy else Visibility.always,
        "reveal_at": policy.reveal_at if policy else None,
        "document": question_set.document,
        "review": question_set.review,
        "waivers": question_set.waivers,
        "implications": [_implication_fields(one) for one in implications],
        "questions": [_question_fields(view) for view in views],
    }
    try:
        return msgspec.convert(fields, WrittenSet)
    except msgspec.ValidationError as error:
        raise Conflict(
            f"set {question_set.slug!r} was not loaded from a file and holds values that a set's "
            "file cannot express: "
            f"{error}"
        ) from error


async def _lock_set(session: AsyncSession, set_id: int) -> None:
    await session.execute(select(QuestionSet.id).where(QuestionSet.id == set_id).with_for_update())


async def _revisable(
    session: AsyncSession, actor: Actor, question_id: int, based_on: int, reason: str
) -> tuple[View, datetime]:
    """The locked question, if it may be revised, and the time of the revision."""
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
    fields = _question_fields(view) | msgspec.to_builtins(changes)
    written, content_hash = _parse(fields)
    if content_hash == view.revision.content_hash:
        raise Invalid("changes must change something", field="changes")
    if written.slug != view.question.slug:
        raise Invalid(
            "slug must stay the same: files and links identify the question by it", field="slug"
        )
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
    """Reject a revision that would invalidate accepted forecasts."""
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
    ids: dict[str, int] = dict(rows.all())
    if not ids:
        raise Invalid(
            f"implication must be one of the set's, not {written.implication!r}",
            field="implication",
        )
    return ids


def _implication_fields(row: Implication) -> dict[str, Any]:
    names = ("slug", "section", "paraphrase", "hedge", "actors", "premise", "premise_note")
    return {name: getattr(row, name) for name in (*names, "uncovered")}


def _question_fields(view: View) -> dict[str, Any]:
    """A question in the file's format, as JSON types."""
    own = {"slug": view.question.slug, "implication": view.implication_slug, "kind": "binary"}
    rest = {name: getattr(view.revision, name) for name in FIELDS if name not in own}
    fields: dict[str, Any] = msgspec.to_builtins(own | rest)
    return fields


def _parse(fields: dict[str, Any]) -> tuple[WrittenQuestion, str]:
    """A question and its content hash; raises Invalid for errors as loading a file does."""
    try:
        written = msgspec.convert(fields, WrittenQuestion)
        return written, question_hash(written)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except OverflowError as error:
        raise Invalid("a time must be in the years 1 to 9999 of UTC", field="body") from error


def _invalid(message: str) -> Invalid:
    """A msgspec error as a sentence of the question format, with the field."""
    detail, _, place = message.partition(" - at `$")
    place = place.strip("`.")
    if named := NAMED.fullmatch(detail):
        field = ".".join(part for part in (place, named[2]) if part)
        missing = named[1].startswith("missing")
        return Invalid(f"{field} is {'missing' if missing else 'an unknown field'}", field=field)
    if order := re.match(r"(\w+) must ", detail):
        field = ".".join(part for part in (place, order[1]) if part)
        return Invalid(field + detail.removeprefix(order[1]), field=field)
    allowed = _allowed(place)
    return Invalid(f"{place} must be {allowed}" if allowed else message, field=place or "body")


def _allowed(place: str) -> str | None:
    """The format's description of a field, such as `sources[0].url`; None if it has none."""
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
