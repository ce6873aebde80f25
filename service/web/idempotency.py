"""Idempotency keys: requests with the same key run once and return the same response."""

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
    """The Idempotency-Key of a request; keys are scoped to the account."""

    account_id: int
    text: str

    @classmethod
    def of(cls, actor: Actor, text: str | None) -> "Key | None":
        """Parse the header, None if absent; raises Invalid for a malformed key."""
        if text is None:
            return None
        if not (1 <= len(text) <= LONGEST_KEY and text.isprintable()):
            raise Invalid(
                f"Idempotency-Key must be 1 to {LONGEST_KEY} printable characters",
                field="Idempotency-Key",
            )
        return cls(actor.id, text)


class Kept(NamedTuple):
    """The stored response of a key, as JSON, and the digest of its request."""

    digest: str
    answer: bytes

    def to(self, request: bytes) -> bytes:
        """Return the response for the same request; raises Invalid for a different one."""
        if self.digest != _digest(request):
            raise Invalid(
                "this Idempotency-Key was used for another request; use a new key",
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
    """Do the work or return the stored response of the key, and whether it was replayed.

    Of two concurrent requests with the same key, the second waits for the first.

    Args:
        session: the transaction that stores both the work and its response.
        actor: the account that the key is scoped to.
        key: the Idempotency-Key header; None does the work every time.
        request: the method, path and body; a different request with a used key is rejected.
        kind: the type of the response.
        work: the operation to run.
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
    """Return the stored responses of keys, with their accounts locked against changes."""
    if not keys:
        return {}
    # The lock permits inserts that refer to the accounts, or two requests could deadlock.
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
    """Store requests and their JSON responses under their keys."""
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
