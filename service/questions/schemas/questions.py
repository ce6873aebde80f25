"""API structs of questions and resolutions."""

from datetime import date, datetime
from typing import Any

import msgspec

from service.models import Resolution
from service.questions.aggregates import AggregateEstimate
from service.questions.questions import View
from service.questions.reminders import ReminderReason
from service.questions.schemas.aggregates import AggregateOut


class ResolutionOut(msgspec.Struct):
    """The resolution in force."""

    outcome: str
    occurred_at: datetime
    evidence_url: str
    note: str
    resolved_at: datetime

    @classmethod
    def of(cls, row: Resolution | None) -> "ResolutionOut | None":
        """From the row; None without one."""
        if row is None:
            return None
        return cls(row.outcome, row.occurred_at, row.evidence_url, row.note, row.created_at)


class QuestionOut(msgspec.Struct):
    """A question as listed."""

    id: int
    set: str
    slug: str
    implication: str | None
    polarity: str
    title: str
    domain: str
    tags: list[str]
    state: str
    opens_at: datetime
    closes_at: datetime | None
    resolves_by: datetime | None
    resolution: ResolutionOut | None
    aggregate: AggregateOut

    @classmethod
    def of(cls, view: View, estimate: AggregateEstimate, at: datetime) -> "QuestionOut":
        """From a view of the question, its present aggregate and the current time."""
        return cls(**_question(view, estimate, at))


class ReminderOut(msgspec.Struct):
    """A question that closes soon, and why I have no active forecast on it."""

    question: QuestionOut
    why: ReminderReason


class QuestionDetail(QuestionOut):
    """A question with everything that a forecaster needs to know.

    `reason` explains the last revision, made at `revised_at`.
    """

    why: str
    background: str
    background_as_of: date | None
    criteria: str
    fine_print: str
    sources: list[dict[str, Any]]
    weight: float
    tail: bool
    window_starts_at: datetime | None
    deadline_at: datetime | None
    reveal_at: datetime | None
    revision: int
    revised_at: datetime
    reason: str

    @classmethod
    def of(cls, view: View, estimate: AggregateEstimate, at: datetime) -> "QuestionDetail":
        """From a view of the question, its present aggregate and the current time."""
        revision = view.revision
        own = set(cls.__struct_fields__) - set(QuestionOut.__struct_fields__)
        copied = {
            name: getattr(revision, name) for name in own if name not in {"revision", "revised_at"}
        }
        return cls(
            **_question(view, estimate, at),
            **copied,
            revision=revision.number,
            revised_at=revision.created_at,
        )


def _question(view: View, estimate: AggregateEstimate, at: datetime) -> dict[str, Any]:
    revision = view.revision
    return {
        "id": view.id,
        "set": view.set_slug,
        "slug": view.question.slug,
        "implication": view.implication_slug,
        "polarity": revision.polarity,
        "title": revision.title,
        "domain": revision.domain,
        "tags": revision.tags,
        "state": str(view.state(at)),
        "opens_at": revision.opens_at,
        "closes_at": revision.closes_at,
        "resolves_by": revision.resolves_by,
        "resolution": ResolutionOut.of(view.resolved),
        "aggregate": AggregateOut.of(view.id, estimate),
    }
