"""API tokens, the credentials of programs."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Select, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import accounts, secrets
from service.accounts.last_used import unseen
from service.clock import now
from service.exceptions import Forbidden, Invalid, NotFound, Unauthenticated
from service.models import Account, Role, Token, TokenScope, Utc
from service.permissions import OPENED, RANKS, Actor, Credential
from service.text.validation import check_name

PREFIX: Final = "crd_"
SECRET: Final = secrets.pattern(PREFIX)
SCHEMES: Final = frozenset({"bearer", "token"})
"""Accepted schemes; clients of Metaculus send the second."""


async def issue(
    session: AsyncSession,
    account_id: int,
    label: str,
    scope: TokenScope = TokenScope.administer,
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """Issue a token and return its secret, only here; just a digest is stored.

    A scope wider than the account's role permits no more than the role.
    """
    if expires_at is not None and expires_at <= now():
        raise Invalid("expires_at must be in the future", field="expires_at")
    label = check_name(label, "label")
    secret = secrets.new(PREFIX)
    token = Token(
        account_id=account_id,
        digest=secrets.digest(secret),
        label=label,
        scope=scope,
        created_at=now(),
        used_at=None,
        expires_at=expires_at,
        revoked_at=None,
    )
    session.add(token)
    await session.flush()
    return token, secret


async def first(session: AsyncSession) -> str:
    """Return a token of the first administrator; empty once the account has a credential."""
    account = await accounts.first_administrator(session)
    if account is None or account.password_hash is not None:
        return ""
    if await session.scalar(select(Token.id).where(Token.account_id == account.id).limit(1)):
        return ""
    return (await issue(session, account.id, "first"))[1]


async def create(
    session: AsyncSession,
    actor: Actor,
    account_id: int,
    label: str,
    scope: TokenScope,
    expires_at: datetime | None,
) -> tuple[Token, str]:
    """Issue a token for the actor or the actor's bot, within the actor's scope and lifetime.

    Administrators may issue tokens for any bot but not for other people, which would impersonate
    them.
    """
    account = await _managed(session, actor, account_id)
    if account.id != actor.id and not account.bot:
        raise Forbidden("people issue their own tokens; nobody else may")
    if account.deactivated_at is not None:
        raise Invalid(f"{account.name!r} is deactivated; reactivate it first", field="account_id")
    if RANKS[OPENED[scope]] > RANKS[OPENED[actor.scope]]:
        raise Forbidden(
            f"a token with the scope {actor.scope} cannot make one with the scope {scope}"
        )
    ending = actor.credential.expires_at if actor.credential else None
    if ending is not None and (expires_at is None or expires_at > ending):
        raise Forbidden(f"a token made by this one must expire with it, by {ending.isoformat()}")
    return await issue(session, account.id, label, scope, expires_at)


async def listing(
    session: AsyncSession, actor: Actor, account_id: int, *, before: int | None, limit: int
) -> Sequence[Token]:
    """List the tokens of a managed account, newest first, including ended ones."""
    account = await _managed(session, actor, account_id)
    query = select(Token).where(Token.account_id == account.id)
    if before is not None:
        query = query.where(Token.id < before)
    rows = await session.scalars(query.order_by(Token.id.desc()).limit(limit))
    return rows.all()


async def revoke(session: AsyncSession, actor: Actor, account_id: int, token_id: int) -> Token:
    """Revoke a token of a managed account; idempotent.

    A token cannot revoke one of a wider scope, but always itself.
    """
    account = await _managed(session, actor, account_id)
    token = await session.get(Token, token_id)
    if token is None or token.account_id != account.id:
        raise NotFound(f"{account.name!r} has no token {token_id}")
    if not (actor.credential and (Token, token.id) == (actor.credential.kind, actor.credential.id)):
        actor.require_scope(TokenScope(token.scope), "revoke this token")
    token.revoked_at = token.revoked_at or now()
    return token


async def revoke_all(
    session: AsyncSession, account_id: int, *, but: Credential | None = None
) -> int:
    """Revoke the tokens of an account, except one if given, and return their number."""
    kept = but.id if but and but.kind is Token else 0
    done = await session.scalars(
        update(Token)
        .where(Token.account_id == account_id, Token.revoked_at.is_(None), Token.id != kept)
        .values(revoked_at=now())
        .returning(Token.id)
    )
    return len(done.all())


async def shut(session: AsyncSession, account: Account) -> tuple[int, int]:
    """Revoke all tokens and sessions of an account, as the command line; returns both numbers."""
    revoked = await revoke_all(session, account.id)
    ended = await accounts.end_sessions(session, account.id)
    await accounts.record(session, None, "account.shut", account.id, tokens=revoked, sessions=ended)
    return revoked, ended


async def authenticate(session: AsyncSession, authorization: str | None) -> Actor:
    """Return the account of an Authorization header; raises Unauthenticated."""
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() not in SCHEMES or not secret.strip():
        raise Unauthenticated("send the header Authorization: Bearer TOKEN")
    return await opened(session, secret.strip())


async def opened(session: AsyncSession, secret: str) -> Actor:
    """Return the account of a token's secret; raises Unauthenticated."""
    digest = secrets.digest(secret)
    found = await session.execute(_opened(), {"presented": digest, "at": now()})
    row = found.one_or_none()
    if row is None:
        raise Unauthenticated("this token is unknown, expired or revoked")
    account_id, name, role, bot, scope, token_id, expires_at, used_at = row
    credential = Credential(Token, token_id, expires_at, unseen(used_at))
    return Actor(account_id, name, Role(role), bot, TokenScope(scope), credential)


@cache
def _opened() -> Select[*tuple[Any, ...]]:
    """Return the account and the token of a digest, if valid at a time."""
    account, token = Account.__table__.c, Token.__table__.c
    return (
        select(
            account.id,
            account.name,
            account.role,
            account.bot,
            token.scope,
            token.id,
            token.expires_at,
            token.used_at,
        )
        .join_from(Account.__table__, Token.__table__, token.account_id == account.id)
        .where(
            token.digest == bindparam("presented"),
            token.revoked_at.is_(None),
            or_(token.expires_at.is_(None), token.expires_at > bindparam("at", type_=Utc)),
            account.deactivated_at.is_(None),
        )
    )


async def _managed(session: AsyncSession, actor: Actor, account_id: int) -> Account:
    """Return an account whose tokens the actor may manage as its owner or an administrator."""
    if account_id == actor.id:
        return await accounts.get(session, account_id)
    account = await session.get(Account, account_id)
    if account is None or account.owner_id != actor.id:
        actor.require(Role.administrator, "manage the tokens of another account")
    return await accounts.get(session, account_id)
