"""JSON bodies of webhooks and their deliveries."""

from datetime import datetime
from typing import Any

import msgspec

from service.models import Webhook, WebhookAttempt, WebhookDelivery
from service.notifications.webhooks import Event
from service.web.openapi import example_body
from service.web.schemas import StoredText


class NewWebhook(msgspec.Struct, forbid_unknown_fields=True):
    """A webhook to register; `moved_by` is a difference of probabilities, between 0 and 1."""

    url: StoredText
    events: list[Event]
    set: StoredText | None = None
    moved_by: float = 0.05


class WebhookOut(msgspec.Struct):
    """A webhook; `failures` counts failed attempts since the last success."""

    id: int
    url: str
    events: list[str]
    set_id: int | None
    moved_by: float
    failures: int
    disabled_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, row: Webhook) -> "WebhookOut":
        """From the row."""
        return cls(**{name: getattr(row, name) for name in WebhookOut.__struct_fields__})


class WebhookMade(WebhookOut):
    """A new webhook with its signing secret, which is shown only once."""

    secret: str

    @classmethod
    def of(cls, row: Webhook) -> "WebhookMade":
        """From the row."""
        return cls(**msgspec.structs.asdict(WebhookOut.of(row)), secret=row.secret)


class AttemptOut(msgspec.Struct):
    """A delivery attempt: the response status, or why there was no response."""

    at: datetime
    status: int | None
    error: str


class DeliveryOut(msgspec.Struct):
    """A webhook delivery; `due_at` is null once it arrived or was abandoned."""

    id: int
    event: str
    question_id: int
    payload: dict[str, Any]
    due_at: datetime | None
    created_at: datetime
    attempts: list[AttemptOut]

    @classmethod
    def of(cls, row: WebhookDelivery, tried: list[WebhookAttempt]) -> "DeliveryOut":
        """From the row and its attempts."""
        return cls(
            row.id,
            row.event,
            row.question_id,
            row.payload,
            row.due_at,
            row.created_at,
            [AttemptOut(one.created_at, one.status, one.error) for one in tried],
        )


example_body(NewWebhook("https://example.org/hook", [Event.resolved, Event.moved], moved_by=0.1))
