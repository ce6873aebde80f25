"""Authentication by name and password: registration, sign-in and password changes.

Hashing takes long on purpose, so these functions take the database rather than a transaction and
hash between transactions. Each call counts as an attempt against the rate limits: by address, by
name at that address, and by name alone while the account has never signed in.
"""

from typing import Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from service.accounts import accounts, invitations, passwords, tokens
from service.accounts.accounts import actor_of
from service.database.engine import Database
from service.exceptions import Conflict, Forbidden, Invalid, Unauthenticated
from service.models import Account, Role
from service.permissions import Actor
from service.settings import Settings
from service.text.names import name_key
from service.web import rate_limits

PASSWORD: Final = "a password"  # noqa: S105  # what attempts are counted at, not a password
OPEN_ROLE: Final = Role.forecaster
WRONG: Final = "the name or the password is wrong"


async def identify(
    database: Database, settings: Settings, name: str, password: str, *, address: str
) -> Actor:
    """Return the account of a name and its password.

    An unknown name, an account without a password, a deactivated one and a wrong password all
    raise Unauthenticated after the same work, so that nobody learns which names exist. Attempts
    from elsewhere do not count against an address from which the account signed in recently.
    Raises TooManyRequests.
    """
    key, attempts = name_key(name), settings.sign_in_attempts
    from_here = rate_limits.by_name_from(PASSWORD, key, address, attempts)
    limits = [rate_limits.by_address(PASSWORD, address, attempts), from_here]
    if not await rate_limits.is_known(database, key, address):
        limits.append(rate_limits.by_name(PASSWORD, key, attempts))
    await rate_limits.consume(database, *limits)
    async with database.read() as session:
        account = await session.scalar(
            accounts.by_name(name if name.isprintable() else "")
            .where(Account.deactivated_at.is_(None))
            .options(undefer(Account.password_hash))
        )
    held = account.password_hash if account else None
    right = await passwords.matches(password, held)
    if account is None or held is None or not right:
        raise Unauthenticated(WRONG)
    await rate_limits.restore(database, from_here)
    await rate_limits.remember(database, key, address)
    if passwords.outdated(held):
        await _replace_hash(database, account.id, held, await passwords.digest(password))
    return actor_of(account)


async def register(
    database: Database,
    settings: Settings,
    name: str,
    password: str,
    *,
    address: str,
    invitation: str | None = None,
) -> Actor:
    """Register an account, if the settings allow it.

    An invitation determines the role; without one, open registration makes a forecaster. Raises
    Forbidden if registration is closed or needs an invitation, Invalid, TooManyRequests, and
    Conflict for a taken name: only here can a stranger learn that an account exists.
    """
    if settings.registration == "closed":
        raise Forbidden("registration is closed here; ask an administrator for an account")
    if settings.registration == "invitation" and not invitation:
        raise Forbidden("registration is by invitation here; ask an administrator for one")
    name = accounts.check_account_name(name, by_themselves=True)
    await rate_limits.consume(
        database, rate_limits.by_address("registration", address, settings.sign_in_attempts)
    )
    await passwords.check(password, name=name)
    digest = await passwords.digest(password)
    async with database.write() as session:
        role, used = OPEN_ROLE, None
        if invitation:
            used = await invitations.redeem(session, invitation)
            if used.role is None:
                raise Invalid(
                    "this invitation sets the password of an account that exists",
                    field="invitation",
                )
            role = Role(used.role)
        made = await accounts.create(session, name, role, password_hash=digest, by_themselves=True)
        if used is not None:
            await accounts.record(
                session, made, "invitation.used", made.id, invitation=used.id, role=role
            )
        return made


async def renew_password(
    database: Database,
    settings: Settings,
    invitation: str,
    password: str,
    *,
    address: str,
    name: str = "",
    revoke_tokens: bool = False,
) -> Actor:
    """Set the password of the invited account and end its sessions.

    With its first password an account may change its name; later `name` may only repeat it. API
    tokens remain valid unless `revoke_tokens`. Raises Invalid, Conflict and TooManyRequests.
    """
    await rate_limits.consume(
        database, rate_limits.by_address("invitation", address, settings.sign_in_attempts)
    )
    async with database.read() as session:
        invited = await invitations.look_up(session, invitation)
    account = invited.account
    if account is None:
        raise Invalid(
            "this invitation is to register a new account, not to set a password",
            field="invitation",
        )
    renamed = name not in {"", account.name}
    if renamed:
        if not invited.first:
            raise Invalid(
                f"this invitation is for {account.name!r}, who keeps that name",
                field="name",
            )
        name = accounts.check_account_name(name, by_themselves=account.role != Role.administrator)
    await passwords.check(password, name=name or account.name)
    digest = await passwords.digest(password)
    async with database.write() as session:
        used = await invitations.redeem(session, invitation)
        account = await accounts.get(session, account.id)
        if account.deactivated_at is not None:
            raise Conflict(f"{account.name!r} is deactivated")
        if renamed:
            await accounts.rename(session, account, name)
        account.password_hash = digest
        await invitations.end_others(session, used)
        owner = actor_of(account)
        await accounts.record(session, owner, "invitation.used", owner.id, invitation=used.id)
        await _end(session, owner, revoke_tokens=revoke_tokens)
    return owner


async def join(
    database: Database,
    settings: Settings,
    invitation: str,
    name: str,
    password: str,
    *,
    address: str,
) -> Actor:
    """Use an invitation to set the password of an account or to register one.

    Without an invitation, register if registration is open. Raises what those two raise.
    """
    async with database.read() as session:
        invited = await invitations.look_up(session, invitation) if invitation else None
    if invited and invited.account:
        return await renew_password(
            database, settings, invitation, password, address=address, name=name
        )
    return await register(
        database, settings, name, password, address=address, invitation=invitation or None
    )


async def change_password(
    database: Database,
    settings: Settings,
    actor: Actor,
    current: str,
    new: str,
    *,
    address: str,
    revoke_tokens: bool = False,
) -> None:
    """Change the actor's password and end every session, including the current one.

    A page that changes it starts a new session (`sessions.begin`). API tokens remain valid unless
    `revoke_tokens`, which keeps only the requesting one. Raises Forbidden if `current` is wrong,
    Invalid and TooManyRequests.
    """
    try:
        await identify(database, settings, actor.name, current, address=address)
    except Unauthenticated:
        raise Forbidden("the current password is wrong, or there is none yet") from None
    await passwords.check(new, name=actor.name, field="new")
    digest = await passwords.digest(new)
    async with database.write() as session:
        account = await accounts.get(session, actor.id)
        account.password_hash = digest
        await _end(session, actor, revoke_tokens=revoke_tokens)


async def _end(session: AsyncSession, actor: Actor, *, revoke_tokens: bool) -> None:
    """End the sessions and, if requested, the tokens, except the requesting token."""
    await accounts.end_sessions(session, actor.id)
    if revoke_tokens:
        await tokens.revoke_all(session, actor.id, but=actor.credential)


async def _replace_hash(database: Database, account_id: int, held: str, digest: str) -> None:
    """Store an upgraded hash of the same password unless the password has changed."""
    async with database.write() as session:
        await session.execute(
            update(Account)
            .where(Account.id == account_id, Account.password_hash == held)
            .values(password_hash=digest)
        )
