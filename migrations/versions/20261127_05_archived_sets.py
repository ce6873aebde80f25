"""Archived sets: out of lists and boards since a moment."""

import sqlalchemy as sa
from alembic import op

revision = "20261127_05"
down_revision = "20261127_04"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "question_set", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("question_set", "archived_at")
