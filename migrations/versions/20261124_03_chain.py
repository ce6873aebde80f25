"""The chain of facts: forecasts, withdrawals and resolutions of a question seal those before."""

import hashlib
import heapq
import json
import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "20261124_03"
down_revision = "20261124_02"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def facts(name: str, *said: sa.ColumnClause[Any]) -> sa.TableClause:
    return sa.table(
        name,
        sa.column("id", sa.Integer),
        sa.column("question_id", sa.Integer),
        sa.column("position", sa.Integer),
        sa.column("salt", sa.LargeBinary),
        sa.column("digest", sa.LargeBinary),
        sa.column("account_id", sa.Integer),
        sa.column("created_at", MOMENT),
        *said,
    )


TABLES = (
    facts(
        "forecast",
        sa.column("probability", sa.Double),
        sa.column("rationale", sa.Text),
        sa.column("expires_at", MOMENT),
    ),
    facts("withdrawal"),
    facts(
        "resolution",
        sa.column("number", sa.Integer),
        sa.column("outcome", sa.Text),
        sa.column("occurred_at", MOMENT),
        sa.column("evidence_url", sa.Text),
        sa.column("note", sa.Text),
    ),
)


def upgrade() -> None:
    for table in TABLES:
        for column in (
            sa.Column("position", sa.Integer(), server_default="0", nullable=False),
            sa.Column("salt", sa.LargeBinary(16), server_default=sa.text("''"), nullable=False),
            sa.Column("digest", sa.LargeBinary(32), server_default=sa.text("''"), nullable=False),
        ):
            op.add_column(table.name, column)
    link(op.get_bind())
    for table in TABLES:
        op.create_index(
            op.f(f"ix_{table.name}_question_id_position"),
            table.name,
            ["question_id", "position"],
            unique=True,
        )


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(op.f(f"ix_{table.name}_question_id_position"), table.name)
        for name in ("position", "salt", "digest"):
            op.drop_column(table.name, name)


def link(connection: sa.Connection) -> None:
    """Chain what is there: each question's facts by their times, those of a table by their ids."""
    known = sa.table("question", sa.column("id", sa.Integer))
    for question_id in connection.scalars(sa.select(known.c.id).order_by(known.c.id)).all():
        rows = (
            connection.execute(
                sa.select(sa.literal(place).label("place"), table)
                .where(table.c.question_id == question_id)
                .order_by(table.c.id)
            ).all()
            for place, table in enumerate(TABLES)
        )
        store(connection, chained(heapq.merge(*rows, key=attrgetter("created_at"))))


def chained(rows: Iterable[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row's table, and its id, position, salt and digest."""
    digest = bytes(32)
    for position, row in enumerate(rows, start=1):
        salt = secrets.token_bytes(16)
        sealed = row._asdict() | {"kind": TABLES[row.place].name, "position": position}
        for name in ("id", "salt", "digest", "place"):
            del sealed[name]
        text = json.dumps(
            {name: plain(value) for name, value in sealed.items()},
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
        leaf = hashlib.sha256(salt + text.encode()).digest()
        digest = hashlib.sha256(digest + leaf).digest()
        yield row.place, {"key": row.id, "position": position, "salt": salt, "digest": digest}


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        at = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return repr(value + 0.0) if isinstance(value, float) else value


def store(connection: sa.Connection, links: Iterable[tuple[int, dict[str, Any]]]) -> None:
    for place, of_table in groupby(sorted(links, key=lambda one: one[0]), key=lambda one: one[0]):
        table = TABLES[place]
        connection.execute(
            sa.update(table)
            .where(table.c.id == sa.bindparam("key"))
            .values({name: sa.bindparam(name) for name in ("position", "salt", "digest")}),
            [values for _, values in of_table],
        )
