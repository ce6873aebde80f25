"""Migrations on both databases: they match the models, go both ways, and fail whole or not."""

import ast
import math
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

import migrations
from forecasting.panel import Panel, PanelQuestion
from service.accounts import accounts, tokens
from service.clock import now
from service.database.engine import Database, migration_config
from service.exchange.imports import import_panel
from service.models import Account, Base, Forecast, Role, WebhookAttempt, WebhookDelivery
from service.notifications import deliveries
from service.questions.aggregates import Aggregator

VERSIONS = sorted((Path(migrations.__file__).parent / "versions").glob("2*.py"))
APPLICATION = {"service", "forecasting", "questions", "migrations"}

FAULTY = '''"""A step that fails after it has changed something."""

import sqlalchemy as sa
from alembic import op

revision = "29991231_01"
down_revision = "{newest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("half", sa.Column("id", sa.Integer(), primary_key=True))
    op.execute("DELETE FROM forecast")
    op.execute("INSERT INTO half (nothing) VALUES (1)")


def downgrade() -> None:
    op.drop_table("half")
'''


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def stamp(connection: Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection).get_current_heads()


@pytest.fixture
def connected(on_database) -> Callable[[Callable[[Connection], Any]], Any]:
    """Run a piece of synchronous work on a connection of the service's own kind."""

    def run(work: Callable[[Connection], Any]) -> Any:
        async def on(database: Database) -> Any:
            async with database.engine.connect() as connection:
                found = await connection.run_sync(work)
                await connection.commit()
                return found

        return on_database(on)

    return run


def differences(connection: Connection) -> list[Any]:
    return compare_metadata(
        MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata
    )


def checks(connection: Connection) -> set[tuple[str, frozenset[str]]]:
    """Every CHECK by its name, with the texts that it allows."""
    inspector = inspect(connection)
    return {
        (str(check["name"]), allowed(str(check["sqltext"])))
        for table in inspector.get_table_names()
        for check in inspector.get_check_constraints(table)
    }


def checks_of_the_models() -> set[tuple[str, frozenset[str]]]:
    return {
        (str(constraint.name), allowed(str(constraint.sqltext)))
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }


def allowed(condition: str) -> frozenset[str]:
    return frozenset(re.findall(r"'([^']+)'", condition))


def forecasts(connection: Connection) -> list[float]:
    return list(connection.scalars(select(Forecast.probability)))


def down(connection: Connection) -> None:
    command.downgrade(migration_config(connection), "base")


def test_the_migrations_make_exactly_the_tables_of_the_models(on_database, connected) -> None:
    assert connected(differences) == []
    assert connected(checks) == checks_of_the_models()
    assert on_database(Database.schema_is_current)


def test_down_and_up_again_with_rows_inside(on_database, connected, account, question) -> None:
    account("ann").forecast(question(), 0.3)
    assert connected(tables) == set(Base.metadata.tables)
    connected(down)
    assert connected(tables) == set()
    assert not on_database(Database.schema_is_current)
    on_database(Database.migrate)
    assert connected(tables) == set(Base.metadata.tables)
    assert connected(forecasts) == []


def test_forecasters_imported_before_are_marked(on_database, connected) -> None:
    async def read_in(database: Database) -> None:
        panel = Panel.of(
            forecasts=[("ann", "rain", math.nan, math.inf, 0.5)],
            questions=[PanelQuestion("rain")],
        )
        async with database.write() as session:
            await import_panel(session, Aggregator(0.8), panel, "survey")
            for name in ("survey:me", "other:x"):  # names like theirs, when they were allowed
                at = now()
                used = Account(
                    name=name, role=Role.forecaster, bot=False, created_at=at, deactivated_at=at
                )
                session.add(used)
                await session.flush()
                await tokens.issue(session, used.id, "first")

    def round_trip(connection: Connection) -> None:
        command.downgrade(migration_config(connection), "20261127_02")
        command.upgrade(migration_config(connection), "head")

    def marked(connection: Connection) -> list[str]:
        return list(connection.scalars(select(Account.name).where(Account.imported)))

    on_database(read_in)
    connected(round_trip)
    assert connected(marked) == ["survey:ann"]


NAMES = ("ann", "\u00e9", "e\u0301", "Zo\u00cb", "ZO\u00cb", "zo\u00eb", "panel:Ann", "panel:ann")
KEYS = (
    "ann",
    "\u00e9",
    "\u00e9:3",
    "zo\u00eb",
    "zo\u00eb:5",
    "zo\u00eb:6",
    "panel:Ann",
    "panel:ann",
)


def test_names_that_were_two_before_keep_an_account_each(on_database, connected) -> None:
    def before(connection: Connection) -> None:
        command.downgrade(migration_config(connection), "20261127_05")
        for number, name in enumerate(NAMES, 1):
            connection.execute(
                text(
                    "INSERT INTO account (id, name, role, bot, shows_record, created_at) "
                    "VALUES (:id, :name, 'forecaster', false, false, '2026-11-01 00:00:00')"
                ),
                {"id": number, "name": name},
            )

    async def known(database: Database) -> list[int]:
        async with database.read() as session:
            return [(await accounts.named(session, name)).id for name in NAMES]

    connected(before)
    on_database(Database.migrate)
    keys = connected(lambda connection: connection.scalars(select(Account.key)).all())
    assert sorted(keys) == sorted(KEYS)
    assert on_database(known) == list(range(1, len(NAMES) + 1))


def test_errors_of_deliveries_stored_before_name_no_address(
    on_database, connected, account, question
) -> None:
    ann = account("ann")
    hook = ann.post("/webhooks", {"url": "https://example.org/", "events": ["question.opened"]})
    asked, at = question(), datetime.now(UTC)
    present = [
        "",
        f"no answer within {deliveries.PATIENCE_SECONDS:g} s",
        "the host accepts no connection",
        "the host does not resolve to a public address",
    ]
    old = [
        "ConnectError: [Errno 111] Connect call failed ('10.0.0.7', 5432)",
        "db.internal is 10.0.0.7, which is not a public address",
    ]

    async def store(database: Database) -> None:
        async with database.write() as session:
            delivery = WebhookDelivery(
                webhook_id=hook.json()["id"],
                key="told",
                event="question.opened",
                question_id=asked,
                payload={},
                attempts=len(present + old),
                created_at=at,
            )
            session.add(delivery)
            await session.flush()
            for error in present + old:
                session.add(
                    WebhookAttempt(delivery_id=delivery.id, status=None, error=error, created_at=at)
                )
                await session.flush()

    def round_trip(connection: Connection) -> None:
        command.downgrade(migration_config(connection), "20261127_07")
        command.upgrade(migration_config(connection), "head")

    def errors(connection: Connection) -> list[str]:
        return list(connection.scalars(select(WebhookAttempt.error).order_by(WebhookAttempt.id)))

    on_database(store)
    connected(round_trip)
    assert connected(errors) == [*present, *["the delivery could not be made"] * len(old)]
    (told,) = ann.get(f"/webhooks/{hook.json()['id']}/deliveries").json()["items"]
    assert "10.0.0.7" not in str(told)


def test_migrating_again_changes_nothing(on_database, connected, account, question) -> None:
    account("ann").forecast(question(), 0.3)
    on_database(Database.migrate)
    assert connected(forecasts) == [0.3]


def test_a_step_that_fails_half_way_leaves_nothing_of_itself(
    on_database, connected, account, question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account("ann").forecast(question(), 0.3)
    before = connected(stamp)
    folder = tmp_path / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, folder)
    (folder / "versions" / "29991231_01_faulty.py").write_text(FAULTY.format(newest=before[0]))
    monkeypatch.setattr(migrations, "__file__", str(folder / "__init__.py"))
    assert not on_database(Database.schema_is_current)
    with pytest.raises(SQLAlchemyError, match="nothing"):
        on_database(Database.migrate)
    assert connected(tables) == set(Base.metadata.tables)
    assert connected(stamp) == before
    assert connected(forecasts) == [0.3]


def test_a_table_in_the_way_stops_the_first_step_whole(on_database, connected) -> None:
    connected(down)
    connected(lambda connection: connection.execute(text("CREATE TABLE score (mine INTEGER)")))
    with pytest.raises(SQLAlchemyError, match="score"):
        on_database(Database.migrate)
    assert connected(tables) == {"score"}
    assert connected(stamp) == ()


def test_the_steps_form_one_line_in_the_order_of_their_names() -> None:
    for path in VERSIONS:
        assert re.fullmatch(r"20\d{6}_\d{2}_[a-z0-9]+(_[a-z0-9]+)*\.py", path.name)
    scripts = ScriptDirectory.from_config(migration_config(None))
    line = [step.revision for step in scripts.walk_revisions()]
    assert line[::-1] == ["_".join(path.name.split("_")[:2]) for path in VERSIONS]
    assert len(scripts.get_heads()) == 1


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_a_step_imports_no_application_code(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported
    assert not imported & (APPLICATION | {"."})
