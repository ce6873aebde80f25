"""When a token or a session was last used: recorded at most once an hour, apart from the work."""

from datetime import datetime, timedelta
from typing import Final

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
