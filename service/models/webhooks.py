"""Webhooks and their deliveries."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base


class Webhook(Base):
    """A webhook endpoint subscribed to events; deliveries are in `WebhookDelivery`.

    `secret` signs the payloads and is therefore stored in plain text. An empty `set_id` means all
    sets. Facts up to `looked_at` have been processed; `failures` counts the failed attempts since
    the last successful one.
    """

    __tablename__ = "webhook"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    set_id: Mapped[int | None] = mapped_column(ForeignKey("question_set.id"))
    url: Mapped[str]
    events: Mapped[list[str]]
    moved_by: Mapped[float]
    secret: Mapped[str]
    failures: Mapped[int]
    looked_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class WebhookDelivery(Base):
    """An event to deliver once to a webhook; `key` identifies its fact.

    `due_at` is the time of the next attempt, empty once it was delivered or abandoned.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (UniqueConstraint("webhook_id", "key"),)

    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhook.id"))
    key: Mapped[str] = mapped_column(String(200))
    event: Mapped[str] = mapped_column(String(40))
    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    payload: Mapped[dict[str, Any]]
    attempts: Mapped[int]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    created_at: Mapped[datetime]


class WebhookAttempt(Base):
    """An attempt at a delivery: the status of the response, or the error if there was none."""

    __tablename__ = "webhook_attempt"

    delivery_id: Mapped[int] = mapped_column(ForeignKey("webhook_delivery.id"), index=True)
    status: Mapped[int | None]
    error: Mapped[str]
    created_at: Mapped[datetime]
