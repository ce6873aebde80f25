"""Invitations: secrets for registration or for setting an account's password."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from service.accounts import accounts, secrets
from service.clock import now
from service.exceptions import Invalid, NotFound
from service.models import Account, Invitation, Role
from service.permissions import Actor

PREFIX: Final = "cri_"
LIFETIME: Final = timedelta(days=7)
FIRST_LIFETIME: Final = timedelta(hours=24)
MOST_USES: Final = 1000
CODE: Final = secrets.pattern(PREFIX)


@dataclass(frozen=True, slots=True)
class Invited:
    """The purpose of an invitation.

    Attributes:
        role: the role of the existing or new account.
        account: the account whose password it sets; None for a registration.
        first: whether that account has no password yet, so that its owner may rename it.
    """

    role: Role
    account: Account | None
    first: bool


def link(site: str, secret: str) -> str:
    """Return the URL of an invitation; opening it does not use it up."""
    return f"{site}/join?invitation={secret}"


def code(text: str) -> str:
    """Extract the secret from a pasted link or code; empty if absent."""
    found = CODE.search(text)
    return found[0] if found else ""


async def invite(
    session: AsyncSession,
    actor: Actor | None,
    role: Role,
    *,
    uses: int = 1,
    expires_at: datetime | None = None,
) -> tuple[Invitation, str]:
    """Create an invitation for so many registrations; returns its secret, only here.

    By default it expires after seven days. An actor of `None` is the command line.
    """
    return await _store(session, actor, expires_at, role=role, uses=uses)


async def invite_back(
    session: AsyncSession,
    actor: Actor | None,
    account_id: int,
    *,
    expires_at: datetime | None = None,
) -> tuple[Invitation, str]:
    """Invite an account's owner to set a first password or replace a forgotten one.

    Revokes earlier invitations for the same account.
    """
    account = await accounts.get(session, account_id)
    if account.deactivated_at is not None:
        raise Invalid(f"{account.name!r} is deactivated; reactivate it first", field="account_id")
    await session.execute(
        update(Invitation)
        .where(Invitation.account_id == account.id, Invitation.revoked_at.is_(None))
        .values(revoked_at=now())
    )
    return await _store(session, actor, expires_at, account_id=account.id)


async def invite_first(session: AsyncSession) -> str | None:
    """Return a sign-in secret for the first administrator; None once one has a password.

    It works once within a day and revokes its predecessor, so that each start of the service can
    print its own.
    """
    account = await accounts.first_administrator(session)
    if account is None or account.password_hash is not None:
        return None
    ending = now() + FIRST_LIFETIME
    _, secret = await invite_back(session, None, account.id, expires_at=ending)
    return secret


async def _store(
    session: AsyncSession,
    actor: Actor | None,
    expires_at: datetime | None,
    *,
    role: Role | None = None,
    account_id: int | None = None,
    uses: int = 1,
) -> tuple[Invitation, str]:
    if actor is not None:
        actor.require(Role.administrator, "invite")
    if expires_at is not None and expires_at <= now():
        raise Invalid("expires_at must be in the future", field="expires_at")
    if not 1 <= uses <= MOST_USES:
        raise Invalid(f"uses must be from 1 to {MOST_USES}", field="uses")
    secret = secrets.new(PREFIX)
    invitation = Invitation(
        digest=secrets.digest(secret),
        role=role,
        account_id=account_id,
        inviter_id=actor.id if actor else None,
        uses=uses,
        used=0,
        created_at=now(),
        expires_at=expires_at or now() + LIFETIME,
        revoked_at=None,
    )
    session.add(invitation)
    await session.flush()
    ending = invitation.expires_at.isoformat()
    told = {"invitation": invitation.id, "role": role, "uses": uses, "expires_at": ending}
    await accounts.record(session, actor, "invitation.made", account_id, **told)
    return invitation, secret


async def listing(
    session: AsyncSession, actor: Actor, *, before: int | None, limit: int
) -> Sequence[Invitation]:
    """List all invitations, newest first, including ended ones; for administrators."""
    actor.require(Role.administrator, "list invitations")
    query = select(Invitation)
    if before is not None:
        query = query.where(Invitation.id < before)
    rows = await session.scalars(query.order_by(Invitation.id.desc()).limit(limit))
    return rows.all()


async def revoke(session: AsyncSession, actor: Actor, invitation_id: int) -> Invitation:
    """Revoke an invitation; idempotent."""
    actor.require(Role.administrator, "revoke an invitation")
    invitation = await session.get(Invitation, invitation_id)
    if invitation is None:
        raise NotFound(f"there is no invitation {invitation_id}")
    if invitation.revoked_at is None:
        invitation.revoked_at = now()
        await accounts.record(
            session,
            actor,
            "invitation.revoked",
            invitation.account_id,
            invitation=invitation.id,
        )
    return invitation


async def find(session: AsyncSession, text: str) -> Invitation:
    """Return the usable invitation of a link or code; raises Invalid."""
    invitation = await session.scalar(
        select(Invitation).where(
            Invitation.digest == secrets.digest(code(text)),
            Invitation.used < Invitation.uses,
            Invitation.expires_at > now(),
            Invitation.revoked_at.is_(None),
        )
    )
    if invitation is None:
        raise Invalid(
            "this invitation is unknown, used up, expired or revoked; ask for another one",
            field="invitation",
        )
    return invitation


async def look_up(session: AsyncSession, text: str) -> Invited:
    """Return the purpose of an invitation without using it; raises Invalid if unusable."""
    invitation = await find(session, text)
    if invitation.account_id is None:
        return Invited(Role(invitation.role or Role.viewer), None, first=True)
    account = (
        await session.scalars(
            select(Account)
            .where(Account.id == invitation.account_id)
            .options(undefer(Account.password_hash))
        )
    ).one()
    return Invited(Role(account.role), account, first=account.password_hash is None)


async def redeem(session: AsyncSession, text: str) -> Invitation:
    """Use an invitation once; raises Invalid if unusable or just used up."""
    invitation = await find(session, text)
    done = await session.scalar(
        update(Invitation)
        .where(Invitation.id == invitation.id, Invitation.used < Invitation.uses)
        .values(used=Invitation.used + 1)
        .returning(Invitation.id)
    )
    if done is None:
        raise Invalid("this invitation was used up a moment ago", field="invitation")
    return invitation


async def end_others(session: AsyncSession, used: Invitation) -> None:
    """Revoke the other invitations for an account whose password was just set."""
    await session.execute(
        update(Invitation)
        .where(
            Invitation.account_id == used.account_id,
            Invitation.id != used.id,
            Invitation.revoked_at.is_(None),
        )
        .values(revoked_at=now())
    )
