"""Forecasts, withdrawals, resolutions and aggregates: the facts of a question."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, one_of


class Outcome(StrEnum):
    """The outcome of a resolution. `unresolved` reverses the previous resolution."""

    yes = "yes"
    no = "no"
    ambiguous = "ambiguous"
    annulled = "annulled"
    unresolved = "unresolved"


class Cause(StrEnum):
    """The cause of a published aggregate."""

    forecast = "forecast"
    withdrawal = "withdrawal"
    fit = "fit"
    revision = "revision"
    resolution = "resolution"
    unresolution = "unresolution"
    imported = "import"


class ChainedFact(Base):
    """A fact in the hash chain of its question (`service.questions.hash_chain`)."""

    __abstract__ = True

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    position: Mapped[int]
    salt: Mapped[bytes] = mapped_column(LargeBinary(16), deferred=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), deferred=True)
    created_at: Mapped[datetime]


class Forecast(ChainedFact):
    """A forecaster's probability, active until their next one, its expiry or its withdrawal."""

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


class Withdrawal(ChainedFact):
    """The end of a forecaster's active forecast on a question at `created_at`."""

    __tablename__ = "withdrawal"
    __table_args__ = (
        Index(None, "question_id", "account_id", "id"),
        Index(None, "question_id", "position", unique=True),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)


class Resolution(ChainedFact):
    """A curator's resolution of a question; the one with the highest number is in force."""

    __tablename__ = "resolution"
    __table_args__ = (
        UniqueConstraint("question_id", "number"),
        Index(None, "question_id", "position", unique=True),
        one_of("outcome", Outcome),
    )

    number: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(20))
    occurred_at: Mapped[datetime]
    evidence_url: Mapped[str]
    note: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))


class Aggregate(Base):
    """A published aggregate with its cause, fit and algorithm.

    `algorithm` is the version of `forecasting.live` that computed it; 0: before versions were
    recorded.
    """

    __tablename__ = "aggregate"
    __table_args__ = (Index(None, "question_id", "id"), one_of("cause", Cause))

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
