"""Browser sessions, identified by the secret in a cookie.

A page signs someone in with `sign_in`, sends `cookie(secret, secure=…)`, and recognises them with
`authenticate(session, presented(request.cookies, secure=…))`; `is_secure` decides whether the
cookie may be Secure. The guard `same_origin` rejects unsafe requests that do not come from the
service's own pages, so forms need no CSRF token.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from litestar.datastructures import Cookie
from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import authentication, secrets, tokens
from service.accounts.accounts import actor_of
from service.accounts.last_used import unseen
from service.clock import now
from service.database.engine import Database
from service.exceptions import NotFound, Unauthenticated
from service.models import Account, BrowserSession, Token, TokenScope
from service.permissions import Actor, Credential
from service.settings import Settings
from service.text.validation import without_controls
from service.web import rate_limits

PREFIX: Final = "crs_"
IDLE: Final = timedelta(days=14)
LIFETIME: Final = timedelta(days=60)
LONGEST_BROWSER: Final = 300


def cookie_name(*, secure: bool) -> str:
    """Return the cookie's name; browsers accept the prefix only for Secure host cookies."""
    return "__Host-credence" if secure else "credence"


def cookie(secret: str | None, *, secure: bool) -> Cookie:
    """Return the cookie with a session's secret; None deletes it."""
    return Cookie(
        key=cookie_name(secure=secure),
        value=secret or "",
        path="/",
        max_age=int(LIFETIME.total_seconds()) if secret else 0,
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def presented(cookies: Mapping[str, str], *, secure: bool) -> str | None:
    """Return the secret in a browser's cookies, if present."""
    return cookies.get(cookie_name(secure=secure)) or None


async def sign_in(
    database: Database,
    settings: Settings,
    name: str,
    password: str,
    *,
    address: str,
    browser: str = "",
    instead_of: str | None = None,
) -> str:
    """Start a session for a name and password; returns a new secret for the cookie.

    Args:
        database: used instead of a session, since hashing is slow and runs between transactions.
        settings: the rate limits.
        name: the account's name.
        password: the account's password.
        address: the client address (`service.web.security.address`).
        browser: the User-Agent header, for the owner's list of sessions.
        instead_of: the secret that the browser presented before; that session ends.

    Raises:
        Unauthenticated: the name or the password is wrong.
        TooManyRequests: too many attempts by name or by address.
    """
    actor = await authentication.identify(database, settings, name, password, address=address)
    return await begin(database, actor.id, browser=browser, instead_of=instead_of)


async def sign_in_by_token(
    database: Database,
    settings: Settings,
    token: str,
    *,
    address: str,
    browser: str = "",
    instead_of: str | None = None,
) -> str:
    """Start a session for an API token and return its secret; arguments as for `sign_in`.

    The session has the token's scope and ends with the token.

    Raises:
        Unauthenticated: the token is unknown, expired or revoked.
        TooManyRequests: too many attempts by address.
    """
    await rate_limits.consume(
        database, rate_limits.by_address("a token", address, settings.sign_in_attempts)
    )
    async with database.read() as session:
        actor = await tokens.opened(session, token)
    token_id = actor.credential.id if actor.credential else None
    return await begin(
        database, actor.id, token_id=token_id, browser=browser, instead_of=instead_of
    )


async def begin(
    database: Database,
    account_id: int,
    *,
    token_id: int | None = None,
    browser: str = "",
    instead_of: str | None = None,
) -> str:
    """Start a session after registration or a password change and return its secret.

    With `token_id` the session belongs to that token.
    """
    secret = secrets.new(PREFIX)
    at = now()
    async with database.write() as session:
        await session.execute(
            delete(BrowserSession).where(
                BrowserSession.account_id == account_id,
                or_(
                    BrowserSession.used_at <= at - IDLE, BrowserSession.created_at <= at - LIFETIME
                ),
            )
        )
        if instead_of:
            await sign_out(session, instead_of)
        session.add(
            BrowserSession(
                account_id=account_id,
                token_id=token_id,
                digest=secrets.digest(secret),
                browser=without_controls(browser)[:LONGEST_BROWSER],
                created_at=at,
                used_at=at,
            )
        )
    return secret


async def authenticate(session: AsyncSession, secret: str | None) -> Actor:
    """Return the account of a session's secret; raises Unauthenticated if invalid or ended."""
    if not secret:
        raise Unauthenticated("sign in first")
    found = (
        await session.execute(
            select(Account, BrowserSession, Token)
            .join(BrowserSession, BrowserSession.account_id == Account.id)
            .outerjoin(Token, Token.id == BrowserSession.token_id)
            .where(
                BrowserSession.digest == secrets.digest(secret),
                *_goes_on(now()),
                Account.deactivated_at.is_(None),
            )
        )
    ).one_or_none()
    if found is None:
        raise Unauthenticated("this session has ended; sign in again")
    account, signed_in, token = found
    return actor_of(
        account,
        TokenScope(token.scope) if token else TokenScope.administer,
        Credential(
            BrowserSession,
            signed_in.id,
            token.expires_at if token else None,
            unseen=unseen(signed_in.used_at),
        ),
    )


def _goes_on(at: datetime) -> Sequence[ColumnElement[bool]]:
    """Return the conditions that a session, and its token if any, is active."""
    return (
        BrowserSession.used_at > at - IDLE,
        BrowserSession.created_at > at - LIFETIME,
        or_(BrowserSession.token_id.is_(None), Token.revoked_at.is_(None)),
        or_(Token.expires_at.is_(None), Token.expires_at > at),
    )


async def sign_out(session: AsyncSession, secret: str) -> None:
    """End the session of a secret; idempotent."""
    await session.execute(
        delete(BrowserSession).where(BrowserSession.digest == secrets.digest(secret))
    )


async def listing(
    session: AsyncSession, actor: Actor, *, before: int | None = None, limit: int
) -> Sequence[BrowserSession]:
    """List the actor's active sessions, newest first."""
    query = (
        select(BrowserSession)
        .outerjoin(Token, Token.id == BrowserSession.token_id)
        .where(BrowserSession.account_id == actor.id, *_goes_on(now()))
    )
    if before is not None:
        query = query.where(BrowserSession.id < before)
    rows = await session.scalars(query.order_by(BrowserSession.id.desc()).limit(limit))
    return rows.all()


async def revoke(session: AsyncSession, actor: Actor, session_id: int) -> None:
    """End one of the actor's sessions; raises NotFound."""
    actor.require_whole("end a session")
    ended = await session.scalar(
        delete(BrowserSession)
        .where(BrowserSession.id == session_id, BrowserSession.account_id == actor.id)
        .returning(BrowserSession.id)
    )
    if ended is None:
        raise NotFound(f"you have no session {session_id}")
