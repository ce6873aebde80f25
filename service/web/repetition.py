"""The Idempotency-Key header of handlers."""

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
    """Process a request, or replay the response of an earlier one with the same key."""
    answer, repeated = await idempotency.once(session, actor, key, await asked(request), kind, work)
    return Response(answer, headers=told(repeated=repeated))


async def asked(request: AppRequest) -> bytes:
    """Return the identity of a request: its method, path and body."""
    line = f"{request.method} {request.url.path}?{request.url.query}\n"
    return line.encode() + await request.body()


def told(*, repeated: bool) -> dict[str, str] | None:
    """Return the header that marks a replayed response."""
    return {"Idempotency-Replayed": "true"} if repeated else None
