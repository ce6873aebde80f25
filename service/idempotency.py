"""Requests that are safe to repeat: the same key gives the same answer and is done once."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import Actor
from service.clock import now
from service.errors import Invalid
from service.models import Account, IdempotentRequest

Answer = TypeVar("Answer")

LONGEST_KEY: Final = 255


async def once(
    session: AsyncSession,
    actor: Actor,
    key: str | None,
    request: bytes,
    kind: type[Answer],
    work: Callable[[], Awaitable[Answer]],
) -> tuple[Answer, bool]:
    """Do the work, or give the answer that the same key got before; True tells that it was before.

    Of two requests under one key at the same time the second waits for the first.

    Args:
        session: the transaction that both the work and its answer are stored in.
        actor: keys are each account's own.
        key: the Idempotency-Key header; None does the work every time.
        request: what was asked (method, path and body); another request under a used key is
            refused.
        kind: the answer's type.
        work: what to do.
    """
    if key is None:
        return await work(), False
    if not (1 <= len(key) <= LONGEST_KEY and key.isprintable()):
        raise Invalid(
            f"Idempotency-Key must be 1 to {LONGEST_KEY} printable characters",
            field="Idempotency-Key",
        )
    # Rows that refer to the account may be made meanwhile: else two requests could wait in a ring.
    locked = select(Account.id).where(Account.id == actor.id).with_for_update(key_share=True)
    await session.execute(locked)
    digest = hashlib.sha256(request).hexdigest()
    kept = await session.scalar(
        select(IdempotentRequest).where(
            IdempotentRequest.account_id == actor.id, IdempotentRequest.key == key
        )
    )
    if kept is not None:
        if kept.digest != digest:
            raise Invalid(
                "this Idempotency-Key was used for another request; take a new key",
                field="Idempotency-Key",
            )
        return msgspec.json.decode(kept.answer, type=kind), True
    answer = await work()
    session.add(
        IdempotentRequest(
            account_id=actor.id,
            key=key,
            digest=digest,
            answer=msgspec.json.encode(answer).decode(),
            created_at=now(),
        )
    )
    await session.flush()
    return answer, False
