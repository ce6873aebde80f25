"""Let the database refuse an aggregate's cause that the service does not know."""

from alembic import op

revision = "20261127_01"
down_revision = "20261124_06"
branch_labels = None
depends_on = None

CAUSES = (
    "cause IN ('forecast', 'withdrawal', 'fit', 'revision', 'resolution', 'unresolution', 'import')"
)


def upgrade() -> None:
    with op.batch_alter_table("aggregate") as aggregate:
        aggregate.create_check_constraint(op.f("ck_aggregate_cause"), CAUSES)


def downgrade() -> None:
    with op.batch_alter_table("aggregate") as aggregate:
        aggregate.drop_constraint(op.f("ck_aggregate_cause"), type_="check")
