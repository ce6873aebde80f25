"""Tasks, which workers are asked to do, with what they make; how far a worker is with a fit."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_05"
down_revision = "20261124_04"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "task",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=True),
        sa.Column("after", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('scores', 'export')", name=op.f("ck_task_kind")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_task_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("key", name=op.f("uq_task_key")),
    )
    op.create_index(op.f("ix_task_account_id_id"), "task", ["account_id", "id"])
    op.create_index(op.f("ix_task_expires_at"), "task", ["expires_at"])
    op.create_table(
        "task_piece",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_piece_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_piece")),
        sa.UniqueConstraint("task_id", "number", name=op.f("uq_task_piece_task_id_number")),
    )
    op.add_column("worker", sa.Column("stage", sa.Text(), server_default="", nullable=False))
    for name in ("drawn", "draws"):
        op.add_column("worker", sa.Column(name, sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    for name in ("stage", "drawn", "draws"):
        op.drop_column("worker", name)
    op.drop_table("task_piece")
    op.drop_table("task")
