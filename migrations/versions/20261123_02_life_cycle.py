"""The life cycle: policies, audit, comments."""

import sqlalchemy as sa
from alembic import op

revision = "20261123_02"
down_revision = "20261123_01"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "question_revision", sa.Column("reveal_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_table(
        "set_policy",
        sa.Column("set_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.String(length=20), nullable=False),
        sa.Column("reveal_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "visibility IN ('always', 'after_forecast', 'reveal_at')",
            name=op.f("ck_set_policy_visibility"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_set_policy_account_id")
        ),
        sa.ForeignKeyConstraint(["set_id"], ["question_set.id"], name=op.f("fk_set_policy_set_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_set_policy")),
        sa.UniqueConstraint("set_id", "number", name=op.f("uq_set_policy_set_id_number")),
    )
    op.create_table(
        "comment",
        sa.Column("question_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("forecast_id", sa.Integer(), nullable=True),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_comment_account_id")),
        sa.ForeignKeyConstraint(
            ["forecast_id"], ["forecast.id"], name=op.f("fk_comment_forecast_id")
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["comment.id"], name=op.f("fk_comment_parent_id")),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name=op.f("fk_comment_question_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment")),
    )
    op.create_index(op.f("ix_comment_account_id_id"), "comment", ["account_id", "id"])
    op.create_index(op.f("ix_comment_forecast_id"), "comment", ["forecast_id"])
    op.create_index(op.f("ix_comment_parent_id"), "comment", ["parent_id"])
    op.create_index(op.f("ix_comment_question_id_id"), "comment", ["question_id", "id"])
    op.create_table(
        "comment_revision",
        sa.Column("comment_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["comment_id"], ["comment.id"], name=op.f("fk_comment_revision_comment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment_revision")),
        sa.UniqueConstraint(
            "comment_id", "number", name=op.f("uq_comment_revision_comment_id_number")
        ),
    )
    op.create_table(
        "comment_removal",
        sa.Column("comment_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_comment_removal_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["comment_id"], ["comment.id"], name=op.f("fk_comment_removal_comment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment_removal")),
        sa.UniqueConstraint(
            "comment_id", "number", name=op.f("uq_comment_removal_comment_id_number")
        ),
    )
    op.create_table(
        "act",
        sa.Column("action", sa.String(length=50), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("subject_id", sa.Integer(), nullable=True),
        sa.Column("set_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_act_account_id")),
        sa.ForeignKeyConstraint(["set_id"], ["question_set.id"], name=op.f("fk_act_set_id")),
        sa.ForeignKeyConstraint(["subject_id"], ["account.id"], name=op.f("fk_act_subject_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_act")),
    )
    op.create_index(op.f("ix_act_account_id"), "act", ["account_id"])
    op.create_index(op.f("ix_act_set_id"), "act", ["set_id"])
    op.create_index(op.f("ix_act_subject_id"), "act", ["subject_id"])


def downgrade() -> None:
    op.drop_table("act")
    op.drop_table("comment_removal")
    op.drop_table("comment_revision")
    op.drop_table("comment")
    op.drop_table("set_policy")
    op.drop_column("question_revision", "reveal_at")
