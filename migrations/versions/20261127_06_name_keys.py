"""Give each account a key that is unique, and a skeleton of how its name looks.

Names that differ only by case or Unicode form were accepted before. Of several, the oldest account
has the key; each of the others has it with a colon and its id, which no name can hold, so that all
of them can sign in by their names as they are.
"""

import unicodedata

import sqlalchemy as sa
from alembic import op
from confusable_homoglyphs import confusables

revision = "20261127_06"
down_revision = "20261127_05"
branch_labels = None
depends_on = None

FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
SELECTORS = frozenset(
    chr(point)
    for span in (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
    for point in span
)
INVISIBLE = {"Zs", "Zl", "Zp", "Cc", "Cf"}
BATCH = 500


def upgrade() -> None:
    op.add_column("account", sa.Column("key", sa.Text(), server_default="", nullable=False))
    op.add_column("account", sa.Column("skeleton", sa.Text(), nullable=True))
    _fill(op.get_bind())
    op.create_index(op.f("ix_account_key"), "account", ["key"], unique=True)
    op.create_index(op.f("ix_account_skeleton"), "account", ["skeleton"])


def downgrade() -> None:
    op.drop_index(op.f("ix_account_skeleton"), "account")
    op.drop_index(op.f("ix_account_key"), "account")
    op.drop_column("account", "skeleton")
    op.drop_column("account", "key")


def _fill(connection: sa.Connection) -> None:
    account = sa.table(
        "account",
        sa.column("id", sa.Integer),
        sa.column("name", sa.String),
        sa.column("key", sa.Text),
        sa.column("skeleton", sa.Text),
    )
    change = (
        sa.update(account)
        .where(account.c.id == sa.bindparam("account_id"))
        .values(key=sa.bindparam("new_key"), skeleton=sa.bindparam("new_skeleton"))
    )
    taken: set[str] = set()
    rows = connection.execute(sa.select(account.c.id, account.c.name).order_by(account.c.id)).all()
    filled = []
    for account_id, name in rows:
        key = _key(name)
        if key in taken:
            key = f"{key}:{account_id}"
        taken.add(key)
        filled.append({"account_id": account_id, "new_key": key, "new_skeleton": _skeleton(name)})
    for first in range(0, len(filled), BATCH):
        connection.execute(change, filled[first : first + BATCH])


def _key(name: str) -> str:
    if ":" in name:
        return name
    folded = unicodedata.normalize("NFKC", name).casefold()
    return _visible(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold()))


def _skeleton(name: str) -> str | None:
    if ":" in name:
        return None
    looks = "".join(map(_prototype, unicodedata.normalize("NFD", _visible(name))))
    return unicodedata.normalize("NFKC", looks).casefold()[:400]


def _visible(text: str) -> str:
    return "".join(
        character
        for character in text
        if character == " "
        or not (
            character in FILLERS
            or character in SELECTORS
            or unicodedata.category(character) in INVISIBLE
        )
    )


def _prototype(character: str) -> str:
    others = _lookalikes(character)
    if len(others) != 1:
        return character
    if len(others[0]) > 1 or len(_lookalikes(others[0])) > 1:
        return others[0]
    return min(character, others[0])


def _lookalikes(character: str) -> list[str]:
    found = confusables.is_confusable(character, greedy=True)
    return [other["c"] for other in found[0]["homoglyphs"]] if found else []
