"""Accounts sign in: passwords, sessions, scopes, invitations."""

import sqlalchemy as sa
from alembic import op

revision = "20261123_01"
down_revision = "20261122_01"
branch_labels = None
depends_on = None

ROLES = "role IN ('viewer', 'forecaster', 'curator', 'administrator')"
SCOPES = "scope IN ('read', 'forecast', 'curate', 'administer')"


def upgrade() -> None:
    # Not in a batch: SQLite cannot make a table anew that rows of others refer to.
    owner = sa.ForeignKey("account.id", name=op.f("fk_account_owner_id"))
    op.add_column(
        "account", sa.Column("owner_id", sa.Integer(), owner, nullable=True), inline_references=True
    )
    op.add_column("account", sa.Column("password_hash", sa.Text(), nullable=True))
    op.create_index(op.f("ix_account_owner_id"), "account", ["owner_id"])
    with op.batch_alter_table("token") as token:
        # The tokens that exist keep opening all that their accounts may do.
        token.add_column(
            sa.Column("scope", sa.String(20), nullable=False, server_default="administer")
        )
        token.add_column(sa.Column("used_at", sa.DateTime(timezone=True), nullable=True))
        token.add_column(sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
        token.create_check_constraint(op.f("ck_token_scope"), SCOPES)
    with op.batch_alter_table("token") as token:
        token.alter_column("scope", server_default=None)
    op.create_table(
        "browser_session",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("browser", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_browser_session_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_browser_session")),
        sa.UniqueConstraint("digest", name=op.f("uq_browser_session_digest")),
    )
    op.create_index(op.f("ix_browser_session_account_id"), "browser_session", ["account_id"])
    op.create_table(
        "invitation",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("role", sa.String(20), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("inviter_id", sa.Integer(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.CheckConstraint(ROLES, name=op.f("ck_invitation_role")),
        sa.CheckConstraint("used <= uses", name=op.f("ck_invitation_used")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_invitation_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["inviter_id"], ["account.id"], name=op.f("fk_invitation_inviter_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("digest", name=op.f("uq_invitation_digest")),
    )
    op.create_index(op.f("ix_invitation_account_id"), "invitation", ["account_id"])
    op.create_table(
        "allowance",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("spent_until", sa.Double(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allowance")),
        sa.UniqueConstraint("key", name=op.f("uq_allowance_key")),
    )
    op.create_index(op.f("ix_allowance_spent_until"), "allowance", ["spent_until"])


def downgrade() -> None:
    op.drop_table("allowance")
    op.drop_table("invitation")
    op.drop_table("browser_session")
    with op.batch_alter_table("token") as token:
        token.drop_constraint(op.f("ck_token_scope"), type_="check")
        token.drop_column("expires_at")
        token.drop_column("used_at")
        token.drop_column("scope")
    op.drop_index(op.f("ix_account_owner_id"), "account")
    op.drop_column("account", "password_hash")
    op.drop_column("account", "owner_id")
