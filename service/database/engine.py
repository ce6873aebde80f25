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
"""How many connections each process keeps open; ten more are opened and closed as needed."""


class Database:
    """An engine and the two kinds of transaction that the service knows.

    A write transaction on SQLite takes the write lock at once (BEGIN IMMEDIATE), so that it can
    never fail half-way for having read before; on PostgreSQL the nouns lock the rows they change.
    A read transaction sees one moment of the database. Sessions share `info["kept"]`, in which the
    nouns keep what they have read of rows that never change.
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
            # Transactions are begun by statements of our own, as on SQLite: to tell the driver of
            # another kind of transaction each time costs more than the transaction.
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
        """A session for one statement that reads; each one more sees a later moment."""
        async with self._session(self._glancing) as session, session.begin():
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session that reads one consistent moment."""
        async with self._session(self._reading) as session, session.begin():
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A session that commits when the block ends well, and leaves nothing when it does not.

        OperationalError if SQLite's file was removed or replaced.
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
        """A session that may write but leaves nothing, to look at what would be."""
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
        """Bring the schema to a revision (upwards); Conflict when it does not know the one held."""
        from alembic import command  # noqa: PLC0415  # slow to import, and only migrating needs it
        from alembic.util import CommandError  # noqa: PLC0415  # as above

        async with self.engine.connect() as connection:
            try:
                await connection.run_sync(lambda c: command.upgrade(migration_config(c), revision))
            except CommandError as error:
                raise Conflict(f"the database cannot be migrated: {error}") from error
            await connection.commit()

    async def schema_is_current(self) -> bool:
        """Whether the database has exactly the newest schema."""
        async with self.engine.connect() as connection:
            if not await connection.run_sync(lambda c: inspect(c).has_table("alembic_version")):
                return False
            held = await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
            return held.scalars().all() == [newest_revision()]

    async def close(self) -> None:
        """Give back every connection."""
        await self.engine.dispose()


def newest_revision() -> str:
    """The last revision, which its file's name starts with: YYYYMMDD_NN_slug.py."""
    last = max(file.stem for file in _folder().glob("versions/[0-9]*.py"))
    return "_".join(last.split("_")[:2])


def migration_config(connection: Connection | None) -> "Config":
    """Alembic's configuration for these migrations on an open connection."""
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
    """Begin the kind of transaction that the connection was asked for, if any."""
    statement = connection.get_execution_options().get("credence_begins", "BEGIN")
    if statement is not None:
        connection.exec_driver_sql(statement)


def _leave_closed_connections(engine: AsyncEngine) -> None:
    """Take no connection out of the pool that the server has closed meanwhile.

    A server that closes one says so on its socket, so there is no need to ask it each time.
    """

    @event.listens_for(engine.sync_engine, "checkout")
    def _taken(dbapi_connection: Any, _record: object, _proxy: object) -> None:
        socket = select.poll()
        socket.register(dbapi_connection.driver_connection.fileno(), select.POLLIN)
        if socket.poll(0):
            raise DisconnectionError("the server closed this connection")
