"""Webhooks and their deliveries, as the API takes and gives them."""

from datetime import datetime
from typing import Any

import msgspec

from service.models import Webhook, WebhookAttempt, WebhookDelivery
from service.notifications.webhooks import Event
from service.web.openapi import example_body
from service.web.schemas import StoredText


class NewWebhook(msgspec.Struct, forbid_unknown_fields=True):
    """An address to tell of events; `moved_by` is in probability, between 0 and 1."""

    url: StoredText
    events: list[Event]
    set: StoredText | None = None
    moved_by: float = 0.05


class WebhookOut(msgspec.Struct):
    """A webhook; `failures` counts attempts since the last that succeeded."""

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
    """A webhook with the secret that signs its deliveries, which is shown this once."""

    secret: str

    @classmethod
    def of(cls, row: Webhook) -> "WebhookMade":
        """From the row."""
        return cls(**msgspec.structs.asdict(WebhookOut.of(row)), secret=row.secret)


class AttemptOut(msgspec.Struct):
    """A try to deliver: the status that was answered, or why there was none."""

    at: datetime
    status: int | None
    error: str


class DeliveryOut(msgspec.Struct):
    """Something that a webhook was told; `due_at` is null once it arrived or was given up."""

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
