"""Aggregates, as the API gives them."""

from datetime import datetime
from typing import Generic

import msgspec

from service.models import Aggregate, Cause
from service.questions.aggregates import AggregateEstimate
from service.questions.visibility import Hidden
from service.web.schemas import Item, Page


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

    @classmethod
    def of(cls, question_id: int, reading: AggregateEstimate) -> "AggregateOut":
        """From a reading."""
        hidden = reading.hidden
        return cls(
            question_id=question_id,
            hidden_why=hidden.why if hidden else None,
            hidden_until=hidden.until if hidden else None,
            **{name: getattr(reading, name) for name in cls.__struct_fields__[1:-2]},
        )


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

    @classmethod
    def of(cls, row: Aggregate) -> "AggregatePoint":
        """From the row."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__ if name != "as_of"}
        return cls(as_of=row.created_at, **values)


class SeenPage(Page[Item], Generic[Item]):
    """A page of what others believe; `hidden_why` says why it is not all there, if it is not."""

    hidden_why: str | None
    hidden_until: datetime | None

    @classmethod
    def of(cls, page: Page[Item], hidden: Hidden | None) -> "SeenPage[Item]":
        """From a page, and what is hidden of it."""
        why, until = (hidden.why, hidden.until) if hidden else (None, None)
        return cls(page.items, page.next, why, until)
