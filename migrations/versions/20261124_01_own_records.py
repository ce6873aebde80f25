"""Own records: what a fit says of each forecaster, who shows it, and how a fit is stored."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_01"
down_revision = "20261123_03"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forecaster_summary",
        sa.Column("fit_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("resolved", sa.Integer(), nullable=False),
        sa.Column("level", sa.Double(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_forecaster_summary_account_id")
        ),
        sa.ForeignKeyConstraint(["fit_id"], ["fit.id"], name=op.f("fk_forecaster_summary_fit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecaster_summary")),
        sa.UniqueConstraint(
            "fit_id", "account_id", name=op.f("uq_forecaster_summary_fit_id_account_id")
        ),
    )
    op.create_index(op.f("ix_forecaster_summary_account_id"), "forecaster_summary", ["account_id"])
    # Until now posteriors were stored in their first format.
    op.add_column("fit", sa.Column("format", sa.Integer(), server_default="1", nullable=False))
    op.add_column(
        "account",
        sa.Column("shows_record", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("account", "shows_record")
    op.drop_column("fit", "format")
    op.drop_table("forecaster_summary")
