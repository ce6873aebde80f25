"""The database: engine, read and write transactions, and the migrations' entry."""

import asyncio
import select
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, event, inspect
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

import migrations
from service.database import sqlite
from service.exceptions import Conflict
from service.models.unreadable import decoded

if TYPE_CHECKING:
    from alembic.config import Config

BUSY_TIMEOUT_MS: Final = 20_000
KEPT_CONNECTIONS: Final = 20
"""Connections kept open per process; up to ten more are opened on demand."""


class Database:
    """An engine with the read and write transactions of the service.

    A write transaction on SQLite takes the write lock immediately (BEGIN IMMEDIATE), so that it
    cannot fail later because of an earlier read; on PostgreSQL, services lock the rows that they
    change. A read transaction sees a consistent snapshot. Sessions share `info["kept"]`, a cache
    of immutable rows.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.sqlite = url.get_backend_name() == "sqlite"
        self._file = sqlite.File(str(url.database)) if self.sqlite else None
        if self._file is not None:
            self.engine = create_async_engine(
                url,
                async_creator=partial(sqlite.connect, self._file),
                pool_size=KEPT_CONNECTIONS,
                json_deserializer=decoded,
            )
            _configure_sqlite(self.engine, self._file)
        else:
            # Transactions start with explicit statements, as on SQLite: setting the isolation
            # level through the driver each time costs more than the transaction.
            self.engine = create_async_engine(
                url,
                pool_size=KEPT_CONNECTIONS,
                isolation_level="AUTOCOMMIT",
                json_deserializer=decoded,
            )
            _leave_closed_connections(self.engine)
        event.listen(self.engine.sync_engine, "begin", _begin)
        reads = "BEGIN" if self.sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ"
        writes = "BEGIN IMMEDIATE" if self.sqlite else "BEGIN"
        self._glancing = self.engine.execution_options(credence_begins=None)
        self._reading = self.engine.execution_options(credence_begins=reads)
        self._writing = self.engine.execution_options(credence_begins=writes)
        self._info: dict[str, dict[Any, Any]] = {"kept": {}}
        self._turn: AbstractAsyncContextManager[Any] = (
            asyncio.Lock() if self.sqlite else nullcontext()
        )

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[AsyncSession]:
        """Open a session for one read statement; each further one sees a later state."""
        async with self._session(self._glancing) as session, session.begin():
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open a session that reads a consistent snapshot."""
        async with self._session(self._reading) as session, session.begin():
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Open a session that commits on success and rolls back on an error.

        Raises OperationalError if SQLite's file was removed or replaced.
        """
        async with (
            self._turn,
            self._session(self._writing) as session,
            session.begin(),
        ):
            self.require_file()
            if self.sqlite:
                await session.connection()
            yield session
            self.require_file()

    @asynccontextmanager
    async def dry_run(self) -> AsyncIterator[AsyncSession]:
        """Open a session whose changes are always rolled back, to preview their effect."""
        async with (
            self._turn,
            self._session(self._writing) as session,
        ):
            await session.begin()
            yield session
            await session.rollback()

    def require_file(self) -> None:
        """Raise OperationalError if SQLite's file is not the one that was opened."""
        if self._file is not None:
            try:
                self._file.require()
            except sqlite.FileReplaced as error:
                raise OperationalError(None, None, error) from error

    def _session(self, engine: AsyncEngine) -> AsyncSession:
        return AsyncSession(engine, expire_on_commit=False, info=self._info)

    async def migrate(self, revision: str = "head") -> None:
        """Upgrade the schema to a revision; raises Conflict if the current one is unknown."""
        from alembic import command  # noqa: PLC0415  # slow to import, and only migrating needs it
        from alembic.util import CommandError  # noqa: PLC0415  # as above

        async with self.engine.connect() as connection:
            try:
                await connection.run_sync(lambda c: command.upgrade(migration_config(c), revision))
            except CommandError as error:
                raise Conflict(f"the database cannot be migrated: {error}") from error
            await connection.commit()

    async def schema_is_current(self) -> bool:
        """Return whether the database has exactly the newest schema."""
        async with self.engine.connect() as connection:
            if not await connection.run_sync(lambda c: inspect(c).has_table("alembic_version")):
                return False
            held = await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
            return held.scalars().all() == [newest_revision()]

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def newest_revision() -> str:
    """Return the last revision from its file name, YYYYMMDD_NN_slug.py."""
    last = max(file.stem for file in _folder().glob("versions/[0-9]*.py"))
    return "_".join(last.split("_")[:2])


def migration_config(connection: Connection | None) -> "Config":
    """Return Alembic's configuration for the migrations on an open connection."""
    from alembic.config import Config  # noqa: PLC0415  # slow to import

    config = Config()
    config.set_main_option("script_location", str(_folder()))
    config.attributes["connection"] = connection
    return config


def _folder() -> Path:
    return Path(migrations.__file__).parent


def _configure_sqlite(engine: AsyncEngine, file: sqlite.File) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _connected(dbapi_connection: Any, _record: object) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()
        sqlite.close_to_others(file.path)


def _begin(connection: Connection) -> None:
    """Begin the requested kind of transaction, if any."""
    statement = connection.get_execution_options().get("credence_begins", "BEGIN")
    if statement is not None:
        connection.exec_driver_sql(statement)


def _leave_closed_connections(engine: AsyncEngine) -> None:
    """Discard pooled connections that the server has closed.

    A closed connection is visible on its socket, so no query is needed to detect it.
    """

    @event.listens_for(engine.sync_engine, "checkout")
    def _taken(dbapi_connection: Any, _record: object, _proxy: object) -> None:
        socket = select.poll()
        socket.register(dbapi_connection.driver_connection.fileno(), select.POLLIN)
        if socket.poll(0):
            raise DisconnectionError("the server closed this connection")
