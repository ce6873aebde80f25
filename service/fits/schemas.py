"""JSON bodies of model fits and of the service's health."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from service.models import Fit


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

    @classmethod
    def of(cls, row: Fit) -> "FitOut":
        """From the row."""
        values = {
            name: getattr(row, name) for name in cls.__struct_fields__ if name != "finished_at"
        }
        return cls(finished_at=row.created_at, **values)


class Health(msgspec.Struct):
    """Liveness of the process."""

    status: Literal["ok"]


class Readiness(msgspec.Struct):
    """Readiness of the service (`reason` if it is not ready), and the state of its model."""

    status: Literal["ok", "unavailable"]
    reason: str = ""
    fit_age_seconds: float | None = None
    behind: bool = False
    warning: str | None = None
