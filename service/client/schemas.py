"""The structs of the API, for the client.

They equal the structs of the service without importing the service; a test compares them.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec


class TaskKind(StrEnum):
    """The kinds of tasks for workers."""

    scores = "scores"
    export = "export"


class Status(StrEnum):
    """The status of a task; the results of expired tasks are removed."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    expired = "expired"


class ExportAsked(msgspec.Struct):
    """The subject of an export: personal data, or a set."""

    what: str
    format: str
    set: str | None
    names: bool


class FileOut(msgspec.Struct):
    """A file written by a task, with the time until which `/tasks/{id}/file` serves it."""

    name: str
    media_type: str
    bytes: int
    sha256: str
    rows: int
    expires_at: datetime


class ScoresOut(msgspec.Struct):
    """The result of a rebuild: the number of scores, and how many were corrected."""

    scores: int
    mended: int
    sha256: str


class TaskOut(msgspec.Struct):
    """A task and its progress: `done` of about `total` questions or rows.

    `asked_by` is empty for requests from the command line. A finished task has its result in `file`
    or `scores`, and a failed one the reason in `error`.
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
    """An account as shown to its owner and administrators.

    An `imported` one is a placeholder for a forecaster in imported data until it is reactivated.
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
    """A comment; `text` is Markdown as written, null once the comment was removed.

    `removed_by` tells whether its author deleted it or a curator hid it, and `removed_why` gives
    the reason. A private comment is visible to its author, to curators and to the author of the
    comment it replies to.
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
    """The outcome of a question, as a curator reports it."""

    outcome: NewOutcome
    occurred_at: datetime | None = None
    evidence_url: str = ""
    note: str = ""


class FitOut(msgspec.Struct):
    """A fit and its result."""

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
    """The status of an implication."""

    confirmed = "confirmed"
    contradicted = "contradicted"
    open = "open"
    overtaken = "overtaken"
    not_asked = "not_asked"


class BoundOut(msgspec.Struct):
    """The probability that the implication holds, with the polarity of questions applied."""

    probability: float
    lower: float
    upper: float


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


class AggregateOut(msgspec.Struct):
    """An aggregate with its provenance. Classic pools have no interval; null without forecasts.

    While the aggregate is hidden from the reader, its figures are null; `hidden_why` gives the
    reason and `hidden_until` the latest end, if known.
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


class Visibility(StrEnum):
    """When forecasters see others' forecasts and the aggregates of a set's questions.

    `after_forecast`: after forecasting the question, or once it has closed. `reveal_at`: from a
    given moment. Resolved questions are always visible to everybody.
    """

    always = "always"
    after_forecast = "after_forecast"
    reveal_at = "reveal_at"


class SummaryOut(msgspec.Struct):
    """The number of a document's implications by status."""

    confirmed: int
    contradicted: int
    open: int
    overtaken: int
    not_asked: int


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


BAYES: Final = "bayes"


class State(StrEnum):
    """The stage of a question's life; computed, never stored."""

    draft = "draft"
    upcoming = "upcoming"
    open = "open"
    closed = "closed"
    resolved = "resolved"


class Cause(StrEnum):
    """The cause of a published aggregate."""

    forecast = "forecast"
    withdrawal = "withdrawal"
    fit = "fit"
    revision = "revision"
    resolution = "resolution"
    unresolution = "unresolution"
    imported = "import"


class AggregatePoint(msgspec.Struct):
    """A published aggregate."""

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
    """A page of forecasts or aggregates; `hidden_why` gives the reason if some are hidden."""

    hidden_why: str | None
    hidden_until: datetime | None


class ForecastOut(msgspec.Struct):
    """A submitted forecast."""

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
    """The proof of a fact; docs/chain.md explains how to verify it.

    `path` leads from its digest to the head of the question's chain; empty if no fact follows.
    """

    fact: dict[str, Any]
    salt: str
    previous: str
    digest: str
    path: list[str]


class Submitted(msgspec.Struct):
    """A stored forecast, the resulting aggregate, and a receipt, from one transaction.

    The receipt is null only in replayed responses to requests made before receipts were introduced.
    """

    forecast: ForecastOut
    aggregate: AggregateOut
    receipt: ReceiptOut | None = None


class SubmittedMany(msgspec.Struct):
    """All stored forecasts of a bulk submission with the resulting aggregates."""

    items: list[Submitted]


class WithdrawnOut(msgspec.Struct):
    """A withdrawal, the resulting aggregate, and a receipt."""

    question_id: int
    withdrawn_at: datetime
    aggregate: AggregateOut
    receipt: ReceiptOut | None = None


class ResolutionOut(msgspec.Struct):
    """The resolution in force."""

    outcome: str
    occurred_at: datetime
    evidence_url: str
    note: str
    resolved_at: datetime


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


class Order(StrEnum):
    """The sort order of a list of questions; ties are sorted by id.

    `closes_at` and `opens_at` sort the soonest first, with a minus the latest first; a question
    without a close counts as closing last. `moved` sorts by the change of the aggregate's
    probability within a week, largest first.
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
    """A point of a reliability curve: of the events forecast at `forecast`, `observed` happened."""

    forecast: float
    observed: float
    lower: float | None
    upper: float | None
    count: int


class CalibrationOut(msgspec.Struct):
    """Reliability over resolved questions.

    Below `needed` questions `enough` is false and every figure is null, because it would be noise.
    Mean Brier = miscalibration - discrimination + uncertainty. `sharpness` ranges from 0 (always
    one half) to 1 (always certain). For forecasts with log-odds z the best recalibration is
    `intercept` + `slope` z: a slope below 1 means overconfidence, an intercept above 0 means that
    Yes is forecast too rarely. With little evidence, a forecaster's line is shrunk towards those of
    others, and a quarter's line towards the same entrant's other quarters. `lower` and `upper` of
    the curve bound `observed` for calibrated forecasts; `level` is the probability of that band and
    of both intervals.
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
    """The model's estimates of a forecaster, each shrunk towards the usual value.

    The pool uses `weight`, which is 1 for unknown skill, and `offset`, the nats by which their
    log-odds lie above those of others on the same questions, subtracted before pooling. The other
    figures are estimated separately and null until a fit includes a resolved question of theirs:
    `bias` in nats, above 0 if Yes is forecast too high; `noise` in nats around the crowd; `slope`
    below 1 for overconfidence.
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
    """An entry on a leaderboard: a forecaster or, with `method`, a pool.

    `score` is the mean over questions; `ranked_by` is the score shrunk towards the mean of the
    accounts. `coverage` is the sum of the questions' weights times the entrant's coverages.

    `skill` is the expected score on one more question, shrunk towards the mean of the accounts by a
    learned amount; it lies in [`skill_lower`, `skill_upper`] with probability `level`, and the rank
    by skill in [`rank_lower`, `rank_upper`], the shortest such interval that contains `rank` (on
    leaderboards frozen before November 2026 a central interval, which may not contain it). `first`
    is the probability of being the best of all entrants. These are null where only pools are
    ranked, and on leaderboards frozen before they were estimated.

    Equal scores share a `rank`, as in 1, 1, 3.
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
    """The scores of a forecaster or a pooling method on a question.

    `method` is null for a forecaster; `bayes` is the published aggregate, the others are the
    classic pools. Brier and log: lower is better, averages while a forecast was active. Baseline
    and peer: higher is better, weighted by coverage, the share of the question's life with an
    active forecast. `weight` is the weight of the question in a mean over questions.
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
    """An error in one field of a request."""

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
