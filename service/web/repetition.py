"""Requests that are safe to repeat: the Idempotency-Key header."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from litestar import Response
from litestar.params import HeaderParameter
from sqlalchemy.ext.asyncio import AsyncSession

from service.permissions import Actor
from service.web import idempotency
from service.web.dependencies import AppRequest

Answer = TypeVar("Answer")

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="repeat a request under the same key and it is done once; the answer to the "
        "repetition is the first one, with the header Idempotency-Replayed: true",
    ),
]


async def once(
    request: AppRequest,
    session: AsyncSession,
    actor: Actor,
    key: str | None,
    kind: type[Answer],
    work: Callable[[], Awaitable[Answer]],
) -> Response[Answer]:
    """Do what a request asks, or answer as before if it was asked under the same key."""
    answer, repeated = await idempotency.once(session, actor, key, await asked(request), kind, work)
    return Response(answer, headers=told(repeated=repeated))


async def asked(request: AppRequest) -> bytes:
    """What tells one request from another: its method, path and body."""
    line = f"{request.method} {request.url.path}?{request.url.query}\n"
    return line.encode() + await request.body()


def told(*, repeated: bool) -> dict[str, str] | None:
    """The header that says that an answer was given before."""
    return {"Idempotency-Replayed": "true"} if repeated else None
