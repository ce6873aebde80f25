"""Errors of deliveries: none that an earlier version stored names hosts or addresses any more."""

import sqlalchemy as sa
from alembic import op

revision = "20261127_08"
down_revision = "20261127_07"
branch_labels = None
depends_on = None

SENTENCES = (
    "",
    "no answer within 15 s",
    "the host does not resolve to a public address",
    "the TLS certificate or version of the host was not accepted",
    "the host accepts no connection",
    "the connection broke off, or the answer was not HTTP",
    "the webhook's URL is not one that deliveries may go to",
    "the delivery could not be made",
)
ATTEMPT = sa.table("webhook_attempt", sa.column("error", sa.Text()))


def upgrade() -> None:
    op.execute(
        sa.update(ATTEMPT)
        .where(ATTEMPT.c.error.not_in(SENTENCES))
        .values(error="the delivery could not be made")
    )


def downgrade() -> None:
    """Leave the sentences: what they replaced is not kept."""
