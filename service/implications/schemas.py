"""API structs of sets, implications and their estimates."""

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
    """A set of questions and its document.

    A set with `archived_at` appears only in the list of archived sets.
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
    """The number of a document's implications by status."""

    confirmed: int
    contradicted: int
    open: int
    overtaken: int
    not_asked: int


class VisibilityOut(msgspec.Struct):
    """When forecasters see others' forecasts on a set's questions."""

    visibility: Visibility
    reveal_at: datetime | None

    @classmethod
    def of(cls, row: SetPolicy | None) -> "VisibilityOut":
        """From the current policy; without one, everything is visible."""
        return (
            cls(Visibility(row.visibility), row.reveal_at) if row else cls(Visibility.always, None)
        )


class SetDetail(SetOut):
    """A set with a summary of its document's implications.

    `hidden` is the number of questions that do not contribute to `summary` because their aggregates
    are hidden from the reader.
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
        """From the row, its policy, the number of its questions and its implications."""
        counts = implications.summary(lines)
        return cls(
            **msgspec.structs.asdict(SetOut.of(row, questions)),
            **msgspec.structs.asdict(VisibilityOut.of(policy)),
            as_of=as_of,
            summary=SummaryOut(**{str(status): count for status, count in counts.items()}),
            hidden=sum(line.point.hidden for line in lines),
        )


class BoundOut(msgspec.Struct):
    """The probability that the implication holds, with the polarity of questions applied."""

    probability: float
    lower: float
    upper: float

    @classmethod
    def of(cls, found: Interval | None) -> "BoundOut | None":
        """From an interval; None without one."""
        return cls(found.probability, found.lower, found.upper) if found else None


class WatchOut(msgspec.Struct):
    """A question of an implication; `read` is null if it does not contribute to the estimate."""

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
    def of(cls, question: TrackedQuestion, at: datetime) -> "WatchOut":
        """From the question as known at a moment."""
        view, resolution = question.view, question.view.resolved
        return cls(
            id=view.id,
            slug=view.question.slug,
            title=view.revision.title,
            polarity=view.revision.polarity,
            weight=view.revision.weight,
            state=str(view.state(at)),
            outcome=resolution.outcome if resolution else None,
            aggregate=AggregateOut.of(view.id, question.aggregate),
            read=BoundOut.of(question.read),
        )


class EvidenceOut(msgspec.Struct):
    """The evidence behind an estimate.

    `questions` is the number of contributing questions, `resolved` the number of resolved ones
    among them, and `forecasters` the number of people and bots who have forecast any of them.
    `hidden` is the number of questions that do not contribute because their aggregates are hidden
    from the reader.
    """

    questions: int
    resolved: int
    forecasters: int
    hidden: int


class ReadingPoint(msgspec.Struct):
    """The estimate of an implication at one moment; null if no question contributes.

    `hidden` is the number of questions whose aggregates are hidden from the reader.
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
    """The estimates of an implication at evenly spaced moments, oldest first."""

    implication: str
    points: list[ReadingPoint]


class ImplicationOut(msgspec.Struct):
    """An implication of the document with its estimate.

    `moved` is the change of its probability since the moment `since`, null without `before`.
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
        """From its summary."""
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
            questions=[WatchOut.of(question, point.at) for question in point.watched],
        )
