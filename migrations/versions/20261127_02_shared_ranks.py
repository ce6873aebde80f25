"""Frozen places have a position beside their rank, which equal scores share."""

import sqlalchemy as sa
from alembic import op

revision = "20261127_02"
down_revision = "20261127_01"
branch_labels = None
depends_on = None

BY_RANK = "uq_frozen_standing_leaderboard_id_rank"
BY_POSITION = "uq_frozen_standing_leaderboard_id_position"


def upgrade() -> None:
    op.add_column("frozen_standing", sa.Column("position", sa.Integer(), nullable=True))
    op.execute("UPDATE frozen_standing SET position = rank")
    with op.batch_alter_table("frozen_standing") as frozen_standing:
        frozen_standing.alter_column("position", existing_type=sa.Integer(), nullable=False)
        frozen_standing.drop_constraint(op.f(BY_RANK), type_="unique")
        frozen_standing.create_unique_constraint(op.f(BY_POSITION), ["leaderboard_id", "position"])


def downgrade() -> None:
    op.execute("UPDATE frozen_standing SET rank = position")
    with op.batch_alter_table("frozen_standing") as frozen_standing:
        frozen_standing.drop_constraint(op.f(BY_POSITION), type_="unique")
        frozen_standing.create_unique_constraint(op.f(BY_RANK), ["leaderboard_id", "rank"])
        frozen_standing.drop_column("position")
