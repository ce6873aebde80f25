"""Every struct that the API takes or gives."""

from dataclasses import astuple
from datetime import date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from service.aggregates import Reading
from service.curation import Revised
from service.forecasters import Record
from service.forecasts import Entry
from service.models import (
    LARGEST_ID,
    Aggregate,
    Fit,
    Implication,
    QuestionRevision,
    QuestionSet,
    Resolution,
    Score,
)
from service.provenance import Chain, Share
from service.questions import View
from service.scoreboard import Bound, Lean, Line, Point, Watch
from service.scoring import Calibration, Standing

Item = TypeVar("Item")

Probability = Annotated[
    float, Meta(ge=0, le=1, description="a number from 0 to 1; 0 and 1 are taken as stated")
]
Moment = Annotated[
    datetime, Meta(tz=True, description="ISO 8601 with an offset, such as 2027-01-01T00:00:00Z")
]
StoredText = Annotated[
    str, Meta(pattern=r"^[^\x00]*$", description="any text without the character NUL")
]
Id = Annotated[int, Meta(ge=1, le=LARGEST_ID)]
NewOutcome = Literal["yes", "no", "ambiguous", "annulled"]


class Page(msgspec.Struct, Generic[Item]):
    """A page of a list; `next` is the cursor of the following page, null on the last."""

    items: list[Item]
    next: str | None


class NewForecast(msgspec.Struct, forbid_unknown_fields=True):
    """A forecast to submit."""

    probability: Probability
    rationale: StoredText = ""
    expires_at: Moment | None = None


class NewForecastOn(NewForecast, kw_only=True):
    """A forecast to submit in bulk, with its question."""

    question_id: Id


class NewResolution(msgspec.Struct, forbid_unknown_fields=True):
    """What a curator says became of a question."""

    outcome: NewOutcome
    occurred_at: Moment | None = None
    evidence_url: StoredText = ""
    note: StoredText = ""


class NewQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """A question to add to a set; `question` has the fields of a question in a set's file."""

    question: dict[str, Any]
    reason: StoredText = ""


class NewClosing(msgspec.Struct, forbid_unknown_fields=True):
    """An early close: the revision that the curator saw, and why."""

    based_on: Id
    reason: StoredText


class NewRevision(NewClosing, kw_only=True):
    """An edit: `changes` has the fields to change, as in a set's file, with their new values."""

    changes: dict[str, Any]


class SetOut(msgspec.Struct):
    """A set of questions and the document that it came from."""

    id: int
    slug: str
    title: str
    description: str
    defaults: str
    document: dict[str, Any]
    questions: int

    @classmethod
    def of(cls, row: QuestionSet, questions: int) -> "SetOut":
        """From the row and the number of its questions."""
        return cls(
            row.id, row.slug, row.title, row.description, row.defaults, row.document, questions
        )


class AggregateOut(msgspec.Struct):
    """An aggregate and what made it. Classic pools have no interval; null without forecasts."""

    question_id: int
    probability: float | None
    lower: float | None
    upper: float | None
    level: float | None
    method: str
    forecasters: int
    as_of: datetime
    fit_id: int | None
    fingerprint: str | None

    @classmethod
    def of(cls, question_id: int, reading: Reading) -> "AggregateOut":
        """From a reading."""
        return cls(
            question_id=question_id,
            **{name: getattr(reading, name) for name in cls.__struct_fields__[1:]},
        )


class AggregatePoint(msgspec.Struct):
    """An aggregate as it was published."""

    id: int
    as_of: datetime
    cause: str
    probability: float
    lower: float
    upper: float
    level: float
    forecasters: int
    fit_id: int | None
    fingerprint: str

    @classmethod
    def of(cls, row: Aggregate) -> "AggregatePoint":
        """From the row."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__ if name != "as_of"}
        return cls(as_of=row.created_at, **values)


class SummaryOut(msgspec.Struct):
    """How many implications of a document lean which way."""

    confirmed: int
    contradicted: int
    open: int
    overtaken: int
    not_asked: int


class SetDetail(SetOut):
    """A set and how its document fares."""

    as_of: datetime
    summary: SummaryOut

    @classmethod
    def on(
        cls, row: QuestionSet, questions: int, as_of: datetime, leaning: dict[Lean, int]
    ) -> "SetDetail":
        """From the row, the number of its questions and where its implications stand."""
        return cls(
            **msgspec.structs.asdict(SetOut.of(row, questions)),
            as_of=as_of,
            summary=SummaryOut(**{str(lean): count for lean, count in leaning.items()}),
        )


class BoundOut(msgspec.Struct):
    """The probability that things go as the document implies, polarity applied."""

    probability: float
    lower: float
    upper: float

    @classmethod
    def of(cls, found: Bound | None) -> "BoundOut | None":
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
    def of(cls, one: Watch, at: datetime) -> "WatchOut":
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
    people and bots who have forecast any of them.
    """

    questions: int
    resolved: int
    forecasters: int


class ReadingPoint(msgspec.Struct):
    """The reading of an implication at one moment; null where nothing could be read."""

    as_of: datetime
    reading: BoundOut | None
    questions: int
    resolved: int

    @classmethod
    def of(cls, point: Point) -> "ReadingPoint":
        """From the implication at the moment."""
        return cls(point.at, BoundOut.of(point.reading), point.questions, point.resolved)


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
    lean: Lean
    reading: BoundOut | None
    since: datetime
    before: BoundOut | None
    moved: float | None
    evidence: EvidenceOut
    questions: list[WatchOut]

    @classmethod
    def of(cls, line: Line) -> "ImplicationOut":
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
            evidence=EvidenceOut(point.questions, point.resolved, line.forecasters),
            questions=[WatchOut.of(one, point.at) for one in point.watched],
        )


class ResolutionOut(msgspec.Struct):
    """A resolution that holds."""

    outcome: str
    occurred_at: datetime
    evidence_url: str
    note: str
    resolved_at: datetime

    @classmethod
    def of(cls, row: Resolution | None) -> "ResolutionOut | None":
        """From the row; None from none."""
        if row is None:
            return None
        return cls(row.outcome, row.occurred_at, row.evidence_url, row.note, row.created_at)


class QuestionOut(msgspec.Struct):
    """A question as it stands in a list."""

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
    def of(cls, view: View, reading: Reading, at: datetime) -> "QuestionOut":
        """From a view of the question, its present aggregate and the moment."""
        return cls(**_question(view, reading, at))


class QuestionDetail(QuestionOut):
    """A question with everything that a forecaster needs to know.

    `reason` says why it was last revised, at `revised_at`.
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
    revision: int
    revised_at: datetime
    reason: str

    @classmethod
    def of(cls, view: View, reading: Reading, at: datetime) -> "QuestionDetail":
        """From a view of the question, its present aggregate and the moment."""
        revision = view.revision
        own = set(cls.__struct_fields__) - set(QuestionOut.__struct_fields__)
        copied = {
            name: getattr(revision, name) for name in own if name not in {"revision", "revised_at"}
        }
        return cls(
            **_question(view, reading, at),
            **copied,
            revision=revision.number,
            revised_at=revision.created_at,
        )


def _question(view: View, reading: Reading, at: datetime) -> dict[str, Any]:
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
        "aggregate": AggregateOut.of(view.id, reading),
    }


class RevisionOut(msgspec.Struct):
    """A revision of a question; `revised_by` is null where the set's file says so.

    `changed` names the fields that differ from the revision before.
    """

    number: int
    title: str
    created_at: datetime
    content_hash: str
    revised_by: str | None
    reason: str
    changed: list[str]

    @classmethod
    def of(cls, one: Revised) -> "RevisionOut":
        """From the revision with its author and what it changed."""
        row = one.revision
        return cls(
            row.number, row.title, row.created_at, row.content_hash, one.by, row.reason, one.changed
        )


class ShareOut(msgspec.Struct):
    """A forecast that counts; the shares of all that count add up to 1."""

    id: int
    forecaster_id: int
    forecaster: str
    bot: bool
    probability: float
    created_at: datetime
    share: float

    @classmethod
    def of(cls, one: Share) -> "ShareOut":
        """From a forecast with its share."""
        entry = one.entry
        row = entry.forecast
        return cls(
            row.id,
            row.account_id,
            entry.account_name,
            entry.bot,
            row.probability,
            row.created_at,
            one.share,
        )


class SourceFit(msgspec.Struct):
    """The fit whose posterior weighed the forecasts; `/fits/{id}` says more."""

    id: int
    fingerprint: str
    data_hash: str
    seed: int
    resolutions: int
    forecasts: int
    forecasters: int
    finished_at: datetime

    @classmethod
    def of(cls, row: Fit | None) -> "SourceFit | None":
        """From the row; None from none."""
        if row is None:
            return None
        values = {name: getattr(row, name) for name in cls.__struct_fields__[:-1]}
        return cls(**values, finished_at=row.created_at)


class SourceRevision(msgspec.Struct):
    """The question as it was worded when it was answered."""

    number: int
    content_hash: str
    title: str
    polarity: str
    why: str
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, row: QuestionRevision) -> "SourceRevision":
        """From the row."""
        return cls(*(getattr(row, name) for name in cls.__struct_fields__))


class SourceImplication(msgspec.Struct):
    """What the question watches, and where in the document it is."""

    slug: str
    section: str
    paraphrase: str
    hedge: str
    premise: str
    premise_note: str

    @classmethod
    def of(cls, row: Implication | None) -> "SourceImplication | None":
        """From the row; None from none."""
        return cls(*(getattr(row, name) for name in cls.__struct_fields__)) if row else None


class SourceDocument(msgspec.Struct):
    """The document that the set was written from; null where the set does not say."""

    set: str
    title: str | None
    date: str | None
    sha256: str | None
    origin: str | None

    @classmethod
    def of(cls, row: QuestionSet) -> "SourceDocument":
        """From the set."""
        return cls(row.slug, *(row.document.get(name) for name in cls.__struct_fields__[1:]))


class ProvenanceOut(msgspec.Struct):
    """The way from an aggregate to the document, and to the evidence once there is some.

    `fit` is null where the prior answered. `forecasts` are those that count, the heaviest first, at
    most 200; `forecasts_left_out` counts the others.
    """

    question_id: int
    as_of: datetime
    aggregate: AggregateOut
    fit: SourceFit | None
    forecasts: list[ShareOut]
    forecasts_left_out: int
    revision: SourceRevision
    implication: SourceImplication | None
    document: SourceDocument
    resolution: ResolutionOut | None

    @classmethod
    def of(cls, chain: Chain) -> "ProvenanceOut":
        """From the chain."""
        view = chain.view
        return cls(
            question_id=view.id,
            as_of=chain.aggregate.as_of,
            aggregate=AggregateOut.of(view.id, chain.aggregate),
            fit=SourceFit.of(chain.fit),
            forecasts=[ShareOut.of(one) for one in chain.shares],
            forecasts_left_out=chain.left_out,
            revision=SourceRevision.of(view.revision),
            implication=SourceImplication.of(chain.implication),
            document=SourceDocument.of(chain.in_set),
            resolution=ResolutionOut.of(view.resolved),
        )


class ForecastOut(msgspec.Struct):
    """A forecast as it was submitted."""

    id: int
    question_id: int
    forecaster_id: int
    forecaster: str
    bot: bool
    probability: float
    rationale: str
    expires_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, entry: Entry) -> "ForecastOut":
        """From the forecast and its forecaster."""
        row = entry.forecast
        return cls(
            row.id,
            row.question_id,
            row.account_id,
            entry.account_name,
            entry.bot,
            row.probability,
            row.rationale,
            row.expires_at,
            row.created_at,
        )


class Submitted(msgspec.Struct):
    """A stored forecast and the aggregate that it led to, from the same transaction."""

    forecast: ForecastOut
    aggregate: AggregateOut


class SubmittedMany(msgspec.Struct):
    """Every stored forecast of a bulk and the aggregates that they led to."""

    items: list[Submitted]


class ScoreOut(msgspec.Struct):
    """What someone's forecasts on a question earned; `forecaster` is null for the aggregate.

    Brier and log: lower is better, averages while a forecast stood. Baseline and peer: higher is
    better, weighted by coverage, the share of the question's life that was forecast.
    """

    forecaster_id: int | None
    forecaster: str | None
    coverage: float
    brier: float | None
    log: float | None
    baseline: float | None
    peer: float | None
    spot_probability: float | None
    spot_brier: float | None
    spot_log: float | None
    spot_baseline: float | None
    spot_peer: float | None

    @classmethod
    def of(cls, row: Score, name: str | None) -> "ScoreOut":
        """From the row and its forecaster's name."""
        values = {field: getattr(row, field) for field in cls.__struct_fields__[2:]}
        return cls(forecaster_id=row.account_id, forecaster=name, **values)


class StandingOut(msgspec.Struct):
    """A place on a leaderboard; `ranked_by` is the score pulled to the field's mean."""

    rank: int
    forecaster_id: int
    forecaster: str
    bot: bool
    questions: int
    coverage: float
    score: float
    ranked_by: float

    @classmethod
    def of(cls, place: Standing) -> "StandingOut":
        """From a standing."""
        return cls(
            place.rank,
            place.account_id,
            place.name,
            place.bot,
            place.questions,
            place.coverage,
            place.score,
            place.ranked_by,
        )


class CurvePoint(msgspec.Struct):
    """A point of a reliability curve: of the forecasts at `forecast`, `observed` came true."""

    forecast: float
    observed: float
    lower: float | None
    upper: float | None
    count: int


class CalibrationOut(msgspec.Struct):
    """Reliability over resolved questions; every figure is null while none has resolved.

    Mean Brier = miscalibration - discrimination + uncertainty. A slope below 1 is overconfident;
    an intercept above 0 says yes too seldom. `lower` and `upper` of the curve bound where
    `observed` would lie if the forecasts were calibrated.
    """

    of: str
    questions: int
    brier: float | None = None
    miscalibration: float | None = None
    discrimination: float | None = None
    uncertainty: float | None = None
    slope: float | None = None
    intercept: float | None = None
    expected_calibration_error: float | None = None
    level: float | None = None
    curve: list[CurvePoint] = []

    @classmethod
    def measured(cls, of: str, found: Calibration) -> "CalibrationOut":
        """From whose it is and what was measured."""
        measured = found.reliability
        if measured is None:
            return cls(of, found.questions)
        return cls(
            of,
            found.questions,
            brier=measured.mean_brier,
            miscalibration=measured.miscalibration,
            discrimination=measured.discrimination,
            uncertainty=measured.uncertainty,
            slope=measured.slope,
            intercept=measured.intercept,
            expected_calibration_error=measured.expected_calibration_error,
            level=measured.level,
            curve=[
                CurvePoint(float(forecast), float(observed), float(lower), float(upper), int(count))
                for forecast, observed, lower, upper, count in zip(
                    measured.probability,
                    measured.frequency,
                    measured.lower,
                    measured.upper,
                    measured.count,
                    strict=True,
                )
            ],
        )


class FitOut(msgspec.Struct):
    """A fit and what became of it."""

    id: int
    status: str
    reason: str
    resolutions: int
    questions: int
    forecasts: int
    forecasters: int
    data_hash: str
    fingerprint: str
    seed: int
    priors: dict[str, Any]
    versions: dict[str, Any]
    diagnostics: dict[str, Any]
    started_at: datetime
    finished_at: datetime

    @classmethod
    def of(cls, row: Fit) -> "FitOut":
        """From the row."""
        values = {
            name: getattr(row, name) for name in cls.__struct_fields__ if name != "finished_at"
        }
        return cls(finished_at=row.created_at, **values)


class WeightOut(msgspec.Struct):
    """A forecaster's weight: its posterior median with a credible interval; 1 is unknown skill."""

    weight: float
    lower: float
    upper: float
    level: float


class ForecasterOut(msgspec.Struct):
    """A forecaster; `weight` is the model's view of them, shown to them and to curators."""

    id: int
    name: str
    bot: bool
    role: str
    questions: int
    forecasts: int
    weight: WeightOut | None

    @classmethod
    def of(cls, record: Record) -> "ForecasterOut":
        """From a record."""
        account, weight = record.account, record.weight
        shown = WeightOut(*astuple(weight)) if weight else None
        return cls(
            account.id,
            account.name,
            account.bot,
            account.role,
            record.questions,
            record.forecasts,
            shown,
        )


class WithdrawnOut(msgspec.Struct):
    """A withdrawal and the aggregate that it led to."""

    question_id: int
    withdrawn_at: datetime
    aggregate: AggregateOut


class Health(msgspec.Struct):
    """Whether the process runs, or the service can serve; `reason` says why not."""

    status: Literal["ok", "unavailable"]
    reason: str = ""
