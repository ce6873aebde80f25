"""Every table. Facts are appended, never edited; what can be derived from them is not stored."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from questions.text import search_form
from service.database.isolation import Unreadable
from service.text.names import name_key, skeleton

LARGEST_ID: Final = 2**31 - 1
"""The largest integer that an id can hold on both databases."""


class Utc(TypeDecorator[datetime]):
    """An aware moment, kept in UTC; a naive one is refused.

    Text that stands for no moment, which SQLite stores as well, is read as `Unreadable`.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Turn an aware moment into UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive time cannot be stored: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give back an aware moment; SQLite forgets the zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Read what is stored, whatever it is."""
        process = super().result_processor(dialect, coltype)
        if process is None or dialect.name != "sqlite":
            return process

        def read(value: Any) -> Any:
            try:
                return process(value)
            except (TypeError, ValueError):
                return Unreadable()

        return read


class Base(DeclarativeBase):
    """The tables' base: names of constraints are spelled out so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy's own name for it
        datetime: Utc,
        date: Date,
        str: Text,
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[dict[str, Any]]: JSON,
    }

    id: Mapped[int] = mapped_column(primary_key=True)


class Role(StrEnum):
    """What an account may do; each role may do all that the ones before it may."""

    viewer = "viewer"
    forecaster = "forecaster"
    curator = "curator"
    administrator = "administrator"


class Scope(StrEnum):
    """What a token opens of what its account may do; each opens all that the ones before it do."""

    read = "read"
    forecast = "forecast"
    curate = "curate"
    administer = "administer"


class Outcome(StrEnum):
    """What a resolution says. `unresolved` takes the one before it back."""

    yes = "yes"
    no = "no"
    ambiguous = "ambiguous"
    annulled = "annulled"
    unresolved = "unresolved"


class Visibility(StrEnum):
    """When forecasters see what others believe of a set's questions.

    `after_forecast`: on a question once they have forecast it, or it has closed. `reveal_at`: from
    a moment on. Under each, a question that has resolved is seen by all.
    """

    always = "always"
    after_forecast = "after_forecast"
    reveal_at = "reveal_at"


class Cause(StrEnum):
    """Why an aggregate was published."""

    forecast = "forecast"
    withdrawal = "withdrawal"
    fit = "fit"
    revision = "revision"
    resolution = "resolution"
    unresolution = "unresolution"
    imported = "import"


class FitStatus(StrEnum):
    """What became of a fit."""

    accepted = "accepted"
    refused = "refused"
    failed = "failed"


class TaskKind(StrEnum):
    """What the workers can be asked to do."""

    scores = "scores"
    export = "export"


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=column)


def _from_name(derive: Callable[[str], str | None]) -> Callable[[Any], str | None]:
    """The default of a column that is derived from the row's name."""

    def default(context: Any) -> str | None:
        return derive(context.get_current_parameters()["name"])

    return default


class Account(Base):
    """A person or a bot.

    No two have one `key`, which is the name in its normal form; `skeleton` is what the name looks
    like, empty for a forecaster who was imported.

    Without a `password_hash` nobody signs in as it; tokens may still open it. A bot may belong to
    the account `owner_id`, which manages its tokens. `shows_record` lets everybody see what the
    model makes of it. An `imported` one is a placeholder for a forecaster of imported data: nobody
    uses it, and lists of people leave it out.
    """

    __tablename__ = "account"
    __table_args__ = (_one_of("role", Role),)

    name: Mapped[str] = mapped_column(String(100), unique=True)
    key: Mapped[str] = mapped_column(unique=True, index=True, default=_from_name(name_key))
    skeleton: Mapped[str | None] = mapped_column(index=True, default=_from_name(skeleton))
    role: Mapped[str] = mapped_column(String(20))
    bot: Mapped[bool]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    password_hash: Mapped[str | None] = mapped_column(deferred=True)
    shows_record: Mapped[bool] = mapped_column(server_default=false(), default=False)
    imported: Mapped[bool] = mapped_column(server_default=false(), default=False)
    created_at: Mapped[datetime]
    deactivated_at: Mapped[datetime | None]


class Token(Base):
    """An API token; only its SHA-256 digest is kept."""

    __tablename__ = "token"
    __table_args__ = (_one_of("scope", Scope),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    label: Mapped[str]
    scope: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class BrowserSession(Base):
    """Someone signed in with a browser; only the SHA-256 digest of the cookie's secret is kept.

    A session that a token began (`token_id`) allows what the token does, and ends with it.
    """

    __tablename__ = "browser_session"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    token_id: Mapped[int | None] = mapped_column(ForeignKey("token.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    browser: Mapped[str]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]


class Invitation(Base):
    """Leave to register with a role, or to set the password of the account `account_id`, once.

    Only the SHA-256 digest of its secret is kept. `inviter_id` is empty for the command line.
    """

    __tablename__ = "invitation"
    __table_args__ = (_one_of("role", Role), CheckConstraint("used <= uses", name="used"))

    digest: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str | None] = mapped_column(String(20))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    inviter_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    uses: Mapped[int]
    used: Mapped[int]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Allowance(Base):
    """How far someone has spent their allowance of attempts at something.

    `key` is a SHA-256 digest of what is limited and for whom; `spent_until` is in seconds since
    1970 UTC, so that both databases can add to it.
    """

    __tablename__ = "allowance"

    key: Mapped[str] = mapped_column(String(64), unique=True)
    spent_until: Mapped[float] = mapped_column(index=True)


class QuestionSet(Base):
    """A set: a document and what was asked about it.

    An archived one (`archived_at`) is out of lists and boards, and stays at its address.
    """

    __tablename__ = "question_set"

    slug: Mapped[str] = mapped_column(String(100), unique=True)
    title: Mapped[str]
    description: Mapped[str]
    defaults: Mapped[str]
    document: Mapped[dict[str, Any]]
    review: Mapped[dict[str, Any] | None]
    waivers: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SetPolicy(Base):
    """When others' forecasts and the aggregates of a set are seen; the latest number holds.

    A set without any shows them always. `account_id` is the curator's whose it is; empty if the
    set's file says so.
    """

    __tablename__ = "set_policy"
    __table_args__ = (UniqueConstraint("set_id", "number"), _one_of("visibility", Visibility))

    set_id: Mapped[int] = mapped_column(ForeignKey("question_set.id"))
    number: Mapped[int]
    visibility: Mapped[str] = mapped_column(String(20))
    reveal_at: Mapped[datetime | None]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    reason: Mapped[str]
    created_at: Mapped[datetime]


class Implication(Base):
    """One thing that the document says may follow, in our own words."""

    __tablename__ = "implication"
    __table_args__ = (UniqueConstraint("set_id", "slug"),)

    set_id: Mapped[int] = mapped_column(ForeignKey("question_set.id"))
    position: Mapped[int]
    slug: Mapped[str] = mapped_column(String(100))
    section: Mapped[str]
    paraphrase: Mapped[str]
    hedge: Mapped[str]
    actors: Mapped[list[str]]
    premise: Mapped[str]
    premise_note: Mapped[str]
    uncovered: Mapped[str]


class Question(Base):
    """A question; all that can change about it is in its revisions.

    `file_hash` is of what the set's file said of it when last loaded; empty if it never did.
    """

    __tablename__ = "question"
    __table_args__ = (UniqueConstraint("set_id", "slug"), Index(None, "set_id", "id"))

    set_id: Mapped[int] = mapped_column(ForeignKey("question_set.id"))
    slug: Mapped[str] = mapped_column(String(200))
    file_hash: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


def _search_text(context: Any) -> str:
    """The default of a revision's column that is searched."""
    row = context.get_current_parameters()
    return search_form("\n".join((row["title"], row["background"], row["criteria"])))


class QuestionRevision(Base):
    """The text, dates and links of a question from `created_at` until the next revision.

    `account_id` is the curator's whose it is; empty if the set's file says so. `search_text` is its
    title, background and criteria as searches compare them, the same on every database.
    """

    __tablename__ = "question_revision"
    __table_args__ = (UniqueConstraint("question_id", "number"),)

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    number: Mapped[int]
    content_hash: Mapped[str] = mapped_column(String(64))
    implication_id: Mapped[int | None] = mapped_column(ForeignKey("implication.id"), index=True)
    polarity: Mapped[str] = mapped_column(String(20))
    why: Mapped[str]
    title: Mapped[str]
    background: Mapped[str]
    background_as_of: Mapped[date | None]
    criteria: Mapped[str]
    fine_print: Mapped[str]
    sources: Mapped[list[dict[str, Any]]]
    domain: Mapped[str]
    tags: Mapped[list[str]]
    weight: Mapped[float]
    tail: Mapped[bool] = mapped_column(default=False)
    draft: Mapped[bool]
    window_starts_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    opens_at: Mapped[datetime]
    closes_at: Mapped[datetime | None]
    resolves_by: Mapped[datetime | None]
    reveal_at: Mapped[datetime | None]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    reason: Mapped[str] = mapped_column(default="")
    search_text: Mapped[str] = mapped_column(deferred=True, default=_search_text)
    created_at: Mapped[datetime]


class RevisionTag(Base):
    """A tag of a revision, so that lists can be filtered by it."""

    __tablename__ = "revision_tag"
    __table_args__ = (UniqueConstraint("tag", "revision_id"),)

    revision_id: Mapped[int] = mapped_column(ForeignKey("question_revision.id"), index=True)
    tag: Mapped[str] = mapped_column(String(100))


class Linked(Base):
    """A fact in the chain of its question: service/chain.py says what its digest seals."""

    __abstract__ = True

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    position: Mapped[int]
    salt: Mapped[bytes] = mapped_column(LargeBinary(16), deferred=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), deferred=True)
    created_at: Mapped[datetime]


class Forecast(Linked):
    """A probability that someone gave; it stands until their next one, its expiry or withdrawal."""

    __tablename__ = "forecast"
    __table_args__ = (
        CheckConstraint("probability >= 0 AND probability <= 1", name="probability"),
        Index(None, "question_id", "account_id", "id"),
        Index(None, "question_id", "position", unique=True),
        Index(None, "account_id", "id"),
    )

    probability: Mapped[float]
    rationale: Mapped[str]
    expires_at: Mapped[datetime | None]


class Withdrawal(Linked):
    """Someone's forecast on a question stands no more from `created_at` on."""

    __tablename__ = "withdrawal"
    __table_args__ = (
        Index(None, "question_id", "account_id", "id"),
        Index(None, "question_id", "position", unique=True),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)


class IdempotentRequest(Base):
    """An answered request, kept so that the same key gives the same answer."""

    __tablename__ = "idempotent_request"
    __table_args__ = (UniqueConstraint("account_id", "key"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    key: Mapped[str] = mapped_column(String(255))
    digest: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str]
    created_at: Mapped[datetime]


class Resolution(Linked):
    """What became of a question, as a curator judged it; the latest number of a question holds."""

    __tablename__ = "resolution"
    __table_args__ = (
        UniqueConstraint("question_id", "number"),
        Index(None, "question_id", "position", unique=True),
        _one_of("outcome", Outcome),
    )

    number: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(20))
    occurred_at: Mapped[datetime]
    evidence_url: Mapped[str]
    note: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))


class Comment(Base):
    """What someone has to say on a question; its text is in its revisions.

    `parent_id` is the comment that it answers, which answers none; `forecast_id` the author's
    forecast that it explains.
    """

    __tablename__ = "comment"
    __table_args__ = (Index(None, "question_id", "id"), Index(None, "account_id", "id"))

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("comment.id"), index=True)
    forecast_id: Mapped[int | None] = mapped_column(ForeignKey("forecast.id"), index=True)
    private: Mapped[bool]
    created_at: Mapped[datetime]


class CommentRevision(Base):
    """The text of a comment, Markdown, until the next revision."""

    __tablename__ = "comment_revision"
    __table_args__ = (UniqueConstraint("comment_id", "number"),)

    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id"))
    number: Mapped[int]
    text: Mapped[str]
    created_at: Mapped[datetime]


class CommentRemoval(Base):
    """A comment was taken out of sight, or put back; the latest number holds.

    Its author takes it out for good; a curator with a reason, and may put it back.
    """

    __tablename__ = "comment_removal"
    __table_args__ = (UniqueConstraint("comment_id", "number"),)

    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id"))
    number: Mapped[int]
    removed: Mapped[bool]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    reason: Mapped[str]
    created_at: Mapped[datetime]


class Act(Base):
    """Something that was done and left no row of its own that says who did it, and why.

    `account_id` did it (empty: somebody at the command line); `subject_id` is the account that it
    was done to, `set_id` the set. `details` says what was before and after.
    """

    __tablename__ = "act"

    action: Mapped[str] = mapped_column(String(50))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    subject_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    set_id: Mapped[int | None] = mapped_column(ForeignKey("question_set.id"), index=True)
    reason: Mapped[str]
    details: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Fit(Base):
    """An attempt to fit the model; an accepted one carries its posterior, stored in a format."""

    __tablename__ = "fit"
    __table_args__ = (_one_of("status", FitStatus), Index(None, "status", "id"))

    status: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str]
    resolutions: Mapped[int]
    questions: Mapped[int]
    forecasts: Mapped[int]
    forecasters: Mapped[int]
    data_hash: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    seed: Mapped[int]
    priors: Mapped[dict[str, Any]]
    versions: Mapped[dict[str, Any]]
    diagnostics: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    created_at: Mapped[datetime]
    format: Mapped[int]
    posterior: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)


class ForecasterSummary(Base):
    """What a fit says of a forecaster: each figure as [value, lower, upper]."""

    __tablename__ = "forecaster_summary"
    __table_args__ = (UniqueConstraint("fit_id", "account_id"),)

    fit_id: Mapped[int] = mapped_column(ForeignKey("fit.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    resolved: Mapped[int]
    level: Mapped[float]
    figures: Mapped[dict[str, Any]]


class Aggregate(Base):
    """An aggregate as it was published, with what made it.

    `algorithm` is the version that computed it (`forecasting.live`); 0: before they were recorded.
    """

    __tablename__ = "aggregate"
    __table_args__ = (Index(None, "question_id", "id"), _one_of("cause", Cause))

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    cause: Mapped[str] = mapped_column(String(20))
    probability: Mapped[float]
    lower: Mapped[float]
    upper: Mapped[float]
    level: Mapped[float]
    forecasters: Mapped[int]
    fit_id: Mapped[int | None] = mapped_column(ForeignKey("fit.id"), index=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    algorithm: Mapped[int] = mapped_column(server_default="0")
    valid_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Score(Base):
    """What someone's forecasts on a question earned under one resolution of it.

    An entrant is an account, or a method that pools forecasts (`bayes` is the published aggregate).
    `weight` is the question's at that resolution. `spot_probability` is what stood at the effective
    close, the `probability_..` columns what stood so many days before it.
    """

    __tablename__ = "score"
    __table_args__ = (
        UniqueConstraint("resolution_id", "account_id"),
        Index(None, "resolution_id", "method", unique=True),
    )

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"), index=True)
    resolution_id: Mapped[int] = mapped_column(ForeignKey("resolution.id"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    method: Mapped[str | None] = mapped_column(String(40), index=True)
    weight: Mapped[float]
    coverage: Mapped[float]
    brier: Mapped[float | None]
    log: Mapped[float | None]
    baseline: Mapped[float | None]
    peer: Mapped[float | None]
    spot_probability: Mapped[float | None]
    spot_brier: Mapped[float | None]
    spot_log: Mapped[float | None]
    spot_baseline: Mapped[float | None]
    spot_peer: Mapped[float | None]
    probability_1_day: Mapped[float | None]
    probability_7_days: Mapped[float | None]
    probability_30_days: Mapped[float | None]
    probability_90_days: Mapped[float | None]


class FrozenLeaderboard(Base):
    """A leaderboard that a curator froze: what it ranked, as of when, and by whom."""

    __tablename__ = "frozen_leaderboard"
    __table_args__ = (UniqueConstraint("name", "version"),)

    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    criteria: Mapped[dict[str, Any]]
    entrants: Mapped[int]
    as_of: Mapped[datetime]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[datetime]


class FrozenStanding(Base):
    """A place on a frozen leaderboard; `name` is what the entrant was called then.

    Equal scores share a `rank`; `position` counts the rows. The columns from `skill` on are empty
    on those that were frozen before skills were estimated.
    """

    __tablename__ = "frozen_standing"
    __table_args__ = (UniqueConstraint("leaderboard_id", "position"),)

    leaderboard_id: Mapped[int] = mapped_column(ForeignKey("frozen_leaderboard.id"))
    position: Mapped[int]
    rank: Mapped[int]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    method: Mapped[str | None] = mapped_column(String(40))
    name: Mapped[str]
    bot: Mapped[bool]
    questions: Mapped[int]
    coverage: Mapped[float]
    score: Mapped[float]
    ranked_by: Mapped[float]
    skill: Mapped[float | None]
    skill_lower: Mapped[float | None]
    skill_upper: Mapped[float | None]
    rank_lower: Mapped[int | None]
    rank_upper: Mapped[int | None]
    first: Mapped[float | None]
    level: Mapped[float | None]


class Webhook(Base):
    """An address that an account wants told of events; what it is told is in its deliveries.

    `secret` signs what is sent, so it is kept as it is. `set_id` is empty for every set.
    `looked_at` is up to when facts were looked at; `failures` counts attempts since the last that
    succeeded.
    """

    __tablename__ = "webhook"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    set_id: Mapped[int | None] = mapped_column(ForeignKey("question_set.id"))
    url: Mapped[str]
    events: Mapped[list[str]]
    moved_by: Mapped[float]
    secret: Mapped[str]
    failures: Mapped[int]
    looked_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class WebhookDelivery(Base):
    """Something that a webhook is told once; `key` says which fact it tells.

    `due_at` is when it is to be tried next, empty once it has arrived or was given up.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (UniqueConstraint("webhook_id", "key"),)

    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhook.id"))
    key: Mapped[str] = mapped_column(String(200))
    event: Mapped[str] = mapped_column(String(40))
    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    payload: Mapped[dict[str, Any]]
    attempts: Mapped[int]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    created_at: Mapped[datetime]


class WebhookAttempt(Base):
    """A try to deliver: the status that was answered, or why there was none."""

    __tablename__ = "webhook_attempt"

    delivery_id: Mapped[int] = mapped_column(ForeignKey("webhook_delivery.id"), index=True)
    status: Mapped[int | None]
    error: Mapped[str]
    created_at: Mapped[datetime]


class Task(Base):
    """Something that the workers were asked to do, and how far it is.

    `account_id` asked for it (empty: somebody at the command line); `asked` says for what. `key` is
    of what was asked until it has ended, so that nothing is under way twice. `after` is the id up
    to which it is done, and `attempts` how often it was begun since it last came further. `done`
    and `total` count what it goes through; `result` says what came of it, or `error` why nothing
    did. What it made is in its pieces until `expires_at`.
    """

    __tablename__ = "task"
    __table_args__ = (_one_of("kind", TaskKind), Index(None, "account_id", "id"))

    kind: Mapped[str] = mapped_column(String(20))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    asked: Mapped[dict[str, Any]]
    key: Mapped[str | None] = mapped_column(String(200), unique=True)
    after: Mapped[int]
    attempts: Mapped[int]
    done: Mapped[int]
    total: Mapped[int]
    result: Mapped[dict[str, Any]]
    error: Mapped[str]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)


class TaskPiece(Base):
    """A piece of the file that a task made; they follow each other by their numbers."""

    __tablename__ = "task_piece"
    __table_args__ = (UniqueConstraint("task_id", "number"),)

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    number: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Worker(Base):
    """A worker that runs, or was lost: when it was seen last, and what it did then.

    `stage` is of a refit, in words, and `drawn` of `draws` transitions are sampled of it.
    """

    __tablename__ = "worker"

    name: Mapped[str] = mapped_column(String(200), unique=True)
    doing: Mapped[str]
    stage: Mapped[str] = mapped_column(default="")
    drawn: Mapped[int] = mapped_column(default=0)
    draws: Mapped[int] = mapped_column(default=0)
    since: Mapped[datetime]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
