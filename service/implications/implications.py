"""Estimates of a document's implications, combined from their questions.

docs/implications.md describes how questions are combined and under which assumptions.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.exceptions import Invalid, NotFound
from service.models import (
    Aggregate,
    Forecast,
    Implication,
    Question,
    QuestionRevision,
    QuestionSet,
    Resolution,
    SetPolicy,
)
from service.permissions import Actor
from service.questions import aggregates, forecasts, questions, visibility
from service.questions.aggregates import AggregateEstimate, Aggregator
from service.questions.questions import View

SINCE: Final = timedelta(days=7)
EVEN: Final = 0.5

Fact = TypeVar("Fact", QuestionRevision, Resolution)


class ImplicationStatus(StrEnum):
    """The status of an implication."""

    confirmed = "confirmed"
    contradicted = "contradicted"
    open = "open"
    overtaken = "overtaken"
    not_asked = "not_asked"


@dataclass(frozen=True, slots=True)
class Interval:
    """The probability that an implication holds, with its interval, all in [0, 1]."""

    probability: float
    lower: float
    upper: float

    def turned(self) -> "Interval":
        """The interval of the opposite event."""
        return Interval(1 - self.probability, 1 - self.upper, 1 - self.lower)


@dataclass(frozen=True, slots=True)
class TrackedQuestion:
    """A question of an implication at a moment.

    `read` is its contribution to the estimate, None without one, for example while the aggregate is
    hidden from the reader.
    """

    view: View
    aggregate: AggregateEstimate
    read: Interval | None


@dataclass(frozen=True, slots=True)
class Point:
    """An implication at a moment: its questions and the estimate from them."""

    at: datetime
    watched: list[TrackedQuestion]

    @property
    def reading(self) -> Interval | None:
        """The weighted mean of the questions' intervals; None without any.

        Averaging the ends treats the errors as perfectly dependent, so additional questions never
        make the interval narrower than the average of its parts.
        """
        parts = [
            (question.view.revision.weight, question.read)
            for question in self.watched
            if question.read
        ]
        total = sum(weight for weight, _ in parts)
        if not parts:
            return None
        return Interval(
            *(
                sum(weight * getattr(read, end) for weight, read in parts) / total
                for end in ("probability", "lower", "upper")
            )
        )

    @property
    def questions(self) -> int:
        """The number of questions that contribute to the estimate."""
        return sum(question.read is not None for question in self.watched)

    @property
    def hidden(self) -> int:
        """The number of questions whose aggregate is hidden from the reader."""
        return sum(question.aggregate.hidden is not None for question in self.watched)

    @property
    def resolved(self) -> int:
        """The number of resolved questions among those that contribute to the estimate."""
        return sum(
            question.read is not None and question.view.outcome is not None
            for question in self.watched
        )


@dataclass(frozen=True, slots=True)
class ImplicationSummary:
    """An implication with its present estimate and an earlier one for comparison."""

    implication: Implication
    point: Point
    before: Point
    forecasters: int

    @property
    def moved(self) -> float | None:
        """The change of its probability; None unless both moments have an estimate."""
        present, past = self.point.reading, self.before.reading
        return present.probability - past.probability if present and past else None

    @property
    def lean(self) -> ImplicationStatus:
        """The status, determined by the premise and then by the interval of the estimate."""
        reading = self.point.reading
        if self.implication.premise == ImplicationStatus.overtaken:
            return ImplicationStatus.overtaken
        if not self.point.watched:
            return ImplicationStatus.not_asked
        if reading and reading.lower > EVEN:
            return ImplicationStatus.confirmed
        if reading and reading.upper < EVEN:
            return ImplicationStatus.contradicted
        return ImplicationStatus.open


class RevisionIndex:
    """All revisions and resolutions of a set's questions, to look up their past states."""

    def __init__(
        self,
        question_set: QuestionSet,
        policy: SetPolicy | None,
        implications: Sequence[Implication],
        revisions: Iterable[tuple[Question, QuestionRevision]],
        resolutions: Iterable[Resolution],
    ) -> None:
        self.implications = implications
        self._set = question_set
        self._policy = policy
        self._slugs = {implication.id: implication.slug for implication in implications}
        self._questions: dict[int, Question] = {}
        self._revisions: dict[int, list[QuestionRevision]] = defaultdict(list)
        self._resolutions: dict[int, list[Resolution]] = defaultdict(list)
        for question, revision in revisions:
            self._questions[question.id] = question
            self._revisions[question.id].append(revision)
        for resolution in resolutions:
            self._resolutions[resolution.question_id].append(resolution)

    def first_asked_at(self, implication_id: int) -> datetime | None:
        """When the implication got its first question; drafts do not count."""
        return min(
            (
                revision.created_at
                for revisions in self._revisions.values()
                for revision in revisions
                if revision.implication_id == implication_id and not revision.draft
            ),
            default=None,
        )

    def views(self, at: datetime, implication_id: int | None = None) -> list[View]:
        """The questions as known at a moment, without drafts, in the order of their ids."""
        known = []
        for question_id in sorted(self._questions):
            revision = _latest(self._revisions[question_id], at)
            if revision is None or revision.draft or revision.implication_id is None:
                continue
            if implication_id in {None, revision.implication_id}:
                known.append(
                    View(
                        self._questions[question_id],
                        revision,
                        self._set.slug,
                        self._slugs[revision.implication_id],
                        _latest(self._resolutions[question_id], at),
                        self._policy,
                    )
                )
        return known


async def board(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    question_set: QuestionSet,
    *,
    as_of: datetime | None = None,
    since: datetime | None = None,
) -> list[ImplicationSummary]:
    """Every implication of a set in the document's order, as known at a moment (None: now).

    Questions whose aggregates are hidden from the actor do not contribute to the estimates.

    Args:
        as_of: the moment; later facts never change the answer.
        since: the earlier moment for comparison; default: 7 days before.
    """
    at = _resolved_as_of(question_set, as_of)
    earlier = at - SINCE if since is None else since
    if earlier > at:
        raise Invalid("since must not be after as_of", field="since")
    index = await _revision_index(session, question_set)
    present = await _watched(
        session, aggregator, actor, index, {at: index.views(at)}, is_now=as_of is None
    )
    past = await _watched(session, aggregator, actor, index, {earlier: index.views(earlier)})
    people = await _forecasters(session, present[at], at)
    return [
        ImplicationSummary(
            implication,
            point := _point(present, at, implication),
            _point(past, earlier, implication),
            len(
                {
                    forecaster
                    for question in point.watched
                    if question.read
                    for forecaster in people[question.view.id]
                }
            ),
        )
        for implication in index.implications
    ]


async def past(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    question_set: QuestionSet,
    slug: str,
    *,
    as_of: datetime | None,
    points: int,
) -> list[Point]:
    """The estimates of an implication at evenly spaced moments since its first question.

    Args:
        slug: the implication's slug; NotFound names it.
        as_of: the last moment; None: now.
        points: the number of moments, at least 2; none are returned before the first question.
    """
    at = _resolved_as_of(question_set, as_of)
    index = await _revision_index(session, question_set)
    implication = next((row for row in index.implications if row.slug == slug), None)
    if implication is None:
        raise NotFound(f"set {question_set.slug!r} has no implication {slug!r}")
    first = index.first_asked_at(implication.id)
    if first is None or first > at:
        return []
    moments = _spaced(first, at, points)
    watched = await _watched(
        session,
        aggregator,
        actor,
        index,
        {moment: index.views(moment, implication.id) for moment in moments},
        is_now=as_of is None,
    )
    return [_point(watched, moment, implication) for moment in moments]


async def trends(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    question_set: QuestionSet,
    *,
    points: int,
) -> dict[int, list[Point]]:
    """The estimates of a set's implications at the same evenly spaced moments, by implication id.

    The moments run from the first question of the set until now; moments without an estimate of an
    implication are omitted.
    """
    at = now()
    index = await _revision_index(session, question_set)
    starts = [index.first_asked_at(implication.id) for implication in index.implications]
    first = min((start for start in starts if start is not None), default=None)
    if first is None or first >= at:
        return {}
    moments = _spaced(first, at, points)
    views = {moment: index.views(moment) for moment in moments}
    watched = await _watched(session, aggregator, actor, index, views, is_now=True)
    return {
        implication.id: [
            point for moment in moments if (point := _point(watched, moment, implication)).reading
        ]
        for implication in index.implications
    }


def summary(lines: Iterable[ImplicationSummary]) -> dict[ImplicationStatus, int]:
    """The number of implications by status; every status is included."""
    counts = Counter(line.lean for line in lines)
    return {status: counts[status] for status in ImplicationStatus}


def read(view: View, aggregate: AggregateEstimate) -> Interval | None:
    """The contribution of a question to its implication, with its polarity applied.

    None for neutral questions, for questions without forecasts, and for those resolved to neither
    yes nor no.
    """
    interval = _outcome(view) if view.resolved else _forecast(aggregate)
    if interval is None or view.revision.polarity == "neutral":
        return None
    return interval.turned() if view.revision.polarity == "contradicts" else interval


def _outcome(view: View) -> Interval | None:
    outcome = view.outcome
    return None if outcome is None else Interval(outcome, outcome, outcome)


def _forecast(aggregate: AggregateEstimate) -> Interval | None:
    ends = (aggregate.probability, aggregate.lower, aggregate.upper)
    known = [end for end in ends if end is not None]
    return Interval(*known) if aggregate.forecasters and len(known) == len(ends) else None


def _resolved_as_of(question_set: QuestionSet, as_of: datetime | None) -> datetime:
    at = now()
    if as_of is None:
        return at
    if as_of > at:
        raise Invalid("as_of must not be in the future", field="as_of")
    if as_of < question_set.created_at:
        raise NotFound(f"set {question_set.slug!r} did not exist at {as_of.isoformat()}")
    return as_of


def _spaced(first: datetime, last: datetime, points: int) -> list[datetime]:
    step = (last - first) / (points - 1)
    return [first + step * number for number in range(points - 1)] + [last]


async def _revision_index(session: AsyncSession, question_set: QuestionSet) -> RevisionIndex:
    implications = await session.scalars(
        select(Implication)
        .where(Implication.set_id == question_set.id)
        .order_by(Implication.position)
    )
    linked = select(QuestionRevision.question_id).where(
        QuestionRevision.implication_id.in_(
            select(Implication.id).where(Implication.set_id == question_set.id)
        )
    )
    revisions = await session.execute(
        select(Question, QuestionRevision)
        .join(QuestionRevision, QuestionRevision.question_id == Question.id)
        .where(Question.id.in_(linked))
        .order_by(QuestionRevision.number)
    )
    resolutions = await session.scalars(
        select(Resolution).where(Resolution.question_id.in_(linked)).order_by(Resolution.number)
    )
    return RevisionIndex(
        question_set,
        await questions.policy(session, question_set.id),
        implications.all(),
        [(question, revision) for question, revision in revisions],
        resolutions,
    )


async def _watched(
    session: AsyncSession,
    aggregator: Aggregator,
    actor: Actor,
    index: RevisionIndex,
    views: dict[datetime, list[View]],
    *,
    is_now: bool = False,
) -> dict[datetime, list[TrackedQuestion]]:
    """The questions at each moment with their aggregates; `is_now`: the last moment is now."""
    past = dict(views)
    present = now()
    hidden = await visibility.hidden(session, actor, index.views(present), present)
    readings: dict[datetime, dict[int, AggregateEstimate]] = {}
    if is_now:
        at = max(views)
        readings[at] = await aggregator.current(session, actor, past.pop(at))
    readings |= await _known(session, aggregator, past)
    return {
        at: [
            TrackedQuestion(
                view,
                aggregate := readings[at][view.id].seen(hidden.get(view.id)),
                read(view, aggregate),
            )
            for view in found
        ]
        for at, found in views.items()
    }


async def _known(
    session: AsyncSession, aggregator: Aggregator, views: dict[datetime, list[View]]
) -> dict[datetime, dict[int, AggregateEstimate]]:
    """The aggregates as known at each moment: the published one if it holds, else recomputed."""
    published = await _published(session, views)
    readings: dict[datetime, dict[int, AggregateEstimate]] = {at: {} for at in views}
    missing: list[tuple[datetime, View]] = []
    for at, found in views.items():
        for view in found:
            row = published.get((at, view.id))
            if row is not None and aggregates.holds(row, view, at):
                readings[at][view.id] = aggregates.estimate_of_row(row, at)
            else:
                missing.append((at, view))
    stands = await forecasts.stands(session, sorted({view.id for _, view in missing}))
    beliefs = {at: await aggregator.belief(session, at) for at in {at for at, _ in missing}}
    for at, view in missing:
        readings[at][view.id] = aggregator.read(view, stands[view.id], at, beliefs[at])
    return readings


async def _published(
    session: AsyncSession, views: dict[datetime, list[View]]
) -> dict[tuple[datetime, int], Aggregate]:
    moments = [at for at, found in views.items() if found]
    if not moments:
        return {}
    latest = union_all(
        *(
            select(literal(place).label("place"), func.max(Aggregate.id).label("aggregate_id"))
            .where(
                Aggregate.question_id.in_([view.id for view in views[at]]),
                Aggregate.created_at <= at,
            )
            .group_by(Aggregate.question_id)
            for place, at in enumerate(moments)
        )
    ).subquery()
    rows = await session.execute(
        select(latest.c.place, Aggregate).join(latest, latest.c.aggregate_id == Aggregate.id)
    )
    return {(moments[place], row.question_id): row for place, row in rows}


async def _forecasters(
    session: AsyncSession, watched: Sequence[TrackedQuestion], at: datetime
) -> dict[int, set[int]]:
    """The forecasters of each question by a moment, by question id."""
    people: dict[int, set[int]] = defaultdict(set)
    ids = [question.view.id for question in watched if question.read]
    rows = await session.execute(
        select(Forecast.question_id, Forecast.account_id)
        .where(Forecast.question_id.in_(ids), Forecast.created_at <= at)
        .distinct()
    )
    for question_id, account_id in rows:
        people[question_id].add(account_id)
    return people


def _point(
    watched: dict[datetime, list[TrackedQuestion]], at: datetime, implication: Implication
) -> Point:
    return Point(
        at,
        [
            question
            for question in watched[at]
            if question.view.revision.implication_id == implication.id
        ],
    )


def _latest(facts: Sequence[Fact], at: datetime) -> Fact | None:
    return next((fact for fact in reversed(facts) if fact.created_at <= at), None)
