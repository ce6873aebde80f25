"""What the API takes and gives, as the client reads it.

The same as the bodies of the service, without the service: a test compares them.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec


class TaskKind(StrEnum):
    """What the workers can be asked to do."""

    scores = "scores"
    export = "export"


class Status(StrEnum):
    """How a task stands; what an expired one made is removed."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    expired = "expired"


class ExportAsked(msgspec.Struct):
    """What an export is of: one's own, or a set's."""

    what: str
    format: str
    set: str | None
    names: bool


class FileOut(msgspec.Struct):
    """A file that a task wrote, and until when it can be had at `/tasks/{id}/file`."""

    name: str
    media_type: str
    bytes: int
    sha256: str
    rows: int
    expires_at: datetime


class ScoresOut(msgspec.Struct):
    """What a rebuild found: how many scores there are, and how many of them it put right."""

    scores: int
    mended: int
    sha256: str


class TaskOut(msgspec.Struct):
    """A task, and how far it is: `done` of about `total` questions or rows.

    `asked_by` is empty if somebody asked at the command line. Once it is done, `file` or `scores`
    says what came of it; once it has failed, `error` says why.
    """

    id: int
    kind: TaskKind
    status: Status
    asked_by: str | None
    export: ExportAsked | None
    done: int
    total: int
    error: str
    file: FileOut | None
    scores: ScoresOut | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class AccountOut(msgspec.Struct):
    """An account as its owner and administrators see it.

    An `imported` one is a placeholder for a forecaster of imported data; reactivating it ends that.
    """

    id: int
    name: str
    role: str
    bot: bool
    imported: bool
    owner_id: int | None
    created_at: datetime
    deactivated_at: datetime | None


class CommentOut(msgspec.Struct):
    """A comment; `text` is Markdown as it was written, null once it was removed.

    `removed_by` says whether its author took it back or a curator hid it, and `removed_why` the
    reason. A private one is shown to its author, to curators, and to whom it answers.
    """

    id: int
    question_id: int
    parent_id: int | None
    forecast_id: int | None
    author_id: int
    author: str
    bot: bool
    private: bool
    text: str | None
    revision: int
    removed_by: Literal["author", "curator"] | None
    removed_why: str | None
    created_at: datetime
    edited_at: datetime | None


class NewComment(msgspec.Struct, forbid_unknown_fields=True):
    """A comment to write; `text` is Markdown."""

    text: str
    parent_id: int | None = None
    forecast_id: int | None = None
    private: bool = False


NewOutcome = Literal["yes", "no", "ambiguous", "annulled"]


class NewResolution(msgspec.Struct, forbid_unknown_fields=True):
    """What a curator says became of a question."""

    outcome: NewOutcome
    occurred_at: datetime | None = None
    evidence_url: str = ""
    note: str = ""


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


class ImplicationStatus(StrEnum):
    """Where an implication stands."""

    confirmed = "confirmed"
    contradicted = "contradicted"
    open = "open"
    overtaken = "overtaken"
    not_asked = "not_asked"


class BoundOut(msgspec.Struct):
    """The probability that things go as the document implies, polarity applied."""

    probability: float
    lower: float
    upper: float


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


class AggregateOut(msgspec.Struct):
    """An aggregate and what made it. Classic pools have no interval; null without forecasts.

    While it is hidden from the reader its figures are null; `hidden_why` says why, `hidden_until`
    until when at the latest, if that is known.
    """

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
    hidden_why: str | None
    hidden_until: datetime | None


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


class Visibility(StrEnum):
    """When forecasters see what others believe of a set's questions.

    `after_forecast`: on a question once they have forecast it, or it has closed. `reveal_at`: from
    a moment on. Under each, a question that has resolved is seen by all.
    """

    always = "always"
    after_forecast = "after_forecast"
    reveal_at = "reveal_at"


class SummaryOut(msgspec.Struct):
    """How many implications of a document lean which way."""

    confirmed: int
    contradicted: int
    open: int
    overtaken: int
    not_asked: int


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


BAYES: Final = "bayes"


class State(StrEnum):
    """Where a question is in its life; computed, never stored."""

    draft = "draft"
    upcoming = "upcoming"
    open = "open"
    closed = "closed"
    resolved = "resolved"


class Cause(StrEnum):
    """Why an aggregate was published."""

    forecast = "forecast"
    withdrawal = "withdrawal"
    fit = "fit"
    revision = "revision"
    resolution = "resolution"
    unresolution = "unresolution"
    imported = "import"


class AggregatePoint(msgspec.Struct):
    """An aggregate as it was published."""

    id: int
    as_of: datetime
    cause: Cause
    probability: float
    lower: float
    upper: float
    level: float
    forecasters: int
    fit_id: int | None
    fingerprint: str


Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item]):
    """A page of a list; `next` is the cursor of the following page, null on the last."""

    items: list[Item]
    next: str | None


class SeenPage(Page[Item], Generic[Item]):
    """A page of what others believe; `hidden_why` says why it is not all there, if it is not."""

    hidden_why: str | None
    hidden_until: datetime | None


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


class NewForecast(msgspec.Struct, forbid_unknown_fields=True):
    """A forecast to submit."""

    probability: float
    rationale: str = ""
    expires_at: datetime | None = None


class NewForecastOn(NewForecast, kw_only=True):
    """A forecast to submit in bulk, with its question."""

    question_id: int


class ReceiptOut(msgspec.Struct):
    """What proves something that was said: docs/chain.md says how it is checked.

    `path` leads from its digest to the head of the question's chain; empty until others follow.
    """

    fact: dict[str, Any]
    salt: str
    previous: str
    digest: str
    path: list[str]


class Submitted(msgspec.Struct):
    """A stored forecast, the aggregate that it led to, and its receipt, of one transaction.

    The receipt is null only in the repeated answer to a request from before there were receipts.
    """

    forecast: ForecastOut
    aggregate: AggregateOut
    receipt: ReceiptOut | None = None


class SubmittedMany(msgspec.Struct):
    """Every stored forecast of a bulk and the aggregates that they led to."""

    items: list[Submitted]


class WithdrawnOut(msgspec.Struct):
    """A withdrawal, the aggregate that it led to, and its receipt, as of a forecast."""

    question_id: int
    withdrawn_at: datetime
    aggregate: AggregateOut
    receipt: ReceiptOut | None = None


class ResolutionOut(msgspec.Struct):
    """A resolution that holds."""

    outcome: str
    occurred_at: datetime
    evidence_url: str
    note: str
    resolved_at: datetime


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
    reveal_at: datetime | None
    revision: int
    revised_at: datetime
    reason: str


class Order(StrEnum):
    """What a list of questions goes by; equal ones go by their ids.

    `closes_at` and `opens_at` are the soonest first, with a minus the latest first; a question
    without a close closes last. `moved` is by how far the aggregate moved in a week, in
    probability, the farthest first.
    """

    id = "id"
    opens_at = "opens_at"
    latest_opens_at = "-opens_at"
    closes_at = "closes_at"
    latest_closes_at = "-closes_at"
    moved = "moved"


class EntrantFilter(StrEnum):
    """Which accounts a leaderboard ranks."""

    everyone = "everyone"
    people = "people"
    bots = "bots"


class CurvePoint(msgspec.Struct):
    """A point of a reliability curve: of the forecasts at `forecast`, `observed` came true."""

    forecast: float
    observed: float
    lower: float | None
    upper: float | None
    count: int


class CalibrationOut(msgspec.Struct):
    """Reliability over resolved questions.

    Below `needed` questions `enough` is false and every figure null: they would be noise.
    Mean Brier = miscalibration - discrimination + uncertainty. `sharpness` goes from 0, always one
    half, to 1, always certain. On log-odds z the truth is nearest to `intercept` + `slope` z: a
    slope below 1 is overconfident, an intercept above 0 says yes too seldom. A forecaster's line
    is pulled towards those of others, a quarter's towards the same entrant's other quarters, as
    far as the evidence is thin. `lower` and `upper` of the curve bound where `observed` would lie
    if the forecasts were calibrated; `level` is the mass of that band and of both intervals.
    """

    of: str
    horizon_days: int
    questions: int
    needed: int
    enough: bool
    brier: float | None = None
    miscalibration: float | None = None
    discrimination: float | None = None
    uncertainty: float | None = None
    sharpness: float | None = None
    slope: float | None = None
    slope_lower: float | None = None
    slope_upper: float | None = None
    intercept: float | None = None
    intercept_lower: float | None = None
    intercept_upper: float | None = None
    expected_calibration_error: float | None = None
    level: float | None = None
    curve: list[CurvePoint] = []


class EstimateOut(msgspec.Struct):
    """A figure with the ends of its credible interval."""

    value: float
    lower: float
    upper: float


class OpinionOut(msgspec.Struct):
    """What the model makes of a forecaster, each figure pulled towards what is usual.

    `weight` is what the pool uses, 1 for unknown skill, and so is `offset`: the nats by which their
    log-odds lie above others' on the same questions, which are taken off before pooling. The others
    are estimated apart and null until a fit has seen a resolved question of theirs: `bias` in nats,
    above 0 for too much yes; `noise` in nats around the crowd; `slope` below 1 for overconfidence.
    """

    resolved: int
    level: float
    offset: float
    weight: EstimateOut | None
    bias: EstimateOut | None
    noise: EstimateOut | None
    slope: EstimateOut | None


class ForecasterOut(msgspec.Struct):
    """A forecaster; `opinion` is shown to them, to curators, and to all if `shows_record`."""

    id: int
    name: str
    bot: bool
    role: str
    questions: int
    forecasts: int
    shows_record: bool
    opinion: OpinionOut | None


class StandingOut(msgspec.Struct):
    """A place on a leaderboard: a forecaster's, or with `method` a pool's.

    `score` is the mean over questions; `ranked_by` is that pulled to the field's mean. `coverage`
    sums the questions' weights times the shares of their lives that were forecast.

    `skill` is the score to expect of one more question, pulled to the field's mean by as much as
    the field teaches; it lies in [`skill_lower`, `skill_upper`] with probability `level`, and the
    rank by skill in [`rank_lower`, `rank_upper`], the shortest such interval that holds `rank` (on
    leaderboards frozen before November 2026 a central one, which may not hold it). `first` is the
    probability of being the best of all that are ranked. These are null where only pools are
    ranked, and on leaderboards frozen before they were estimated.

    Equal scores share a `rank`, and the next one follows as many ranks later: 1, 1, 3.
    """

    rank: int
    forecaster_id: int | None
    forecaster: str
    method: str | None
    bot: bool
    questions: int
    coverage: float
    score: float
    ranked_by: float
    skill: float | None
    skill_lower: float | None
    skill_upper: float | None
    rank_lower: int | None
    rank_upper: int | None
    first: float | None
    level: float | None


class ScoreOut(msgspec.Struct):
    """What someone's forecasts on a question earned, or what a pooling method's answers did.

    `method` is null for a forecaster; `bayes` is the published aggregate, the others are the
    classic pools. Brier and log: lower is better, averages while a forecast stood. Baseline and
    peer: higher is better, weighted by coverage, the share of the question's life that was
    forecast. `weight` is the question's in a mean over questions.
    """

    forecaster_id: int | None
    forecaster: str | None
    method: str | None
    weight: float
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


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of a request."""

    field: str
    message: str


class ProblemDetails(msgspec.Struct, omit_defaults=True):
    """The body of every error answer (RFC 9457, application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str = ""
    errors: list[FieldError] = []
    current: dict[str, Any] | None = None


ScoreKind = Literal[
    "brier", "log", "baseline", "peer", "spot_brier", "spot_log", "spot_baseline", "spot_peer"
]
