"""Atom feeds (RFC 4287) of the events of a set's questions.

Every entry is derived from the facts known at its time, so later facts add entries and never change
existing ones. Feeds contain no forecasts or aggregates, since these may be hidden.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Final, TypeAlias
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree as ET

from sqlalchemy import func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.models import Outcome, Question, QuestionRevision, QuestionSet, Resolution, Utc
from service.notifications.webhooks import SOON, Event, Happening
from service.questions import questions
from service.questions.questions import State, View

MEDIA_TYPE: Final = "application/atom+xml"
MOST: Final = 100
MOST_READ: Final = 10_000
NAMESPACE: Final = "http://www.w3.org/2005/Atom"
TITLES: Final = {
    Event.opened: "Opened",
    Event.closing_soon: "Closing soon",
    Event.closed: "Closed",
    Event.resolved: "Resolved",
    Event.unresolved: "Resolution taken back",
    Event.moved: "Moved",
}
Fact: TypeAlias = QuestionRevision | Resolution
FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot represent."""


async def of_set(session: AsyncSession, slug: str, *, site: str, address: str) -> str:
    """The newest `MOST` events of a set's questions, as an Atom document.

    Args:
        session: any transaction.
        slug: the set's slug.
        site: base URL of the pages, without a trailing slash.
        address: URL of this feed.

    Raises:
        NotFound: unknown set.
    """
    found = await questions.find_set(session, slug)
    entries = await newest(session, found, now(), MOST)
    feed = ET.Element("feed", xmlns=NAMESPACE)
    _add(feed, "id", _name(found, "feed"))
    _add(feed, "title", found.title)
    _add(feed, "updated", (entries[0].at if entries else found.created_at).isoformat())
    _add(_add(feed, "author"), "name", "Credence")
    _add(feed, "link", rel="self", type=MEDIA_TYPE, href=address)
    _add(feed, "link", rel="alternate", type="text/html", href=f"{site}/sets/{found.slug}")
    for one in entries:
        entry = _add(feed, "entry")
        _add(entry, "id", _name(found, one.key))
        _add(entry, "title", f"{TITLES[one.event]}: {one.view.revision.title}")
        _add(entry, "updated", one.at.isoformat())
        _add(entry, "category", term=one.event)
        where = f"{site}/questions/{one.view.id}"
        _add(entry, "link", rel="alternate", type="text/html", href=where)
        _add(entry, "summary", _summary(one))
    document = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return bytes(document).decode()


async def newest(
    session: AsyncSession, question_set: QuestionSet, at: datetime, most: int
) -> list[Happening]:
    """The latest events of a set's questions up to a time, newest first, without drafts.

    Reads only the questions with the most recent possible events, and more of them until no omitted
    question can have a newer entry, up to a few thousand questions.
    """
    limit = 2 * most
    while True:
        touched = await _touched(session, question_set, at, limit)
        happened = await _happenings(session, question_set, [one for one, _ in touched], at)
        happened.sort(key=lambda one: (one.at, one.view.id, one.key), reverse=True)
        happened = happened[:most]
        complete = len(happened) == most and happened[-1].at >= touched[-1][1]
        if complete or len(touched) < limit or limit > MOST_READ:
            return happened
        limit *= 8


async def _touched(
    session: AsyncSession, question_set: QuestionSet, at: datetime, limit: int
) -> list[tuple[int, datetime]]:
    """Questions with the time of their latest possible event, newest first."""
    revision, closes = QuestionRevision, QuestionRevision.closes_at
    moments = union_all(
        select(revision.question_id, revision.created_at.label("moment")).where(
            revision.created_at <= at
        ),
        select(revision.question_id, revision.opens_at).where(revision.opens_at <= at),
        select(revision.question_id, closes).where(closes <= at),
        select(Resolution.question_id, Resolution.created_at).where(Resolution.created_at <= at),
    ).subquery()
    latest = func.max(moments.columns.moment, type_=Utc)
    rows = await session.execute(
        select(Question.id, latest)
        .join(moments, moments.columns.question_id == Question.id)
        .where(Question.set_id == question_set.id)
        .group_by(Question.id)
        .order_by(latest.desc(), Question.id.desc())
        .limit(limit)
    )
    soon = await session.execute(
        select(revision.question_id, closes)
        .join(Question, Question.id == revision.question_id)
        .where(Question.set_id == question_set.id, closes > at, closes <= at + SOON)
        .order_by(closes.desc(), revision.question_id.desc())
        .limit(limit)
    )
    touched = dict(rows.all())
    for question_id, closes_at in soon:
        soon_at = (closes_at or at) - SOON
        touched[question_id] = max(touched.get(question_id, soon_at), soon_at)
    ordered = sorted(touched.items(), key=lambda one: (one[1], one[0]), reverse=True)
    return ordered[:limit]


async def _happenings(
    session: AsyncSession, question_set: QuestionSet, ids: Sequence[int], at: datetime
) -> list[Happening]:
    rows = await session.scalars(select(Question).where(Question.id.in_(ids)))
    lives: dict[int, tuple[Question, list[Fact]]] = {one.id: (one, []) for one in rows}
    revisions = await session.scalars(
        select(QuestionRevision)
        .where(QuestionRevision.question_id.in_(ids), QuestionRevision.created_at <= at)
        .order_by(QuestionRevision.number)
    )
    resolutions = await session.scalars(
        select(Resolution)
        .where(Resolution.question_id.in_(ids), Resolution.created_at <= at)
        .order_by(Resolution.number)
    )
    known: list[Fact] = [*revisions, *resolutions]
    for fact in sorted(known, key=lambda one: one.created_at):
        lives[fact.question_id][1].append(fact)
    return [
        happening
        for question, facts in lives.values()
        for happening in _life(question, question_set.slug, facts, at)
    ]


def _life(
    question: Question, slug: str, facts: Sequence[Fact], at: datetime
) -> Iterable[Happening]:
    """The events of a question, from one fact to the next."""
    revision: QuestionRevision | None = None
    resolution: Resolution | None = None
    was, seen_keys = State.draft, set[str]()
    learned = [
        (moment, list(made)) for moment, made in groupby(facts, lambda fact: fact.created_at)
    ]
    ends = [moment for moment, _ in learned[1:]]
    for (since, made), until in zip(learned, chain(ends, [None]), strict=True):
        new_resolutions = [fact for fact in made if isinstance(fact, Resolution)]
        new_revisions = [fact for fact in made if isinstance(fact, QuestionRevision)]
        revision = new_revisions[-1] if new_revisions else revision
        resolution = new_resolutions[-1] if new_resolutions else resolution
        if revision is None:
            continue
        view = View(question, revision, slug, None, resolution, None)
        if revision.draft:
            was = State.draft
            continue
        for one in new_resolutions:
            event = Event.unresolved if one.outcome == Outcome.unresolved else Event.resolved
            yield Happening(event, f"{event}:{one.id}", one.created_at, view, one)
        for moment in _transition_times(revision, since, until, at):
            for event in _entered(was, view, moment):
                key = _key(event, view, moment)
                if key not in seen_keys:
                    seen_keys.add(key)
                    yield Happening(event, key, moment, view)
            was = view.state(moment)


def _transition_times(
    revision: QuestionRevision, since: datetime, until: datetime | None, at: datetime
) -> list[datetime]:
    """Times in [since, until) at which a question's state may change under a revision."""
    closes = revision.closes_at
    times = [revision.opens_at, *([closes - SOON, closes] if closes else [])]
    within = {one for one in times if since < one <= at and (until is None or one < until)}
    return sorted({since, *within})


def _entered(was: State, view: View, moment: datetime) -> Iterable[Event]:
    state, closes = view.state(moment), view.revision.closes_at
    if state is State.open:
        if was in {State.draft, State.upcoming, State.closed}:
            yield Event.opened
        if closes is not None and closes - moment <= SOON:
            yield Event.closing_soon
    elif state is State.closed and was in {State.upcoming, State.open}:
        yield Event.closed


def _key(event: Event, view: View, moment: datetime) -> str:
    which = moment if event is Event.opened else view.revision.closes_at
    return f"{event}:{view.id}:{which}"


def _name(question_set: QuestionSet, key: str) -> str:
    """An identifier that stays unique across services with sets of the same name."""
    return uuid5(
        NAMESPACE_URL, f"{question_set.slug} {question_set.created_at.isoformat()} {key}"
    ).urn


def _summary(one: Happening) -> str:
    closes = one.view.revision.closes_at
    until = f" {_format_time(closes)}" if closes else ""
    if one.event is Event.opened:
        return f"Forecasts are taken until{until}." if closes else "Forecasts are taken."
    if one.event in {Event.closing_soon, Event.closed}:
        verb = "closes" if one.event is Event.closing_soon else "closed"
        return f"The question {verb} on{until}."
    if one.event is Event.resolved and one.resolution is not None:
        settled_at = _format_time(one.resolution.occurred_at)
        settled = f"It resolved {one.resolution.outcome}, settled {settled_at}."
        return f"{settled} {one.resolution.note}".strip()
    return "The question has no resolution any more."


def _format_time(at: datetime) -> str:
    return f"{at:%d %B %Y, %H:%M} UTC"


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    made = ET.SubElement(parent, name, attributes)
    made.text = FORBIDDEN.sub("", text) if text else None
    return made
