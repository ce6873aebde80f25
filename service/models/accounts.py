"""Accounts, their credentials, invitations and rate limits."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    String,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, from_name, one_of
from service.text.names import name_key, skeleton


class Role(StrEnum):
    """The permissions of an account; each role includes those before it."""

    viewer = "viewer"
    forecaster = "forecaster"
    curator = "curator"
    administrator = "administrator"


class TokenScope(StrEnum):
    """The permissions of a token, within its account's role; each includes those before it."""

    read = "read"
    forecast = "forecast"
    curate = "curate"
    administer = "administer"


class Account(Base):
    """A person or a bot.

    `key` is the normalised name and unique; `skeleton` represents the look of the name and is empty
    for imported forecasters.

    Without a `password_hash` nobody can sign in to the account, but tokens may still give access. A
    bot may belong to the account `owner_id`, which manages its tokens. `shows_record` makes the
    model's estimates of the account public. An `imported` account is a placeholder for a forecaster
    of imported data: nobody uses it, and lists of people omit it.
    """

    __tablename__ = "account"
    __table_args__ = (one_of("role", Role),)

    name: Mapped[str] = mapped_column(String(100), unique=True)
    key: Mapped[str] = mapped_column(unique=True, index=True, default=from_name(name_key))
    skeleton: Mapped[str | None] = mapped_column(index=True, default=from_name(skeleton))
    role: Mapped[str] = mapped_column(String(20))
    bot: Mapped[bool]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    password_hash: Mapped[str | None] = mapped_column(deferred=True)
    shows_record: Mapped[bool] = mapped_column(server_default=false(), default=False)
    imported: Mapped[bool] = mapped_column(server_default=false(), default=False)
    created_at: Mapped[datetime]
    deactivated_at: Mapped[datetime | None]


class Token(Base):
    """An API token; only its SHA-256 digest is stored."""

    __tablename__ = "token"
    __table_args__ = (one_of("scope", TokenScope),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    label: Mapped[str]
    scope: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class BrowserSession(Base):
    """A browser session; only the SHA-256 digest of the cookie's secret is stored.

    A session started with a token (`token_id`) has the token's permissions and ends with it.
    """

    __tablename__ = "browser_session"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    token_id: Mapped[int | None] = mapped_column(ForeignKey("token.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    browser: Mapped[str]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]


class Invitation(Base):
    """Permission to register with a role, or to set the password of the account `account_id` once.

    Only the SHA-256 digest of its secret is stored. `inviter_id` is empty for the command line.
    """

    __tablename__ = "invitation"
    __table_args__ = (one_of("role", Role), CheckConstraint("used <= uses", name="used"))

    digest: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str | None] = mapped_column(String(20))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    inviter_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    uses: Mapped[int]
    used: Mapped[int]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Allowance(Base):
    """The state of a rate limit.

    `key` is a SHA-256 digest of the limited action and the limited client; `spent_until` is in
    seconds since 1970 UTC, so that both databases can add to it.
    """

    __tablename__ = "allowance"

    key: Mapped[str] = mapped_column(String(64), unique=True)
    spent_until: Mapped[float] = mapped_column(index=True)
