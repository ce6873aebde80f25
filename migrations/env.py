"""Alembic's entry: runs the revisions on the connection that the service hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from migrations import early
from service.models import Base, Utc


def render(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Revision files import no application code: our own type is written as what it stores."""
    if kind == "type" and isinstance(item, Utc):
        return "sa.DateTime(timezone=True)"
    return False


connection = context.config.attributes["connection"]
early.complete(connection, context.script)
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    render_as_batch=True,
    render_item=render,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
