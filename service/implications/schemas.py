"""Sets, implications and their readings, as the API gives them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from service.implications import implications
from service.implications.implications import (
    ImplicationStatus,
    ImplicationSummary,
    Interval,
    Point,
    TrackedQuestion,
)
from service.models import QuestionSet, SetPolicy, Visibility
from service.questions.schemas.aggregates import AggregateOut


class SetOut(msgspec.Struct):
    """A set of questions and the document that it came from.

    One with `archived_at` is in no list but that of archived sets.
    """

    id: int
    slug: str
    title: str
    description: str
    defaults: str
    document: dict[str, Any]
    questions: int
    archived_at: datetime | None

    @classmethod
    def of(cls, row: QuestionSet, questions: int) -> "SetOut":
        """From the row and the number of its questions."""
        return cls(
            row.id,
            row.slug,
            row.title,
            row.description,
            row.defaults,
            row.document,
            questions,
            row.archived_at,
        )


class SummaryOut(msgspec.Struct):
    """How many implications of a document lean which way."""

    confirmed: int
    contradicted: int
    open: int
    overtaken: int
    not_asked: int


class VisibilityOut(msgspec.Struct):
    """When forecasters see what others believe of a set's questions."""

    visibility: Visibility
    reveal_at: datetime | None

    @classmethod
    def of(cls, row: SetPolicy | None) -> "VisibilityOut":
        """From the policy that holds; none shows everything."""
        return (
            cls(Visibility(row.visibility), row.reveal_at) if row else cls(Visibility.always, None)
        )


class SetDetail(SetOut):
    """A set and how its document fares.

    `hidden` counts the questions that have no part in `summary`, since the reader does not see
    their aggregates yet.
    """

    visibility: Visibility
    reveal_at: datetime | None
    as_of: datetime
    summary: SummaryOut
    hidden: int

    @classmethod
    def on(
        cls,
        row: QuestionSet,
        policy: SetPolicy | None,
        questions: int,
        as_of: datetime,
        lines: Sequence[ImplicationSummary],
    ) -> "SetDetail":
        """From the row, its policy, the number of its questions and its scoreboard."""
        leaning = implications.summary(lines)
        return cls(
            **msgspec.structs.asdict(SetOut.of(row, questions)),
            **msgspec.structs.asdict(VisibilityOut.of(policy)),
            as_of=as_of,
            summary=SummaryOut(**{str(lean): count for lean, count in leaning.items()}),
            hidden=sum(line.point.hidden for line in lines),
        )


class BoundOut(msgspec.Struct):
    """The probability that things go as the document implies, polarity applied."""

    probability: float
    lower: float
    upper: float

    @classmethod
    def of(cls, found: Interval | None) -> "BoundOut | None":
        """From what was read; None from none."""
        return cls(found.probability, found.lower, found.upper) if found else None


class WatchOut(msgspec.Struct):
    """A question of an implication; `read` is null where it has no part in the reading."""

    id: int
    slug: str
    title: str
    polarity: str
    weight: float
    state: str
    outcome: str | None
    aggregate: AggregateOut
    read: BoundOut | None

    @classmethod
    def of(cls, one: TrackedQuestion, at: datetime) -> "WatchOut":
        """From the question as known at a moment."""
        view, held = one.view, one.view.resolved
        return cls(
            id=view.id,
            slug=view.question.slug,
            title=view.revision.title,
            polarity=view.revision.polarity,
            weight=view.revision.weight,
            state=str(view.state(at)),
            outcome=held.outcome if held else None,
            aggregate=AggregateOut.of(view.id, one.aggregate),
            read=BoundOut.of(one.read),
        )


class EvidenceOut(msgspec.Struct):
    """How much stands behind a reading.

    `questions` are those read, `resolved` those of them with their answer, `forecasters` the
    people and bots who have forecast any of them. `hidden` counts the questions whose aggregates
    the reader does not see yet, which are not read.
    """

    questions: int
    resolved: int
    forecasters: int
    hidden: int


class ReadingPoint(msgspec.Struct):
    """The reading of an implication at one moment; null where nothing could be read.

    `hidden` counts the questions that are not read since the reader does not see their aggregates.
    """

    as_of: datetime
    reading: BoundOut | None
    questions: int
    resolved: int
    hidden: int

    @classmethod
    def of(cls, point: Point) -> "ReadingPoint":
        """From the implication at the moment."""
        return cls(
            point.at, BoundOut.of(point.reading), point.questions, point.resolved, point.hidden
        )


class HistoryOut(msgspec.Struct):
    """The reading of an implication at evenly spaced moments, the oldest first."""

    implication: str
    points: list[ReadingPoint]


class ImplicationOut(msgspec.Struct):
    """One thing that the document says may follow, and what forecasters believe of it.

    `moved` is how much more probable it is than at `since`, where `before` was read.
    """

    slug: str
    position: int
    section: str
    paraphrase: str
    hedge: str
    actors: list[str]
    premise: str
    premise_note: str
    uncovered: str
    as_of: datetime
    lean: ImplicationStatus
    reading: BoundOut | None
    since: datetime
    before: BoundOut | None
    moved: float | None
    evidence: EvidenceOut
    questions: list[WatchOut]

    @classmethod
    def of(cls, line: ImplicationSummary) -> "ImplicationOut":
        """From its line on the scoreboard."""
        row, point = line.implication, line.point
        return cls(
            slug=row.slug,
            position=row.position,
            section=row.section,
            paraphrase=row.paraphrase,
            hedge=row.hedge,
            actors=row.actors,
            premise=row.premise,
            premise_note=row.premise_note,
            uncovered=row.uncovered,
            as_of=point.at,
            lean=line.lean,
            reading=BoundOut.of(point.reading),
            since=line.before.at,
            before=BoundOut.of(line.before.reading),
            moved=line.moved,
            evidence=EvidenceOut(point.questions, point.resolved, line.forecasters, point.hidden),
            questions=[WatchOut.of(one, point.at) for one in point.watched],
        )
