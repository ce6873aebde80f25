"""Databases that earlier versions wrote come to the present schema, and the service serves them.

Each was written by the code of an earlier commit; tests/data/databases/README.md says by which.
"""

import asyncio
import gzip
import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from click.testing import CliRunner
from litestar.testing import TestClient

import migrations
from service.app import create_app
from service.cli import main
from service.database.engine import Database
from service.models import Base
from service.settings import Settings

pytestmark = pytest.mark.slow

DATABASES = {
    path.name.partition(".")[0]: path
    for path in sorted((Path(__file__).parents[2] / "data" / "databases").glob("*.sql.gz"))
}
SERVED = [
    "20261122_01-530b1b8",
    "20261123_03-9d6f4e7",
    "20261124_01-30c69ca",
    "20261124_06-7225302",
]
"""Those that are also served: one of each kind of what may be lacking, and the latest."""
SOON_AFTER = datetime(2026, 12, 1, tzinfo=UTC)
REVISIONS = Path(migrations.__file__).parent / "versions"


@dataclass(frozen=True)
class Installation:
    """An installation of this version: its settings, and its command."""

    settings: Settings

    def migrate(self) -> None:
        async def work() -> None:
            database = Database(self.settings.url)
            await database.migrate()
            await database.close()

        asyncio.run(work())

    def credence(self, *arguments: str) -> str:
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done.output


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """A database as an earlier version left it."""

    def write(name: str) -> Path:
        file = tmp_path / "earlier.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(gzip.decompress(DATABASES[name].read_bytes()).decode())
        return file

    return write


@pytest.fixture
def upgraded(
    written: Callable[[str], Path],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str, str], Installation]:
    """Bring a database to this version: in place, or as a backup restored into PostgreSQL."""

    def upgrade(name: str, backend: str) -> Installation:
        file = written(name)
        url = f"sqlite:///{file}"
        if backend == "postgresql":
            url = request.getfixturevalue("empty_postgresql")
        settings = Settings(
            database_url=url,
            jobs_database_url=f"sqlite:///{tmp_path / 'jobs.db'}",
            readers="everyone",
        )
        monkeypatch.setenv("CREDENCE_DATABASE_URL", url)
        monkeypatch.setenv("CREDENCE_JOBS_DATABASE_URL", settings.jobs_database_url)
        made = Installation(settings)
        if backend == "postgresql":
            made.credence("restore", str(file))
        else:
            made.migrate()
        return made

    return upgrade


def differences(url: str) -> list[Any]:
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with closing(engine.connect()) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    return list(found)


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_of_an_earlier_version_gets_exactly_the_tables_of_this_one(
    name: str, upgraded
) -> None:
    with time_machine.travel(SOON_AFTER):
        installation = upgraded(name, "sqlite")
    assert differences(installation.settings.database_url) == []
    facts = installation.credence("verify").partition(";")[0]
    assert facts == "20 facts on 3 questions are whole"
    # Migrating again changes nothing.
    installation.migrate()
    assert differences(installation.settings.database_url) == []


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
@pytest.mark.parametrize("name", SERVED)
def test_a_database_of_an_earlier_version_is_verified_and_served(
    name: str, backend: str, upgraded
) -> None:
    with time_machine.travel(SOON_AFTER):
        installation = upgraded(name, backend)
        assert differences(installation.settings.database_url) == []
        installation.credence("scores", "rebuild")
        verified = installation.credence("verify", "--derived")
        assert "aggregates and scores are what the facts lead to" in verified
        made = installation.credence("account", "create", "zoe", "--role", "curator", "--token")
        headers = {"Authorization": f"Bearer {made.strip().splitlines()[-1]}"}
        with TestClient(create_app(installation.settings)) as client:
            assert client.get("/readyz").status_code == 200
            listed = client.get("/api/v1/questions", headers=headers).json()["items"]
            assert [one["slug"] for one in listed] == ["rain", "snow", "hail"]
            ids = [one["id"] for one in listed]
            for one in ids:
                for part in ("", "/forecasts", "/aggregate/history", "/provenance", "/scores"):
                    answer = client.get(f"/api/v1/questions/{one}{part}", headers=headers)
                    assert answer.status_code == 200, (part, answer.text)
            parts = ("sets/almanac/implications", "leaderboard", "fits", "heads", "audit", "jobs")
            for part in parts:
                assert client.get(f"/api/v1/{part}", headers=headers).status_code == 200, part
            pages = [f"/questions/{one}{part}" for one in ids for part in ("", "/history.svg")]
            pages += ["/", "/questions", "/sets/almanac", "/leaderboard", "/calibration", "/model"]
            for page in (*pages, "/forecasters/1", "/sets/almanac/implications/wet"):
                assert client.get(page).status_code == 200, page
            said = {"probability": 0.4}
            path = f"/api/v1/questions/{ids[2]}/forecasts"
            assert client.post(path, headers=headers, json=said).status_code == 201
        assert "aggregates and scores are" in installation.credence("verify", "--derived")


def test_an_aggregate_of_an_earlier_version_may_differ_and_one_of_this_version_may_not(
    upgraded,
) -> None:
    with time_machine.travel(SOON_AFTER):
        installation = upgraded("20261124_06-7225302", "sqlite")
        change = "UPDATE aggregate SET probability = 0.111"
        with closing(sqlite3.connect(installation.settings.url.database or "")) as connection:
            connection.execute(change)
            connection.commit()
        installation.credence("scores", "rebuild")
        verified = installation.credence("verify", "--derived")
        assert "3 aggregates were made by an earlier version" in verified
        with closing(sqlite3.connect(installation.settings.url.database or "")) as connection:
            connection.execute("UPDATE aggregate SET algorithm = 1")
            connection.commit()
        refused = CliRunner().invoke(main, ["verify", "--derived"])
        assert refused.exit_code == 1
        assert refused.output.count("does not follow from the facts") == 3


def test_a_revision_that_has_landed_is_never_edited() -> None:
    """Databases have been stamped with it: what it lacks goes into a new one.

    A new revision gets its line in `migrations/digests.txt` with the commit that adds it, by
    `cd migrations/versions && sha256sum 2*.py > ../digests.txt`.
    """
    recorded = {
        name: digest
        for digest, name in (
            line.split() for line in (REVISIONS.parent / "digests.txt").read_text().splitlines()
        )
    }
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(REVISIONS.glob("2*.py"))
    }
    assert found == recorded
