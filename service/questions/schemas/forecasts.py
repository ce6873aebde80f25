"""API structs of forecasts."""

from datetime import UTC, datetime

import msgspec

from service.permissions import Actor
from service.questions.forecasts import Entry
from service.questions.schemas.aggregates import AggregateOut
from service.questions.schemas.receipts import ReceiptOut
from service.questions.submissions import Stored
from service.web.openapi import example_body
from service.web.schemas import Id, Moment, Probability, StoredText


class NewForecast(msgspec.Struct, forbid_unknown_fields=True):
    """A forecast to submit."""

    probability: Probability
    rationale: StoredText = ""
    expires_at: Moment | None = None


class NewForecastOn(NewForecast, kw_only=True):
    """A forecast to submit in bulk, with its question."""

    question_id: Id


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

    @classmethod
    def of(cls, entry: Entry) -> "ForecastOut":
        """From the forecast and its forecaster."""
        row = entry.forecast
        return cls(
            row.id,
            row.question_id,
            row.account_id,
            entry.account_name,
            entry.bot,
            row.probability,
            row.rationale,
            row.expires_at,
            row.created_at,
        )


class Submitted(msgspec.Struct):
    """A stored forecast, the resulting aggregate, and a receipt, from one transaction.

    The receipt is null only in replayed responses to requests made before receipts were introduced.
    """

    forecast: ForecastOut
    aggregate: AggregateOut
    receipt: ReceiptOut | None = None

    @classmethod
    def of(cls, stored: Stored, actor: Actor) -> "Submitted":
        """From a stored forecast and its forecaster."""
        forecast = stored.forecast
        return cls(
            ForecastOut.of(Entry(forecast, actor.name, actor.bot)),
            AggregateOut.of(forecast.question_id, stored.estimate),
            ReceiptOut.of(stored.receipt),
        )


class SubmittedMany(msgspec.Struct):
    """All stored forecasts of a bulk submission with the resulting aggregates."""

    items: list[Submitted]


class WithdrawnOut(msgspec.Struct):
    """A withdrawal, the resulting aggregate, and a receipt."""

    question_id: int
    withdrawn_at: datetime
    aggregate: AggregateOut
    receipt: ReceiptOut | None = None


example_body(NewForecast(0.37, "As in earlier years.", datetime(2027, 6, 1, tzinfo=UTC)))
example_body(NewForecastOn(0.37, question_id=1))
