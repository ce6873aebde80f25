"""Accounts, what opens them, and how often they may ask."""

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
    """What an account may do; each role may do all that the ones before it may."""

    viewer = "viewer"
    forecaster = "forecaster"
    curator = "curator"
    administrator = "administrator"


class TokenScope(StrEnum):
    """What a token opens of what its account may do; each opens all that the ones before it do."""

    read = "read"
    forecast = "forecast"
    curate = "curate"
    administer = "administer"


class Account(Base):
    """A person or a bot.

    No two have one `key`, which is the name in its normal form; `skeleton` is what the name looks
    like, empty for a forecaster who was imported.

    Without a `password_hash` nobody signs in as it; tokens may still open it. A bot may belong to
    the account `owner_id`, which manages its tokens. `shows_record` lets everybody see what the
    model makes of it. An `imported` one is a placeholder for a forecaster of imported data: nobody
    uses it, and lists of people leave it out.
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
    """An API token; only its SHA-256 digest is kept."""

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
    """Someone signed in with a browser; only the SHA-256 digest of the cookie's secret is kept.

    A session that a token began (`token_id`) allows what the token does, and ends with it.
    """

    __tablename__ = "browser_session"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    token_id: Mapped[int | None] = mapped_column(ForeignKey("token.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    browser: Mapped[str]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]


class Invitation(Base):
    """Leave to register with a role, or to set the password of the account `account_id`, once.

    Only the SHA-256 digest of its secret is kept. `inviter_id` is empty for the command line.
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
    """How far someone has spent their allowance of attempts at something.

    `key` is a SHA-256 digest of what is limited and for whom; `spent_until` is in seconds since
    1970 UTC, so that both databases can add to it.
    """

    __tablename__ = "allowance"

    key: Mapped[str] = mapped_column(String(64), unique=True)
    spent_until: Mapped[float] = mapped_column(index=True)
