"""Last use of tokens and sessions, recorded at most hourly, outside the request's transaction."""

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
    """Return whether the last use is missing or too old and should be recorded."""
    return used_at is None or now() - used_at >= INTERVAL


async def record(database: Database, credential: Credential) -> None:
    """Record the current time as a credential's last use."""
    async with database.write() as session:
        await session.execute(
            update(credential.kind).where(credential.kind.id == credential.id).values(used_at=now())
        )


class LastUsed(ASGIMiddleware):
    """Middleware that records the last use of tokens and sessions after the response."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Handle the request, then record its credential's use if due."""
        await next_app(scope, receive, send)
        credential: Credential | None = scope["state"].get("credential")
        if credential is not None and credential.unseen:
            await record(scope["litestar_app"].state.database, credential)
