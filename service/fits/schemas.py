"""Fits of the model and the health of the service, as the API gives them."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from service.models import Fit


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


class Health(msgspec.Struct):
    """Whether the process runs."""

    status: Literal["ok"]


class Readiness(msgspec.Struct):
    """Whether the service can serve (`reason` says why not), and how its model is."""

    status: Literal["ok", "unavailable"]
    reason: str = ""
    fit_age_seconds: float | None = None
    behind: bool = False
    warning: str | None = None
