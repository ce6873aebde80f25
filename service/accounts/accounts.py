"""Accounts: creation, roles, deactivation and their audit records."""

import re
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from forecasting.pooling import POOLS
from service.audit import audit_log
from service.clock import now
from service.exceptions import Conflict, Invalid, NotFound
from service.models import Account, BrowserSession, Role, Token, TokenScope
from service.permissions import RANKS, Actor, Credential
from service.text.names import name_key, skeleton
from service.text.validation import check_name

FORBIDDEN: Final = "/:"
"""Characters forbidden in names; colons mark imported forecasters."""
POOL_NAMES: Final = frozenset({"bayes", "aggregate", "community", *POOLS})
"""Names of other leaderboard entrants, reserved."""
ROLE_NAMES: Final = frozenset(
    {
        *("admin", "administrator", "curator", "forecaster", "viewer", "moderator", "owner"),
        *("root", "staff", "superuser", "support", "system", "credence", "official"),
        *("me", "anonymous", "anyone", "everyone", "nobody", "somebody", "deleted", "unknown"),
        *("none", "null", "undefined"),
    }
)
"""Names that suggest an operator of the service, or nobody."""
SEPARATORS: Final = re.compile(r"[\s._-]+")


async def create(
    session: AsyncSession,
    name: str,
    role: Role,
    *,
    bot: bool = False,
    owner: Account | None = None,
    password_hash: str | None = None,
    by_themselves: bool = False,
) -> Actor:
    """Create an account.

    Args:
        session: a write transaction.
        name: compared with others in any case and Unicode form, and by its looks.
        role: what the account may do.
        bot: whether the account belongs to a program.
        owner: the person who owns the bot.
        password_hash: the hash of its password.
        by_themselves: whether a person registers, who may not take a reserved name.

    Raises:
        Invalid: the name is not allowed, or the owner is not valid.
        Conflict: the name is taken or resembles a taken name.
    """
    name = check_account_name(name, by_themselves=by_themselves)
    await _require_free(session, name)
    if owner is not None:
        _check_owner(owner, role, bot=bot)
    account = Account(
        name=name,
        role=role,
        bot=bot,
        owner_id=owner.id if owner else None,
        password_hash=password_hash,
        created_at=now(),
        deactivated_at=None,
    )
    session.add(account)
    try:
        await session.flush()
    except IntegrityError:  # a concurrent request took the name
        raise _taken(name) from None
    return actor_of(account)


async def rename(session: AsyncSession, account: Account, name: str) -> None:
    """Rename an account; raises Invalid, or Conflict if the name is taken."""
    name = check_account_name(name, by_themselves=account.role != Role.administrator)
    await _require_free(session, name, but=account.id)
    was, account.name = account.name, name
    account.key, account.skeleton = name_key(name), skeleton(name)
    try:
        await session.flush()
    except IntegrityError:  # a concurrent request took the name
        raise _taken(name) from None
    changed = {"before": was, "after": name}
    await record(session, actor_of(account), "account.renamed", account.id, name=changed)


def check_account_name(name: str, *, by_themselves: bool = False) -> str:
    """Return an account's name as stored; raises Invalid."""
    name = check_name(name, "name")
    if any(character in FORBIDDEN for character in name):
        raise Invalid("name must not hold a slash or a colon", field="name")
    reserved = POOL_NAMES | ROLE_NAMES if by_themselves else POOL_NAMES
    if _looks(name) & set().union(*map(_looks, reserved)):
        raise Invalid(f"name must not be {name!r}, which is reserved; choose another", field="name")
    return name


def _looks(name: str) -> set[str]:
    """Return the visual skeletons of a name in both cases, ignoring spaces and hyphens."""
    looks = (name_key(name), skeleton(name), skeleton(name.upper()))
    return {SEPARATORS.sub("", one) for one in looks if one}


async def _require_free(session: AsyncSession, name: str, *, but: int | None = None) -> None:
    rows = await session.execute(
        select(Account.name, Account.key)
        .where(or_(Account.key == name_key(name), Account.skeleton == skeleton(name)))
        .where(Account.id.is_distinct_from(but))
        .order_by(Account.id)
    )
    for other, key in rows:
        if key == name_key(name):
            raise _taken(name)
        raise Conflict(
            f"the name {name!r} can be mistaken for {other!r}, which is taken; choose another"
        )


def _taken(name: str) -> Conflict:
    return Conflict(f"there is already an account named {name!r}; choose another name")


async def add(
    session: AsyncSession,
    actor: Actor | None,
    name: str,
    role: Role,
    *,
    bot: bool = False,
    owner_id: int | None = None,
) -> Actor:
    """Create an account without credentials, as an administrator.

    An actor of `None` is the command line.
    """
    _require_administrator(actor, "create an account")
    owner = await session.get(Account, owner_id) if owner_id is not None else None
    if owner_id is not None and owner is None:
        raise Invalid(f"there is no account {owner_id}", field="owner_id")
    made = await create(session, name, role, bot=bot, owner=owner)
    await record(session, actor, "account.created", made.id, role=role, bot=bot, owner_id=owner_id)
    return made


def _check_owner(owner: Account, role: Role, *, bot: bool) -> None:
    if not bot or owner.bot:
        raise Invalid("only a bot has an owner, and only a person owns one", field="owner_id")
    if owner.deactivated_at is not None:
        raise Invalid(f"{owner.name!r} is deactivated and cannot own a bot", field="owner_id")
    if RANKS[role] > RANKS[Role(owner.role)]:
        raise Invalid(
            f"a bot may not be more than its owner, whose role is {owner.role}", field="role"
        )


async def get(session: AsyncSession, account_id: int) -> Account:
    """Return an account by id; raises NotFound."""
    account = await session.get(Account, account_id)
    if account is None:
        raise NotFound(f"there is no account {account_id}")
    return account


async def named(session: AsyncSession, name: str) -> Account:
    """Return the account with a name, in any case and Unicode form; raises NotFound."""
    account = await session.scalar(by_name(name))
    if account is None:
        raise NotFound(f"there is no account named {name!r}")
    return account


def by_name(name: str) -> Select[Account]:
    """Return the account matching a name, preferring an exact match."""
    exact = case((Account.name == name, 0), else_=1)
    same = or_(Account.name == name, Account.key == name_key(name))
    return select(Account).where(same).order_by(exact).limit(1)


async def listing(
    session: AsyncSession,
    actor: Actor | None,
    *,
    after: int,
    limit: int,
    owner_id: int | None = None,
    name: str = "",
    imported: bool = False,
) -> Sequence[Account]:
    """List accounts after an id: the actor's own bots, or any accounts for administrators.

    `name` filters by a case-insensitive substring; imported forecasters are included only on
    request. An actor of `None` is the command line.
    """
    chosen: list[ColumnElement[bool]] = [Account.id > after, *_named(name)]
    if not imported:
        chosen.append(Account.imported.is_(False))
    if owner_id is None or actor is None or owner_id != actor.id:
        _require_administrator(actor, "list accounts")
    if owner_id is not None:
        chosen.append(Account.owner_id == owner_id)
    rows = await session.scalars(select(Account).where(*chosen).order_by(Account.id).limit(limit))
    return rows.all()


async def count_imported(session: AsyncSession, name: str = "") -> int:
    """Count the imported forecasters that `listing` omits."""
    query = select(func.count()).select_from(Account).where(Account.imported, *_named(name))
    return await session.scalar(query) or 0


def _named(name: str) -> list[ColumnElement[bool]]:
    in_key = Account.key.contains(name_key(name), autoescape=True)
    return [or_(in_key, Account.name.icontains(name, autoescape=True))] if name else []


async def change_role(
    session: AsyncSession, actor: Actor | None, account_id: int, role: Role
) -> Account:
    """Change an account's role and cap that of its bots; `None` is the command line."""
    account = await _governed(session, actor, account_id, "change a role")
    if account.role == Role.administrator and role is not Role.administrator:
        await _keep_an_administrator(session, account)
    if account.owner_id is not None:
        _check_owner(await get(session, account.owner_id), role, bot=True)
    if account.role == role:
        return account
    was, account.role = account.role, role
    mightier = [other for other in Role if RANKS[other] > RANKS[role]]
    lowered = await session.scalars(
        update(Account)
        .where(Account.owner_id == account.id, Account.role.in_(mightier))
        .values(role=role)
        .returning(Account.id)
    )
    changed = {"before": was, "after": role}
    await record(
        session, actor, "account.role_changed", account.id, role=changed, bots=sorted(lowered)
    )
    return account


async def deactivate(session: AsyncSession, actor: Actor | None, account_id: int) -> Account:
    """Deactivate an account: ends its sessions, its tokens and its bots' tokens.

    Its forecasts remain. Idempotent. An actor of `None` is the command line.
    """
    account = await _governed(session, actor, account_id, "deactivate an account")
    if account.deactivated_at is None:
        await _keep_an_administrator(session, account)
        account.deactivated_at = now()
        await record(session, actor, "account.deactivated", account.id)
    opened = select(Account.id).where(or_(Account.id == account.id, Account.owner_id == account.id))
    await session.execute(
        update(Token)
        .where(Token.account_id.in_(opened), Token.revoked_at.is_(None))
        .values(revoked_at=now())
    )
    await end_sessions(session, account.id)
    return account


async def end_sessions(session: AsyncSession, account_id: int) -> int:
    """End every session of an account and return their number."""
    ended = await session.scalars(
        delete(BrowserSession)
        .where(BrowserSession.account_id == account_id)
        .returning(BrowserSession.id)
    )
    return len(ended.all())


async def reactivate(session: AsyncSession, actor: Actor | None, account_id: int) -> Account:
    """Reactivate an account; its earlier sessions and tokens stay revoked.

    An imported forecaster that a person takes over becomes an ordinary account.
    """
    account = await _governed(session, actor, account_id, "reactivate an account")
    if account.deactivated_at is not None:
        account.deactivated_at, account.imported = None, False
        await record(session, actor, "account.reactivated", account.id)
    return account


async def _governed(
    session: AsyncSession, actor: Actor | None, account_id: int, to: str
) -> Account:
    _require_administrator(actor, to)
    return await get(session, account_id)


def _require_administrator(actor: Actor | None, to: str) -> None:
    if actor is not None:
        actor.require(Role.administrator, to)


async def record(
    session: AsyncSession, actor: Actor | None, action: str, account_id: int | None, **details: Any
) -> None:
    """Record an action on accounts or invitations in the audit log.

    An actor of `None` is the command line.
    """
    by = actor.id if actor else None
    await audit_log.record(session, by, action, subject_id=account_id, details=details)


async def _keep_an_administrator(session: AsyncSession, account: Account) -> None:
    """Raise Conflict if this account is the last active administrator.

    Locks the administrators' rows, so that two cannot remove each other concurrently.
    """
    active = await session.scalars(
        select(Account.id)
        .where(Account.role == Role.administrator, Account.deactivated_at.is_(None))
        .order_by(Account.id)
        .with_for_update()
    )
    if active.all() == [account.id]:
        raise Conflict(
            f"{account.name!r} is the last active administrator; make another one first",
            current={"role": account.role},
        )


async def administrator_exists(session: AsyncSession) -> bool:
    """Return whether the installation has an active administrator."""
    count = await session.scalar(
        select(func.count()).select_from(Account).where(Account.role == Role.administrator)
    )
    return bool(count)


async def first_administrator(session: AsyncSession) -> Account | None:
    """Return the first active human administrator with the hash of their password.

    Administrators with a password come first; None without an administrator.
    """
    found: Account | None = await session.scalar(
        select(Account)
        .where(
            Account.role == Role.administrator,
            Account.bot.is_(False),
            Account.deactivated_at.is_(None),
        )
        .options(undefer(Account.password_hash))
        .order_by(Account.password_hash.is_(None), Account.id)
        .limit(1)
    )
    return found


def actor_of(
    account: Account,
    scope: TokenScope = TokenScope.administer,
    credential: Credential | None = None,
) -> Actor:
    """Return the actor of an account."""
    return Actor(account.id, account.name, Role(account.role), account.bot, scope, credential)
