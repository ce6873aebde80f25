"""When a token or a session was last used: recorded at most once an hour, apart from the work."""

from datetime import datetime, timedelta
from typing import Final

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy import update

from service.clock import now
from service.database.engine import Database
from service.permissions import Credential

INTERVAL: Final = timedelta(hours=1)


def unseen(used_at: datetime | None) -> bool:
    """Whether the last recorded use is so old, or so absent, that another should be recorded."""
    return used_at is None or now() - used_at >= INTERVAL


async def record(database: Database, credential: Credential) -> None:
    """Record that a credential was used just now."""
    async with database.write() as session:
        await session.execute(
            update(credential.kind).where(credential.kind.id == credential.id).values(used_at=now())
        )


class LastUsed(ASGIMiddleware):
    """Records when tokens and sessions were last used, after the answer has gone out."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on, and record what opened it if that was not done lately."""
        await next_app(scope, receive, send)
        credential: Credential | None = scope["state"].get("credential")
        if credential is not None and credential.unseen:
            await record(scope["litestar_app"].state.database, credential)
