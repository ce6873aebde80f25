"""The audit log: who did what to what, when and why."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.models import Act


async def record(
    session: AsyncSession,
    account_id: int | None,
    action: str,
    *,
    subject_id: int | None = None,
    set_id: int | None = None,
    reason: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    """Append an act that leaves no row of its own saying who did it and why.

    Revisions, resolutions, policies and removals of comments are such rows; the log reads them.

    Args:
        session: the transaction in which it was done.
        account_id: who did it; None: somebody at the command line.
        action: what was done, as `noun.verb` in the past tense, such as `account.deactivated`; at
            most 50 characters.
        subject_id: the account that it was done to.
        set_id: the set that it was done to.
        reason: why, in the actor's words.
        details: what was before and after, in JSON's types; no secrets.
    """
    session.add(
        Act(
            action=action,
            account_id=account_id,
            subject_id=subject_id,
            set_id=set_id,
            reason=reason,
            details=details or {},
            created_at=now(),
        )
    )
    await session.flush()
