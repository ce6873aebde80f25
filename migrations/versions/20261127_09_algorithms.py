"""Aggregates record the version of the algorithm that computed them; 0 is before that."""

import sqlalchemy as sa
from alembic import op

revision = "20261127_09"
down_revision = "20261127_08"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "aggregate", sa.Column("algorithm", sa.Integer(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("aggregate", "algorithm")
