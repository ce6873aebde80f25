"""Sessions of tokens: a browser session that a token began, and ends with it."""

import sqlalchemy as sa
from alembic import op

revision = "20261127_04"
down_revision = "20261127_03"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("browser_session") as batch:
        batch.add_column(sa.Column("token_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(op.f("fk_browser_session_token_id"), "token", ["token_id"], ["id"])
        batch.create_index(op.f("ix_browser_session_token_id"), ["token_id"])


def downgrade() -> None:
    with op.batch_alter_table("browser_session") as batch:
        batch.drop_index(op.f("ix_browser_session_token_id"))
        batch.drop_constraint(op.f("fk_browser_session_token_id"), type_="foreignkey")
        batch.drop_column("token_id")
