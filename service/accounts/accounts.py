"""Accounts, and what their roles and the scopes of their tokens allow."""

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
"""What no name may hold: colons are in the names of imported forecasters."""
POOL_NAMES: Final = frozenset({"bayes", "aggregate", "community", *POOLS})
"""What stands on leaderboards beside the names of forecasters."""
ROLE_NAMES: Final = frozenset(
    {
        *("admin", "administrator", "curator", "forecaster", "viewer", "moderator", "owner"),
        *("root", "staff", "superuser", "support", "system", "credence", "official"),
        *("me", "anonymous", "anyone", "everyone", "nobody", "somebody", "deleted", "unknown"),
        *("none", "null", "undefined"),
    }
)
"""What would pass for somebody who runs the service, or for nobody at all."""
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
        bot: whether it is a program.
        owner: whose bot it is.
        password_hash: of the password that opens it.
        by_themselves: whether somebody registers, who may not pass for an administrator.

    Raises:
        Invalid: a name that no account may have, or an owner that cannot be.
        Conflict: the name is taken, or looks like one that is.
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
    except IntegrityError:  # somebody else took it a moment ago
        raise _taken(name) from None
    return actor_of(account)


async def rename(session: AsyncSession, account: Account, name: str) -> None:
    """Give an account another name; raises Invalid, or Conflict if the name is taken."""
    name = check_account_name(name, by_themselves=account.role != Role.administrator)
    await _require_free(session, name, but=account.id)
    was, account.name = account.name, name
    account.key, account.skeleton = name_key(name), skeleton(name)
    try:
        await session.flush()
    except IntegrityError:  # somebody else took it a moment ago
        raise _taken(name) from None
    changed = {"before": was, "after": name}
    await record(session, actor_of(account), "account.renamed", account.id, name=changed)


def check_account_name(name: str, *, by_themselves: bool = False) -> str:
    """An account's name as it is stored; raises Invalid."""
    name = check_name(name, "name")
    if any(character in FORBIDDEN for character in name):
        raise Invalid("name must not hold a slash or a colon", field="name")
    reserved = POOL_NAMES | ROLE_NAMES if by_themselves else POOL_NAMES
    if _looks(name) & set().union(*map(_looks, reserved)):
        raise Invalid(f"name must not be {name!r}, which is reserved; choose another", field="name")
    return name


def _looks(name: str) -> set[str]:
    """What a name looks like as it is and in capitals, with no regard to spaces and hyphens."""
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
    """Create an account for somebody; nothing opens it until it is given something.

    `None` is the command.
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
    """An account; NotFound names the id."""
    account = await session.get(Account, account_id)
    if account is None:
        raise NotFound(f"there is no account {account_id}")
    return account


async def named(session: AsyncSession, name: str) -> Account:
    """The account of a name, in any case and Unicode form; NotFound says it."""
    account = await session.scalar(by_name(name))
    if account is None:
        raise NotFound(f"there is no account named {name!r}")
    return account


def by_name(name: str) -> Select[Account]:
    """The account that a name is meant for; one that has it to the letter goes first."""
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
    """The next accounts after an id: one's own bots for anyone, else for administrators.

    With `name` only those in whose name it occurs, whatever the capitals; imported forecasters only
    on request. `None` is the command.
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
    """How many imported forecasters `listing` leaves out."""
    query = select(func.count()).select_from(Account).where(Account.imported, *_named(name))
    return await session.scalar(query) or 0


def _named(name: str) -> list[ColumnElement[bool]]:
    in_key = Account.key.contains(name_key(name), autoescape=True)
    return [or_(in_key, Account.name.icontains(name, autoescape=True))] if name else []


async def change_role(
    session: AsyncSession, actor: Actor | None, account_id: int, role: Role
) -> Account:
    """Give an account another role; its bots are never left with more. `None` is the command."""
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
    """Shut an account: its sessions, tokens and its bots' tokens end; its forecasts stay.

    Doing it again changes nothing. `None` is the command.
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
    """Sign an account out of every browser; out of how many."""
    ended = await session.scalars(
        delete(BrowserSession)
        .where(BrowserSession.account_id == account_id)
        .returning(BrowserSession.id)
    )
    return len(ended.all())


async def reactivate(session: AsyncSession, actor: Actor | None, account_id: int) -> Account:
    """Open an account again; what it was opened with before stays ended.

    An imported forecaster that somebody takes over becomes an account like any other.
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
    """Put into the audit log what was done to an account, or to accounts that are yet to be.

    An actor of `None` is the command.
    """
    by = actor.id if actor else None
    await audit_log.record(session, by, action, subject_id=account_id, details=details)


async def _keep_an_administrator(session: AsyncSession, account: Account) -> None:
    """Raise Conflict if this account is the last active administrator.

    The administrators' rows are locked, so that two cannot remove each other at once.
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
    """Whether anyone can administer this installation."""
    count = await session.scalar(
        select(func.count()).select_from(Account).where(Account.role == Role.administrator)
    )
    return bool(count)


async def first_administrator(session: AsyncSession) -> Account | None:
    """The first active person among the administrators, with the hash of their password.

    One with a password goes before those without; None if there is none.
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
    """An account as someone who asks."""
    return Actor(account.id, account.name, Role(account.role), account.bot, scope, credential)
