"""Records: leaderboards, exports, webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "20261123_03"
down_revision = "20261123_02"
branch_labels = None
depends_on = None

HORIZONS = ("probability_1_day", "probability_7_days", "probability_30_days", "probability_90_days")

# The weight that a question had when it was resolved.
WEIGHTS = """
UPDATE score SET weight = coalesce((
    SELECT revision.weight FROM question_revision AS revision, resolution
    WHERE resolution.id = score.resolution_id
    AND revision.question_id = score.question_id AND revision.number = (
        SELECT max(other.number) FROM question_revision AS other
        WHERE other.question_id = score.question_id AND other.created_at <= resolution.created_at
    )
), 1)
"""


def upgrade() -> None:
    op.add_column("score", sa.Column("method", sa.String(length=40), nullable=True))
    op.add_column("score", sa.Column("weight", sa.Double(), nullable=False, server_default="1"))
    for column in HORIZONS:
        op.add_column("score", sa.Column(column, sa.Double(), nullable=True))
    op.execute("UPDATE score SET method = 'bayes' WHERE account_id IS NULL")
    op.execute(WEIGHTS)
    op.create_index(op.f("ix_score_method"), "score", ["method"], unique=False)
    op.create_index(
        op.f("ix_score_resolution_id_method"), "score", ["resolution_id", "method"], unique=True
    )
    op.create_table(
        "frozen_leaderboard",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("criteria", sa.JSON(), nullable=False),
        sa.Column("entrants", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_frozen_leaderboard_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_frozen_leaderboard")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_frozen_leaderboard_name_version")),
    )
    op.create_table(
        "frozen_standing",
        sa.Column("leaderboard_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("method", sa.String(length=40), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bot", sa.Boolean(), nullable=False),
        sa.Column("questions", sa.Integer(), nullable=False),
        sa.Column("coverage", sa.Double(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("ranked_by", sa.Double(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_frozen_standing_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["leaderboard_id"],
            ["frozen_leaderboard.id"],
            name=op.f("fk_frozen_standing_leaderboard_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_frozen_standing")),
        sa.UniqueConstraint(
            "leaderboard_id", "rank", name=op.f("uq_frozen_standing_leaderboard_id_rank")
        ),
    )


def downgrade() -> None:
    op.drop_table("frozen_standing")
    op.drop_table("frozen_leaderboard")
    op.drop_index(op.f("ix_score_resolution_id_method"), table_name="score")
    op.drop_index(op.f("ix_score_method"), table_name="score")
    op.execute("DELETE FROM score WHERE method IS NOT NULL AND method <> 'bayes'")
    for column in reversed(HORIZONS):
        op.drop_column("score", column)
    op.drop_column("score", "weight")
    op.drop_column("score", "method")
