"""Fits of the model and their estimates of forecasters."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, one_of


class FitStatus(StrEnum):
    """The result of a fit."""

    accepted = "accepted"
    refused = "refused"
    failed = "failed"


class Fit(Base):
    """An attempt to fit the model; an accepted one has a `posterior` in version `format`."""

    __tablename__ = "fit"
    __table_args__ = (one_of("status", FitStatus), Index(None, "status", "id"))

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
    """A fit's estimates of a forecaster, each as [value, lower, upper]."""

    __tablename__ = "forecaster_summary"
    __table_args__ = (UniqueConstraint("fit_id", "account_id"),)

    fit_id: Mapped[int] = mapped_column(ForeignKey("fit.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    resolved: Mapped[int]
    level: Mapped[float]
    figures: Mapped[dict[str, Any]]
