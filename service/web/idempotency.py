"""Requests that are safe to repeat: the same key gives the same answer and is done once."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec
from sqlalchemy import insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.exceptions import Invalid
from service.models import Account, IdempotentRequest
from service.permissions import Actor

Answer = TypeVar("Answer")

LONGEST_KEY: Final = 255


class Key(NamedTuple):
    """The Idempotency-Key of a request; keys are each account's own."""

    account_id: int
    text: str

    @classmethod
    def of(cls, actor: Actor, text: str | None) -> "Key | None":
        """From the header, None if there is none; Invalid says what a key is."""
        if text is None:
            return None
        if not (1 <= len(text) <= LONGEST_KEY and text.isprintable()):
            raise Invalid(
                f"Idempotency-Key must be 1 to {LONGEST_KEY} printable characters",
                field="Idempotency-Key",
            )
        return cls(actor.id, text)


class Kept(NamedTuple):
    """What was answered under a key, as JSON, and to which request."""

    digest: str
    answer: bytes

    def to(self, request: bytes) -> bytes:
        """The answer to the same request; Invalid if it is another one."""
        if self.digest != _digest(request):
            raise Invalid(
                "this Idempotency-Key was used for another request; take a new key",
                field="Idempotency-Key",
            )
        return self.answer


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
    asked = Key.of(actor, key)
    if asked is None:
        return await work(), False
    kept = (await answered(session, [asked])).get(asked)
    if kept is not None:
        return msgspec.json.decode(kept.to(request), type=kind), True
    answer = await work()
    await remember(session, {asked: (request, msgspec.json.encode(answer))})
    return answer, False


async def answered(session: AsyncSession, keys: Sequence[Key]) -> dict[Key, Kept]:
    """What was answered under keys before; their accounts are locked, so that it stays true."""
    if not keys:
        return {}
    # Rows that refer to the accounts may be made meanwhile: else two requests could wait in a ring.
    accounts = {key.account_id for key in keys}
    await session.execute(
        select(Account.id)
        .where(Account.id.in_(accounts))
        .order_by(Account.id)
        .with_for_update(key_share=True)
    )
    table = IdempotentRequest
    rows = await session.execute(
        select(table.account_id, table.key, table.digest, table.answer).where(
            tuple_(table.account_id, table.key).in_(keys)
        )
    )
    return {
        Key(account_id, text): Kept(digest, answer.encode())
        for account_id, text, digest, answer in rows
    }


async def remember(session: AsyncSession, answers: Mapping[Key, tuple[bytes, bytes]]) -> None:
    """Keep requests and their answers, as JSON, under their keys."""
    if not answers:
        return
    at = now()
    await session.execute(
        insert(IdempotentRequest),
        [
            {
                "account_id": key.account_id,
                "key": key.text,
                "digest": _digest(request),
                "answer": answer.decode(),
                "created_at": at,
            }
            for key, (request, answer) in answers.items()
        ],
    )


def _digest(request: bytes) -> str:
    return hashlib.sha256(request).hexdigest()
