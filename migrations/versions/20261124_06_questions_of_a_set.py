"""Find the questions of a set in the order of their ids, wherever a page of its list begins."""

from alembic import op

revision = "20261124_06"
down_revision = "20261124_05"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_question_set_id_id"), "question", ["set_id", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_question_set_id_id"), "question")
