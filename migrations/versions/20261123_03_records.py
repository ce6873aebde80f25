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
    op.create_table(
        "webhook",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("set_id", sa.Integer(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("moved_by", sa.Double(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_webhook_account_id")),
        sa.ForeignKeyConstraint(["set_id"], ["question_set.id"], name=op.f("fk_webhook_set_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
    )
    op.create_index(op.f("ix_webhook_account_id"), "webhook", ["account_id"], unique=False)
    op.create_table(
        "webhook_delivery",
        sa.Column("webhook_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("question_id", sa.Integer(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name=op.f("fk_webhook_delivery_question_id")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name=op.f("fk_webhook_delivery_webhook_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        sa.UniqueConstraint("webhook_id", "key", name=op.f("uq_webhook_delivery_webhook_id_key")),
    )
    op.create_index(
        op.f("ix_webhook_delivery_due_at"), "webhook_delivery", ["due_at"], unique=False
    )
    op.create_table(
        "webhook_attempt",
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["webhook_delivery.id"], name=op.f("fk_webhook_attempt_delivery_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_attempt")),
    )
    op.create_index(
        op.f("ix_webhook_attempt_delivery_id"), "webhook_attempt", ["delivery_id"], unique=False
    )


def downgrade() -> None:
    op.drop_table("webhook_attempt")
    op.drop_table("webhook_delivery")
    op.drop_table("webhook")
    op.drop_table("frozen_standing")
    op.drop_table("frozen_leaderboard")
    op.drop_index(op.f("ix_score_resolution_id_method"), table_name="score")
    op.drop_index(op.f("ix_score_method"), table_name="score")
    op.execute("DELETE FROM score WHERE method IS NOT NULL AND method <> 'bayes'")
    for column in reversed(HORIZONS):
        op.drop_column("score", column)
    op.drop_column("score", "weight")
    op.drop_column("score", "method")
