"""Webhooks and what was delivered to them."""

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
    """An address that an account wants told of events; what it is told is in its deliveries.

    `secret` signs what is sent, so it is kept as it is. `set_id` is empty for every set.
    `looked_at` is up to when facts were looked at; `failures` counts attempts since the last that
    succeeded.
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
    """Something that a webhook is told once; `key` says which fact it tells.

    `due_at` is when it is to be tried next, empty once it has arrived or was given up.
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
    """A try to deliver: the status that was answered, or why there was none."""

    __tablename__ = "webhook_attempt"

    delivery_id: Mapped[int] = mapped_column(ForeignKey("webhook_delivery.id"), index=True)
    status: Mapped[int | None]
    error: Mapped[str]
    created_at: Mapped[datetime]
