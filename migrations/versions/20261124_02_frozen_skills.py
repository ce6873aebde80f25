"""Frozen leaderboards keep how sure each place is."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_02"
down_revision = "20261124_01"
branch_labels = None
depends_on = None

ADDED = {
    "skill": sa.Double,
    "skill_lower": sa.Double,
    "skill_upper": sa.Double,
    "rank_lower": sa.Integer,
    "rank_upper": sa.Integer,
    "first": sa.Double,
    "level": sa.Double,
}


def upgrade() -> None:
    for name, kind in ADDED.items():
        op.add_column("frozen_standing", sa.Column(name, kind(), nullable=True))


def downgrade() -> None:
    for name in reversed(ADDED):
        op.drop_column("frozen_standing", name)
