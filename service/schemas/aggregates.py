"""Aggregates, as the API gives them."""

from datetime import datetime

import msgspec

from service.aggregates import Reading
from service.models import Aggregate


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
