"""Questions: loading sets, revisions, and the state that times and resolutions give them."""

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
    """Where a question is in its life; computed, never stored."""

    draft = "draft"
    upcoming = "upcoming"
    open = "open"
    closed = "closed"
    resolved = "resolved"


@dataclass(frozen=True, slots=True)
class View:
    """A question as known at one moment: its revision and resolution by then.

    `policy` is the set's present one, whatever the moment: who sees a past is for the present.
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
        """The resolution that holds, if it was not taken back."""
        held = self.resolution
        return None if held is None or held.outcome == Outcome.unresolved else held

    @property
    def outcome(self) -> int | None:
        """1 for yes, 0 for no, None for anything that is not scored."""
        held = self.resolved
        return None if held is None else {"yes": 1, "no": 0}.get(held.outcome)

    @property
    def ends_at(self) -> datetime | None:
        """The effective close: forecasts from then on do not count. None: no close is known."""
        held = self.resolved
        ends = [self.revision.closes_at, held.occurred_at if held else None]
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
    """What loading a set changed."""

    slug: str
    created: int
    revised: int
    unchanged: int


async def load(session: AsyncSession, written: WrittenSet, *, by: Actor | None = None) -> Loaded:
    """Bring a set into the database: new questions are created, changed ones get a revision.

    Loading again changes nothing: a question is revised only if the file says something else of it
    than when it was last loaded, so a curator's edits stay until then. Questions that the file no
    longer has are kept, and so is every forecast. `by` is who does it; None is the command.
    """
    at = now()
    stored = await _load_head(session, written, at)
    implications = await _load_implications(session, stored.id, written)
    held = await _held_revisions(session, stored.id)
    created = revised = 0
    for question in written.questions:
        content_hash = question_hash(question)
        found = held.get(question.slug)
        if found is None:
            row = Question(set_id=stored.id, slug=question.slug, created_at=at)
            session.add(row)
            await session.flush()
            number, reason = 1, ""
            created += 1
        else:
            row, held_revision = found
            if content_hash in {row.file_hash, held_revision.content_hash}:
                row.file_hash = content_hash
                continue
            number, reason = held_revision.number + 1, FILE_CHANGED
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
    """Bring the set's policy up to its file, if that says something else than when last loaded."""
    rows = await session.scalars(
        select(SetPolicy).where(SetPolicy.set_id == set_id).order_by(SetPolicy.number)
    )
    held = rows.all()
    said = [(row.visibility, row.reveal_at) for row in held if row.account_id is None]
    if (written.visibility, written.reveal_at) == (said[-1] if said else (Visibility.always, None)):
        return
    session.add(
        SetPolicy(
            set_id=set_id,
            number=held[-1].number + 1 if held else 1,
            visibility=written.visibility,
            reveal_at=written.reveal_at,
            account_id=None,
            reason=FILE_CHANGED if said else "",
            created_at=at,
        )
    )
    await session.flush()


async def _load_implications(
    session: AsyncSession, set_id: int, written: WrittenSet
) -> dict[str, int]:
    rows = await session.scalars(select(Implication).where(Implication.set_id == set_id))
    held = {row.slug: row for row in rows}
    for position, implication in enumerate(written.implications, start=1):
        row = held.get(implication.slug)
        if row is None:
            row = Implication(set_id=set_id, slug=implication.slug)
            session.add(row)
            held[implication.slug] = row
        row.position = position
        row.section = implication.section
        row.paraphrase = implication.paraphrase
        row.hedge = implication.hedge
        row.actors = list(implication.actors)
        row.premise = implication.premise
        row.premise_note = implication.premise_note
        row.uncovered = implication.uncovered
    await session.flush()
    return {slug: row.id for slug, row in held.items()}


async def _held_revisions(
    session: AsyncSession, set_id: int
) -> dict[str, tuple[Question, QuestionRevision]]:
    rows = await session.execute(
        select(Question, QuestionRevision)
        .join(QuestionRevision, QuestionRevision.question_id == Question.id)
        .where(Question.set_id == set_id)
        .order_by(QuestionRevision.number)
    )
    return {question.slug: (question, held) for question, held in rows}


def revision(
    question: WrittenQuestion,
    question_id: int,
    number: int,
    content_hash: str,
    implications: dict[str, int],
    at: datetime,
) -> QuestionRevision:
    """A revision that says what the question says, not yet added."""
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
    """Hold the questions until the transaction ends, so that what is computed of them stays true.

    On SQLite a write transaction holds the whole database already.
    """
    if session.get_bind().dialect.name == "sqlite":
        return
    await session.execute(_lock_query(), {"ids": sorted(set(question_ids))})


@cache
def _lock_query() -> Select[int]:
    # Not FOR UPDATE: rows that refer to the questions may be added meanwhile.
    return (
        select(Question.id)
        .where(Question.id.in_(bindparam("ids", expanding=True)))
        .order_by(Question.id)
        .with_for_update(key_share=True)
    )


def views_query(known_at: datetime | None) -> Select[*tuple[Any, ...]]:
    """The questions as known at a moment, for `views`.

    Conditions can be put on Question, QuestionRevision, QuestionSet, Resolution and SetPolicy.
    """
    if known_at is None:
        return _views_query(known=False)
    return _views_query(known=True).params(known_at=known_at)


@cache
def _views_query(*, known: bool) -> Select[*tuple[Any, ...]]:
    """Built once: putting the statement together costs more than running it."""
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
    """Join a set's policy that holds now to a query that has the set's id in a column."""
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
    """Run a query made by `views_query`, to which columns may have been added.

    The rows that make up a view never change, so a view that was read before is not read again; it
    is known by their ids. What this transaction itself appended is kept only if it commits.
    """
    answer = (await session.execute(query, parameters)).all()
    keys = [_Key(*row[: len(_Key._fields)]) for row in answer]
    kept: dict[_Key, View] = session.info["kept"].setdefault(View, {})
    found = {key: kept[key] for key in keys if key in kept}
    missing = [key for key in keys if key not in kept]
    if missing:
        read = await _read_views(session, missing)
        found |= read
        event.listen(
            session.sync_session, "after_commit", lambda _: remember(kept, read, KEPT_VIEWS)
        )
    return [(found[key], row) for key, row in zip(keys, answer, strict=True)]


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

    A draft is there for curators only; without an actor (the service's own work) nothing is hidden.
    """
    parameters: dict[str, Any] = {"question": question_id}
    if known_at is not None:
        parameters["known_at"] = known_at
    found = await views(session, one_query(known=known_at is not None), parameters)
    return seen(found[0] if found else None, question_id, actor)


async def many(session: AsyncSession, question_ids: Iterable[int]) -> dict[int, View]:
    """The questions of these ids as known now, by id; those that there are not are not in it."""
    found = await views(session, _many_query(), {"ids": sorted(set(question_ids))})
    return {view.id: view for view in found}


@cache
def _many_query() -> Select[*tuple[Any, ...]]:
    asked = Question.id.in_(bindparam("ids", expanding=True))
    return _views_query(known=False).where(asked).order_by(Question.id)


def seen(view: View | None, question_id: int, actor: Actor | None) -> View:
    """The view as someone may see it; NotFound names the id, also of a draft not for them."""
    hidden = actor is not None and not actor.may(Role.curator)
    if view is None or (hidden and view.revision.draft):
        raise NotFound(f"there is no question {question_id}")
    return view


def in_state(state: State, at: datetime) -> ColumnElement[bool]:
    """`View.state` as a condition on `views_query`; the two are tested against each other."""
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
    found = await session.scalar(select(QuestionSet).where(QuestionSet.slug == slug))
    if found is None:
        raise NotFound(f"there is no set {slug!r}")
    return found


async def sets_of(session: AsyncSession, found: Sequence[View]) -> dict[int, QuestionSet]:
    """The sets that questions are in, by their ids."""
    ids = {view.question.set_id for view in found}
    rows = await session.scalars(select(QuestionSet).where(QuestionSet.id.in_(ids)))
    return {row.id: row for row in rows}


async def sets(
    session: AsyncSession, *, after: int, limit: int, archived: bool | None = False
) -> list[tuple[QuestionSet, int]]:
    """The next sets after an id, each with its number of questions.

    Those that are not archived, those that are, or with None both.
    """
    query = select(QuestionSet, _questions_of_set()).where(QuestionSet.id > after)
    if archived is not None:
        query = query.where(listed(archived=archived))
    rows = await session.execute(query.order_by(QuestionSet.id).limit(limit))
    return [(found, int(count)) for found, count in rows]


def listed(*, archived: bool = False) -> ColumnElement[bool]:
    """A condition on QuestionSet, as in `views_query`: the sets in lists, or those archived."""
    archived_at = QuestionSet.archived_at
    return archived_at.is_not(None) if archived else archived_at.is_(None)


async def count(session: AsyncSession, set_id: int) -> int:
    """How many questions a set has."""
    query = select(_questions_of_set()).where(QuestionSet.id == set_id)
    return int(await session.scalar(query) or 0)


async def policy(session: AsyncSession, set_id: int) -> SetPolicy | None:
    """The policy of a set that holds now; None: everything is shown always."""
    found: SetPolicy | None = await session.scalar(
        select(SetPolicy)
        .where(SetPolicy.set_id == set_id)
        .order_by(SetPolicy.number.desc())
        .limit(1)
    )
    return found


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
    """The next revisions of a question after a number, the first first."""
    rows = await session.scalars(
        select(QuestionRevision)
        .where(QuestionRevision.question_id == question_id, QuestionRevision.number > after)
        .order_by(QuestionRevision.number)
        .limit(limit)
    )
    return list(rows)
