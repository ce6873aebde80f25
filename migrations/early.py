"""Completes databases of the first days, whose revisions were extended under the same ids later.

From 22 to 24 November 2026, five revisions got further tables and columns after databases had been
stamped with them. Such a database lacks what came later, and the next revision, or the service,
would fail on it. What is missing is added here, before any other revision runs. A revision that has
landed is never edited again: tests hold each to its digest in `digests.txt`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from alembic import op
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory


@dataclass(frozen=True)
class Piece:
    """Something that a revision got later: a table, or a column of one, tells that it is there.

    `add` is None where the whole revision came later, empty before.
    """

    revision: str
    table: str
    column: str | None = None
    add: Callable[[], None] | None = None


def complete(connection: sa.Connection, scripts: ScriptDirectory) -> None:
    """Add what a database lacks of the revisions that it is stamped with, all of it or nothing."""
    with connection.begin():
        context = MigrationContext.configure(connection)
        stamped = context.get_current_revision()
        if stamped is None:
            return
        with Operations.context(context):
            for piece in PIECES:
                if piece.revision <= stamped and _lacks(connection, piece):
                    (piece.add or scripts.get_revision(piece.revision).module.upgrade)()


def _lacks(connection: sa.Connection, piece: Piece) -> bool:
    inspector = sa.inspect(connection)
    if piece.column is None:
        return not inspector.has_table(piece.table)
    return piece.column not in {one["name"] for one in inspector.get_columns(piece.table)}


def _add_what_curators_write() -> None:
    op.add_column("question_set", sa.Column("review", sa.JSON(), nullable=True))
    op.add_column(
        "question_set", sa.Column("waivers", sa.JSON(), nullable=False, server_default="[]")
    )
    op.add_column("question", sa.Column("file_hash", sa.String(length=64), nullable=True))
    op.add_column(
        "question_revision",
        sa.Column("tail", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    # Not in a batch: SQLite cannot make a table anew that rows of others refer to.
    reviser = sa.ForeignKey("account.id", name=op.f("fk_question_revision_account_id"))
    op.add_column(
        "question_revision",
        sa.Column("account_id", sa.Integer(), reviser, nullable=True),
        inline_references=True,
    )
    op.add_column(
        "question_revision", sa.Column("reason", sa.Text(), nullable=False, server_default="")
    )


def _add_webhooks() -> None:
    op.create_table(
        "webhook",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("set_id", sa.Integer(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("moved_by", sa.Double(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_webhook_account_id")),
        sa.ForeignKeyConstraint(["set_id"], ["question_set.id"], name=op.f("fk_webhook_set_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
    )
    op.create_index(op.f("ix_webhook_account_id"), "webhook", ["account_id"])
    op.create_table(
        "webhook_delivery",
        sa.Column("webhook_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("question_id", sa.Integer(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name=op.f("fk_webhook_delivery_question_id")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name=op.f("fk_webhook_delivery_webhook_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        sa.UniqueConstraint("webhook_id", "key", name=op.f("uq_webhook_delivery_webhook_id_key")),
    )
    op.create_index(op.f("ix_webhook_delivery_due_at"), "webhook_delivery", ["due_at"])
    op.create_table(
        "webhook_attempt",
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["webhook_delivery.id"], name=op.f("fk_webhook_attempt_delivery_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_attempt")),
    )
    op.create_index(op.f("ix_webhook_attempt_delivery_id"), "webhook_attempt", ["delivery_id"])


def _add_formats_of_fits() -> None:
    # Until then posteriors were stored in their first format.
    op.add_column("fit", sa.Column("format", sa.Integer(), server_default="1", nullable=False))


PIECES = (
    Piece("20261122_01", "question_set", "waivers", _add_what_curators_write),
    Piece("20261123_01", "invitation"),
    Piece("20261123_02", "set_policy"),
    Piece("20261123_03", "frozen_leaderboard"),
    Piece("20261123_03", "webhook", None, _add_webhooks),
    Piece("20261124_01", "fit", "format", _add_formats_of_fits),
)
"""What came later, in the order of the revisions that it belongs to."""
