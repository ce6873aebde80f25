"""Questions: loading sets, revisions, and the state derived from times and resolutions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    event,
    func,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from questions.load import question_hash
from questions.schema import Question as WrittenQuestion
from questions.schema import QuestionSet as WrittenSet
from service.audit import audit_log
from service.clock import now
from service.database.cache import remember
from service.exceptions import NotFound
from service.models import (
    Implication,
    Outcome,
    Question,
    QuestionRevision,
    QuestionSet,
    Resolution,
    RevisionTag,
    Role,
    SetPolicy,
    Utc,
    Visibility,
)
from service.permissions import Actor

FILE_CHANGED: Final = "The set's file changed."
KEPT_VIEWS: Final = 4_000

Row = TypeVar("Row", QuestionRevision, Resolution, SetPolicy)


class State(StrEnum):
    """The stage of a question's life; computed, never stored."""

    draft = "draft"
    upcoming = "upcoming"
    open = "open"
    closed = "closed"
    resolved = "resolved"


@dataclass(frozen=True, slots=True)
class View:
    """A question as known at one moment: its revision and resolution by then.

    `policy` is always the set's present one: today's visibility also governs past states.
    """

    question: Question
    revision: QuestionRevision
    set_slug: str
    implication_slug: str | None
    resolution: Resolution | None
    policy: SetPolicy | None

    @property
    def id(self) -> int:
        """The question's id."""
        return self.question.id

    @property
    def resolved(self) -> Resolution | None:
        """The resolution in force, None if there is none or it was reversed."""
        latest = self.resolution
        return None if latest is None or latest.outcome == Outcome.unresolved else latest

    @property
    def outcome(self) -> int | None:
        """1 for yes, 0 for no, None for outcomes that are not scored."""
        resolution = self.resolved
        return None if resolution is None else {"yes": 1, "no": 0}.get(resolution.outcome)

    @property
    def ends_at(self) -> datetime | None:
        """The effective close: later forecasts do not count. None: no close is known."""
        resolution = self.resolved
        ends = [self.revision.closes_at, resolution.occurred_at if resolution else None]
        return min((end for end in ends if end is not None), default=None)

    def state(self, at: datetime) -> State:
        """The question's state at a moment."""
        if self.resolved is not None:
            return State.resolved
        if self.revision.draft:
            return State.draft
        if at < self.revision.opens_at:
            return State.upcoming
        if self.revision.closes_at is not None and at >= self.revision.closes_at:
            return State.closed
        return State.open


@dataclass(frozen=True, slots=True)
class Loaded:
    """The changes made by loading a set."""

    slug: str
    created: int
    revised: int
    unchanged: int


async def load(session: AsyncSession, written: WrittenSet, *, by: Actor | None = None) -> Loaded:
    """Load a set into the database: create new questions and revise changed ones.

    Loading the same file again changes nothing: a question is revised only if its text in the file
    has changed since the last load, so a curator's edits stay until then. Questions missing from
    the file are kept, and so is every forecast. `by` is None when the command line loads the set.
    """
    at = now()
    stored = await _load_head(session, written, at)
    implications = await _load_implications(session, stored.id, written)
    latest = await _latest_revisions(session, stored.id)
    created = revised = 0
    for question in written.questions:
        content_hash = question_hash(question)
        existing = latest.get(question.slug)
        if existing is None:
            row = Question(set_id=stored.id, slug=question.slug, created_at=at)
            session.add(row)
            await session.flush()
            number, reason = 1, ""
            created += 1
        else:
            row, latest_revision = existing
            if content_hash in {row.file_hash, latest_revision.content_hash}:
                row.file_hash = content_hash
                continue
            number, reason = latest_revision.number + 1, FILE_CHANGED
            revised += 1
        row.file_hash = content_hash
        made = revision(question, row.id, number, content_hash, implications, at)
        made.reason = reason
        await add_revision(session, made)
    unchanged = len(written.questions) - created - revised
    if created or revised:
        counts = {"created": created, "revised": revised, "unchanged": unchanged}
        await audit_log.record(
            session, by.id if by else None, "set.loaded", set_id=stored.id, details=counts
        )
    return Loaded(written.slug, created, revised, unchanged)


async def _load_head(session: AsyncSession, written: WrittenSet, at: datetime) -> QuestionSet:
    stored = await session.scalar(select(QuestionSet).where(QuestionSet.slug == written.slug))
    if stored is None:
        stored = QuestionSet(slug=written.slug, created_at=at)
        session.add(stored)
    stored.title = written.title
    stored.description = written.description
    stored.defaults = written.defaults
    stored.document = msgspec.to_builtins(written.document)
    stored.review = msgspec.to_builtins(written.review)
    stored.waivers = [msgspec.to_builtins(one) for one in written.waivers]
    await session.flush()
    await _load_policy(session, stored.id, written, at)
    return stored


async def _load_policy(
    session: AsyncSession, set_id: int, written: WrittenSet, at: datetime
) -> None:
    """Update the set's policy if the one in its file has changed since the last load."""
    rows = await session.scalars(
        select(SetPolicy).where(SetPolicy.set_id == set_id).order_by(SetPolicy.number)
    )
    policies = rows.all()
    loaded = [(row.visibility, row.reveal_at) for row in policies if row.account_id is None]
    last_loaded = loaded[-1] if loaded else (Visibility.always, None)
    if (written.visibility, written.reveal_at) == last_loaded:
        return
    session.add(
        SetPolicy(
            set_id=set_id,
            number=policies[-1].number + 1 if policies else 1,
            visibility=written.visibility,
            reveal_at=written.reveal_at,
            account_id=None,
            reason=FILE_CHANGED if loaded else "",
            created_at=at,
        )
    )
    await session.flush()


async def _load_implications(
    session: AsyncSession, set_id: int, written: WrittenSet
) -> dict[str, int]:
    rows = await session.scalars(select(Implication).where(Implication.set_id == set_id))
    by_slug = {row.slug: row for row in rows}
    for position, implication in enumerate(written.implications, start=1):
        row = by_slug.get(implication.slug)
        if row is None:
            row = Implication(set_id=set_id, slug=implication.slug)
            session.add(row)
            by_slug[implication.slug] = row
        row.position = position
        row.section = implication.section
        row.paraphrase = implication.paraphrase
        row.hedge = implication.hedge
        row.actors = list(implication.actors)
        row.premise = implication.premise
        row.premise_note = implication.premise_note
        row.uncovered = implication.uncovered
    await session.flush()
    return {slug: row.id for slug, row in by_slug.items()}


async def _latest_revisions(
    session: AsyncSession, set_id: int
) -> dict[str, tuple[Question, QuestionRevision]]:
    rows = await session.execute(
        select(Question, QuestionRevision)
        .join(QuestionRevision, QuestionRevision.question_id == Question.id)
        .where(Question.set_id == set_id)
        .order_by(QuestionRevision.number)
    )
    return {question.slug: (question, revised) for question, revised in rows}


def revision(
    question: WrittenQuestion,
    question_id: int,
    number: int,
    content_hash: str,
    implications: dict[str, int],
    at: datetime,
) -> QuestionRevision:
    """A revision with the question's content, not yet added to a session."""
    return QuestionRevision(
        question_id=question_id,
        number=number,
        content_hash=content_hash,
        implication_id=implications[question.implication],
        polarity=question.polarity,
        why=question.why,
        title=question.title,
        background=question.background,
        background_as_of=question.background_as_of,
        criteria=question.criteria,
        fine_print=question.fine_print,
        sources=[msgspec.to_builtins(source) for source in question.sources],
        domain=question.domain,
        tags=list(question.tags),
        weight=question.weight,
        tail=question.tail,
        draft=question.draft,
        window_starts_at=question.window_starts_at,
        deadline_at=question.deadline_at,
        opens_at=question.opens_at,
        closes_at=question.closes_at,
        resolves_by=question.resolves_by,
        reveal_at=question.reveal_at,
        created_at=at,
    )


async def add_revision(session: AsyncSession, revision: QuestionRevision) -> None:
    """Append a revision with its tags."""
    session.add(revision)
    await session.flush()
    session.add_all(RevisionTag(revision_id=revision.id, tag=tag) for tag in set(revision.tags))
    await session.flush()


async def lock(session: AsyncSession, question_ids: Sequence[int]) -> None:
    """Lock the questions until the transaction ends, so that results computed from them stay valid.

    On SQLite a write transaction already locks the whole database.
    """
    if session.get_bind().dialect.name == "sqlite":
        return
    await session.execute(_lock_query(), {"ids": sorted(set(question_ids))})


@cache
def _lock_query() -> Select[int]:
    # Not FOR UPDATE, so that other transactions can insert rows that refer to the questions.
    return (
        select(Question.id)
        .where(Question.id.in_(bindparam("ids", expanding=True)))
        .order_by(Question.id)
        .with_for_update(key_share=True)
    )


def views_query(known_at: datetime | None) -> Select[*tuple[Any, ...]]:
    """The query for the questions as known at a moment, to be run by `views`.

    Callers may add conditions on Question, QuestionRevision, QuestionSet, Resolution and SetPolicy.
    """
    if known_at is None:
        return _views_query(known=False)
    return _views_query(known=True).params(known_at=known_at)


@cache
def _views_query(*, known: bool) -> Select[*tuple[Any, ...]]:
    """Cached, because building the statement costs more than running it."""
    known_at = bindparam("known_at", type_=Utc) if known else None
    revision_number = _latest_number(QuestionRevision, known_at)
    resolution_number = _latest_number(Resolution, known_at)
    return (
        select(Question.id, QuestionRevision.id, Resolution.id, SetPolicy.id)
        .select_from(Question)
        .join(
            QuestionRevision,
            and_(
                QuestionRevision.question_id == Question.id,
                QuestionRevision.number == revision_number,
            ),
        )
        .join(QuestionSet, QuestionSet.id == Question.set_id)
        .outerjoin(
            Resolution,
            and_(Resolution.question_id == Question.id, Resolution.number == resolution_number),
        )
        .outerjoin(SetPolicy, policy_holds(Question.set_id))
    )


@cache
def one_query(*, known: bool = False) -> Select[*tuple[Any, ...]]:
    """The question `question`, as known at `known_at` or now."""
    return _views_query(known=known).where(Question.id == bindparam("question"))


def policy_holds(set_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """The condition that joins a set's current policy to a query with a column of set ids."""
    other = aliased(SetPolicy)
    latest = select(func.max(other.number)).where(other.set_id == SetPolicy.set_id)
    return and_(
        SetPolicy.set_id == set_id,
        SetPolicy.number == latest.correlate(SetPolicy).scalar_subquery(),
    )


def _latest_number(
    table: type[QuestionRevision | Resolution], known_at: BindParameter[datetime] | None
) -> ColumnElement[int]:
    other = aliased(table)
    query = select(func.max(other.number)).where(other.question_id == Question.id)
    if known_at is not None:
        query = query.where(other.created_at <= known_at)
    return query.correlate(Question).scalar_subquery()


async def views(
    session: AsyncSession,
    query: Select[*tuple[Any, ...]],
    parameters: Mapping[str, Any] | None = None,
) -> list[View]:
    """Run a query made by `views_query`; see `rows`."""
    return [view for view, _ in await rows(session, query, parameters)]


async def rows(
    session: AsyncSession,
    query: Select[*tuple[Any, ...]],
    parameters: Mapping[str, Any] | None = None,
) -> list[tuple[View, Any]]:
    """Run a query made by `views_query`, possibly with added columns.

    The rows of a view never change, so views are cached under the ids of their rows. Views read in
    this transaction are cached only if it commits.
    """
    answer = (await session.execute(query, parameters)).all()
    keys = [_Key(*row[: len(_Key._fields)]) for row in answer]
    kept: dict[_Key, View] = session.info["kept"].setdefault(View, {})
    by_key = {key: kept[key] for key in keys if key in kept}
    missing = [key for key in keys if key not in kept]
    if missing:
        read = await _read_views(session, missing)
        by_key |= read
        event.listen(
            session.sync_session, "after_commit", lambda _: remember(kept, read, KEPT_VIEWS)
        )
    return [(by_key[key], row) for key, row in zip(keys, answer, strict=True)]


class _Key(NamedTuple):
    question_id: int
    revision_id: int
    resolution_id: int | None
    policy_id: int | None


async def _read_views(session: AsyncSession, keys: Sequence[_Key]) -> dict[_Key, View]:
    rows = await session.execute(
        select(QuestionRevision.id, Question, QuestionRevision, QuestionSet.slug, Implication.slug)
        .select_from(QuestionRevision)
        .join(Question, Question.id == QuestionRevision.question_id)
        .join(QuestionSet, QuestionSet.id == Question.set_id)
        .outerjoin(Implication, Implication.id == QuestionRevision.implication_id)
        .where(QuestionRevision.id.in_([key.revision_id for key in keys]))
    )
    revised = {row[0]: row[1:] for row in rows}
    resolutions = await _by_id(session, Resolution, [key.resolution_id for key in keys])
    policies = await _by_id(session, SetPolicy, [key.policy_id for key in keys])
    return {
        key: View(
            *revised[key.revision_id],
            resolutions.get(key.resolution_id),
            policies.get(key.policy_id),
        )
        for key in keys
    }


async def _by_id(
    session: AsyncSession, table: type[Row], ids: Iterable[int | None]
) -> dict[int | None, Row]:
    wanted = {one for one in ids if one is not None}
    if not wanted:
        return {}
    rows = await session.scalars(select(table).where(table.id.in_(wanted)))
    return {row.id: row for row in rows}


async def get(
    session: AsyncSession,
    question_id: int,
    *,
    known_at: datetime | None = None,
    actor: Actor | None = None,
) -> View:
    """One question as known at a moment (None: now); NotFound names the id.

    Only curators see drafts. Without an actor, for the service's own work, nothing is hidden.
    """
    parameters: dict[str, Any] = {"question": question_id}
    if known_at is not None:
        parameters["known_at"] = known_at
    matches = await views(session, one_query(known=known_at is not None), parameters)
    return seen(matches[0] if matches else None, question_id, actor)


async def many(session: AsyncSession, question_ids: Iterable[int]) -> dict[int, View]:
    """The questions with these ids as known now, keyed by id; unknown ids are omitted."""
    matches = await views(session, _many_query(), {"ids": sorted(set(question_ids))})
    return {view.id: view for view in matches}


@cache
def _many_query() -> Select[*tuple[Any, ...]]:
    requested = Question.id.in_(bindparam("ids", expanding=True))
    return _views_query(known=False).where(requested).order_by(Question.id)


def seen(view: View | None, question_id: int, actor: Actor | None) -> View:
    """The view if the actor may see it; NotFound names the id, also for drafts hidden from them."""
    hidden = actor is not None and not actor.may(Role.curator)
    if view is None or (hidden and view.revision.draft):
        raise NotFound(f"there is no question {question_id}")
    return view


def in_state(state: State, at: datetime) -> ColumnElement[bool]:
    """`View.state` as a condition on `views_query`; tests compare the two."""
    pending = or_(Resolution.id.is_(None), Resolution.outcome == Outcome.unresolved)
    published = and_(pending, QuestionRevision.draft.is_(False))
    opened = QuestionRevision.opens_at <= at
    closed = and_(QuestionRevision.closes_at.is_not(None), QuestionRevision.closes_at <= at)
    conditions: dict[State, ColumnElement[bool]] = {
        State.resolved: ~pending,
        State.draft: and_(pending, QuestionRevision.draft.is_(True)),
        State.upcoming: and_(published, ~opened),
        State.closed: and_(published, opened, closed),
        State.open: and_(published, opened, ~closed),
    }
    return conditions[state]


async def find_set(session: AsyncSession, slug: str) -> QuestionSet:
    """The set with this slug; NotFound names it."""
    row = await session.scalar(select(QuestionSet).where(QuestionSet.slug == slug))
    if row is None:
        raise NotFound(f"there is no set {slug!r}")
    return row


async def sets_of(session: AsyncSession, questions: Sequence[View]) -> dict[int, QuestionSet]:
    """The sets of the given questions, keyed by id."""
    ids = {view.question.set_id for view in questions}
    rows = await session.scalars(select(QuestionSet).where(QuestionSet.id.in_(ids)))
    return {row.id: row for row in rows}


async def sets(
    session: AsyncSession, *, after: int, limit: int, archived: bool | None = False
) -> list[tuple[QuestionSet, int]]:
    """The next sets after an id, each with its number of questions.

    `archived` selects archived sets (True), other sets (False) or both (None).
    """
    query = select(QuestionSet, _questions_of_set()).where(QuestionSet.id > after)
    if archived is not None:
        query = query.where(listed(archived=archived))
    rows = await session.execute(query.order_by(QuestionSet.id).limit(limit))
    return [(row, int(count)) for row, count in rows]


def listed(*, archived: bool = False) -> ColumnElement[bool]:
    """The condition on QuestionSet, for `views_query`, that selects listed or archived sets."""
    archived_at = QuestionSet.archived_at
    return archived_at.is_not(None) if archived else archived_at.is_(None)


async def count(session: AsyncSession, set_id: int) -> int:
    """The number of questions in a set."""
    query = select(_questions_of_set()).where(QuestionSet.id == set_id)
    return int(await session.scalar(query) or 0)


async def policy(session: AsyncSession, set_id: int) -> SetPolicy | None:
    """The current policy of a set; None: everything is always visible."""
    row: SetPolicy | None = await session.scalar(
        select(SetPolicy)
        .where(SetPolicy.set_id == set_id)
        .order_by(SetPolicy.number.desc())
        .limit(1)
    )
    return row


def _questions_of_set() -> ScalarSelect[int]:
    return (
        select(func.count())
        .select_from(Question)
        .where(Question.set_id == QuestionSet.id)
        .correlate(QuestionSet)
        .scalar_subquery()
    )


async def revisions(
    session: AsyncSession, question_id: int, *, after: int, limit: int
) -> list[QuestionRevision]:
    """The next revisions of a question after a number, oldest first."""
    rows = await session.scalars(
        select(QuestionRevision)
        .where(QuestionRevision.question_id == question_id, QuestionRevision.number > after)
        .order_by(QuestionRevision.number)
        .limit(limit)
    )
    return list(rows)
