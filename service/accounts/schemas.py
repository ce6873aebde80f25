"""Accounts, tokens, sessions and invitations; only the first response contains a secret."""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from service.models import Account, BrowserSession, Invitation, Role, Token, TokenScope
from service.web.openapi import example_body
from service.web.schemas import Id, Moment, StoredText

PASSWORD: Final = "correct horse battery staple"  # noqa: S105  # an example, and nobody's

Name = Annotated[str, Meta(max_length=100, pattern=r"^[^\x00]*$", description="an account's name")]
Password = Annotated[str, Meta(description="12 to 1000 characters")]
Label = Annotated[
    str,
    Meta(min_length=1, max_length=100, pattern=r"^[^\x00]*$", description="what the token is for"),
]


class Registration(msgspec.Struct, forbid_unknown_fields=True):
    """A registration; `invitation` is the secret received."""

    name: Name
    password: Password
    invitation: StoredText | None = None


class Renewal(msgspec.Struct, forbid_unknown_fields=True):
    """Someone sets the password of the account that an invitation is for.

    Its sessions end; with `revoke_tokens` its tokens too. With its first password an account may
    get another `name`.
    """

    invitation: StoredText
    password: Password
    name: Name | None = None
    revoke_tokens: bool = False


class PasswordChange(msgspec.Struct, forbid_unknown_fields=True):
    """Someone changes their own password.

    Their sessions end; with `revoke_tokens` their tokens too, but for the one that asks.
    """

    current: Password
    new: Password
    revoke_tokens: bool = False


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """A token to issue; `expires_at` null: it never expires."""

    label: Label
    scope: TokenScope = TokenScope.forecast
    expires_at: Moment | None = None


class NewTokenByPassword(NewToken, forbid_unknown_fields=True, kw_only=True):
    """A token to issue to whoever knows the password."""

    name: Name
    password: Password


class NewAccount(msgspec.Struct, forbid_unknown_fields=True):
    """An account to create; only a bot has an owner."""

    name: Name
    role: Role
    bot: bool = False
    owner_id: Id | None = None


class AccountChange(msgspec.Struct, forbid_unknown_fields=True):
    """The role that an account gets."""

    role: Role


class NewInvitation(msgspec.Struct, forbid_unknown_fields=True):
    """An invitation: with `role` to register, with `account_id` to set that account's password."""

    role: Role | None = None
    account_id: Id | None = None
    uses: Annotated[int, Meta(ge=1, le=1000)] = 1
    expires_at: Moment | None = None


class AccountOut(msgspec.Struct):
    """An account as shown to its owner and administrators.

    An `imported` one is a placeholder for a forecaster in imported data until it is reactivated.
    """

    id: int
    name: str
    role: str
    bot: bool
    imported: bool
    owner_id: int | None
    created_at: datetime
    deactivated_at: datetime | None

    @classmethod
    def of(cls, row: Account) -> "AccountOut":
        """Convert from a database row."""
        return cls(
            row.id,
            row.name,
            row.role,
            row.bot,
            row.imported,
            row.owner_id,
            row.created_at,
            row.deactivated_at,
        )


class TokenOut(msgspec.Struct):
    """A token without its secret; `used_at` is recorded at most once an hour."""

    id: int
    account_id: int
    label: str
    scope: str
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: Token) -> "TokenOut":
        """Convert from a database row."""
        return cls(
            row.id,
            row.account_id,
            row.label,
            row.scope,
            row.created_at,
            row.used_at,
            row.expires_at,
            row.revoked_at,
        )


class IssuedToken(msgspec.Struct):
    """A new token with its secret, which is never shown again."""

    token: TokenOut
    secret: str


class SessionOut(msgspec.Struct):
    """An active browser session; `token_id` if an API token started it."""

    id: int
    token_id: int | None
    browser: str
    created_at: datetime
    used_at: datetime

    @classmethod
    def of(cls, row: BrowserSession) -> "SessionOut":
        """Convert from a database row."""
        return cls(row.id, row.token_id, row.browser, row.created_at, row.used_at)


class EndedSession(msgspec.Struct):
    """The session that was ended."""

    id: int


class InvitationOut(msgspec.Struct):
    """An invitation without its secret."""

    id: int
    role: str | None
    account_id: int | None
    inviter_id: int | None
    uses: int
    used: int
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: Invitation) -> "InvitationOut":
        """Convert from a database row."""
        return cls(
            row.id,
            row.role,
            row.account_id,
            row.inviter_id,
            row.uses,
            row.used,
            row.created_at,
            row.expires_at,
            row.revoked_at,
        )


class IssuedInvitation(msgspec.Struct):
    """A new invitation with its secret, which is never shown again.

    `url` is the page that accepts it; opening the page does not use it up.
    """

    invitation: InvitationOut
    secret: str
    url: str


example_body(Registration("ann", PASSWORD, invitation="cri_SECRET"))
example_body(Renewal("cri_SECRET", PASSWORD))
example_body(PasswordChange(PASSWORD, "a longer and better one"))
example_body(NewToken("laptop", TokenScope.forecast, datetime(2027, 6, 1, tzinfo=UTC)))
example_body(NewTokenByPassword("laptop", TokenScope.forecast, name="ann", password=PASSWORD))
example_body(NewAccount("robot", Role.forecaster, bot=True, owner_id=1))
example_body(AccountChange(Role.curator))
example_body(NewInvitation(Role.forecaster, uses=20))
