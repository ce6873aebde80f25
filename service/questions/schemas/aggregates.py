"""API structs of aggregates."""

from datetime import datetime
from typing import Generic

import msgspec

from service.models import Aggregate, Cause
from service.questions.aggregates import AggregateEstimate
from service.questions.visibility import Hidden
from service.web.schemas import Item, Page


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

    @classmethod
    def of(cls, question_id: int, estimate: AggregateEstimate) -> "AggregateOut":
        """From an estimate."""
        hidden = estimate.hidden
        return cls(
            question_id=question_id,
            hidden_why=hidden.why if hidden else None,
            hidden_until=hidden.until if hidden else None,
            **{name: getattr(estimate, name) for name in cls.__struct_fields__[1:-2]},
        )


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

    @classmethod
    def of(cls, row: Aggregate) -> "AggregatePoint":
        """From the row."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__ if name != "as_of"}
        return cls(as_of=row.created_at, **values)


class SeenPage(Page[Item], Generic[Item]):
    """A page of forecasts or aggregates; `hidden_why` gives the reason if some are hidden."""

    hidden_why: str | None
    hidden_until: datetime | None

    @classmethod
    def of(cls, page: Page[Item], hidden: Hidden | None) -> "SeenPage[Item]":
        """From a page and the reason for hidden items."""
        why, until = (hidden.why, hidden.until) if hidden else (None, None)
        return cls(page.items, page.next, why, until)
