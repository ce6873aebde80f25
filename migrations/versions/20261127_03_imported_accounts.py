"""Imported forecasters are marked as such.

Those of before are known by their names, SET:NAME where SET was imported, and by having been made
deactivated, with nothing that ever opened them.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "20261127_03"
down_revision = "20261127_02"
branch_labels = None
depends_on = None

SETS = sa.text("SELECT slug, document FROM question_set")
CLOSED_FROM_THE_FIRST = sa.text(
    "SELECT id, name FROM account WHERE deactivated_at = created_at AND password_hash IS NULL "
    "AND owner_id IS NULL AND id NOT IN (SELECT account_id FROM token)"
)
MARK = sa.text("UPDATE account SET imported = true WHERE id = :id")


def upgrade() -> None:
    op.add_column(
        "account", sa.Column("imported", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    connection = op.get_bind()
    imported = {slug for slug, document in connection.execute(SETS) if _is_imported(document)}
    marked = [
        {"id": id_}
        for id_, name in connection.execute(CLOSED_FROM_THE_FIRST)
        if ":" in name and name.partition(":")[0] in imported
    ]
    if marked:
        connection.execute(MARK, marked)


def _is_imported(document: object) -> bool:
    found = json.loads(document) if isinstance(document, str) else document
    return isinstance(found, dict) and "data_hash" in found


def downgrade() -> None:
    op.drop_column("account", "imported")
