"""Keep of each question what searches compare, the same on every database."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "20261127_07"
down_revision = "20261127_06"
branch_labels = None
depends_on = None

ALIKE = str.maketrans(
    {
        **dict.fromkeys(
            "\u2018\u2019\u201a\u201b\u2032\u02b9\u02bb\u02bc\u02bd\u00b4\u2039\u203a", "'"
        ),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        "\u0131": "i",
        "\u0142": "l",
        "\u00f8": "o",
        "\u0111": "d",
        "\u0127": "h",
        "\u00e6": "ae",
        "\u0153": "oe",
        "\u00fe": "th",
        "\u00f0": "d",
    }
)
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
SELECTORS = frozenset(
    chr(point)
    for span in (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
    for point in span
)
INVISIBLE = {"Zs", "Zl", "Zp", "Cc", "Cf"}
FIRST_ACCENT = 10
BATCH = 200


def upgrade() -> None:
    op.add_column(
        "question_revision",
        sa.Column("search_text", sa.Text(), server_default="", nullable=False),
    )
    connection = op.get_bind()
    revision_of = sa.table(
        "question_revision",
        sa.column("id", sa.Integer),
        *(sa.column(name, sa.Text) for name in ("title", "background", "criteria", "search_text")),
    )
    columns = revision_of.c
    change = (
        sa.update(revision_of)
        .where(columns.id == sa.bindparam("revision_id"))
        .values(search_text=sa.bindparam("folded"))
    )
    last = 0
    while rows := connection.execute(
        sa.select(columns.id, columns.title, columns.background, columns.criteria)
        .where(columns.id > last)
        .order_by(columns.id)
        .limit(BATCH)
    ).all():
        folded = [{"revision_id": row[0], "folded": _folded("\n".join(row[1:]))} for row in rows]
        connection.execute(change, folded)
        last = rows[-1][0]


def downgrade() -> None:
    op.drop_column("question_revision", "search_text")


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(
        character for character in apart if unicodedata.combining(character) < FIRST_ACCENT
    )
    alike = unicodedata.normalize("NFC", bare).translate(ALIKE)
    return "".join(
        character for character in alike if character.isspace() or not _is_invisible(character)
    )


def _is_invisible(character: str) -> bool:
    return (
        character in FILLERS
        or character in SELECTORS
        or unicodedata.category(character) in INVISIBLE
    )
