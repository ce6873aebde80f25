"""Accounts, their tokens and what their roles allow."""

import hashlib
import re
import secrets
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from service.models import Account, Role, Token

TOKEN_PREFIX = "crd_"  # noqa: S105  # what every token starts with, not a token
RANKS = {role: rank for rank, role in enumerate(Role)}
NAME = re.compile(r"[^\s/](?:[^\n\r\t/]{0,98}[^\s/])?")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: an account as its token identified it."""

    id: int
    name: str
    role: Role
    bot: bool

    def may(self, role: Role) -> bool:
        """Whether the account's role allows what `role` allows."""
        return RANKS[self.role] >= RANKS[role]

    def require(self, role: Role, to: str) -> None:
        """Raise Forbidden unless the account's role allows what `role` allows."""
        if not self.may(role):
            raise Forbidden(f"a {self.role} may not {to}; it takes a {role} or higher")


async def create(
    session: AsyncSession, name: str, role: Role, *, bot: bool = False
) -> tuple[Actor, str]:
    """Create an account with one token; the token is returned here and nowhere again."""
    if not NAME.fullmatch(name):
        raise Invalid(
            "name must be 1 to 100 characters without slashes, line breaks or outer spaces",
            field="name",
        )
    if await session.scalar(select(Account.id).where(Account.name == name)):
        raise Conflict(f"there is already an account named {name!r}")
    account = Account(name=name, role=role, bot=bot, created_at=now(), deactivated_at=None)
    session.add(account)
    await session.flush()
    return _actor(account), await issue_token(session, account.id, "first")


async def issue_token(session: AsyncSession, account_id: int, label: str) -> str:
    """Issue a token; only its digest is kept."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    session.add(
        Token(
            account_id=account_id,
            digest=_digest(secret),
            label=label,
            created_at=now(),
            revoked_at=None,
        )
    )
    await session.flush()
    return secret


async def revoke_tokens(session: AsyncSession, name: str) -> int:
    """Revoke every token of the named account; the number revoked."""
    account = await session.scalar(select(Account).where(Account.name == name))
    if account is None:
        raise NotFound(f"there is no account named {name!r}")
    tokens = await session.scalars(
        select(Token).where(Token.account_id == account.id, Token.revoked_at.is_(None))
    )
    at = now()
    revoked = 0
    for token in tokens:
        token.revoked_at = at
        revoked += 1
    return revoked


async def authenticate(session: AsyncSession, authorization: str | None) -> Actor:
    """The account behind an Authorization header; raises Unauthenticated."""
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthenticated("send the header Authorization: Bearer TOKEN")
    account = await session.scalar(
        select(Account)
        .join(Token, Token.account_id == Account.id)
        .where(
            Token.digest == _digest(secret.strip()),
            Token.revoked_at.is_(None),
            Account.deactivated_at.is_(None),
        )
    )
    if account is None:
        raise Unauthenticated("this token is unknown or revoked")
    return _actor(account)


async def administrator_exists(session: AsyncSession) -> bool:
    """Whether anyone can administer this installation."""
    count = await session.scalar(
        select(func.count()).select_from(Account).where(Account.role == Role.administrator)
    )
    return bool(count)


def _actor(account: Account) -> Actor:
    return Actor(account.id, account.name, Role(account.role), account.bot)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
