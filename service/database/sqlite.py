"""An asynchronous SQLite driver that uses its thread only for potentially slow operations.

The standard driver uses a separate thread, and SQLAlchemy sends it four operations per statement:
make a cursor, execute, fetch, close. Each costs far more than most statements of the service,
especially while the event loop is busy. Here a statement that looks up or inserts a few rows runs
in the thread of the event loop, including the first fetch. Operations that may block run in the
worker thread: taking the write lock, committing to disk and other kinds of statements. A SELECT
that takes too long is interrupted and restarted in the worker thread.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import aiosqlite

from forecasting.files import OWNER_ONLY

BATCH: Final = 1000
"""Rows fetched with the execution of a statement."""

LONGEST_HERE: Final = 100_000
"""Limit of virtual machine steps in the event loop's thread: about 2 ms."""

QUICK: Final = frozenset({"SELECT", "INSERT", "BEGIN", "SAVEPOINT", "RELEASE"})


FILES: Final = ("", "-wal", "-shm")
"""Suffixes of the files of an SQLite database."""
FOR_OTHERS: Final = 0o007


class FileReplaced(sqlite3.OperationalError):
    """The database's file was removed, or replaced by another, after it was opened."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the database file {path} was removed or replaced; restart the service")


class File:
    """A database file, checked to be the one opened first.

    SQLite keeps writing to a deleted file, and those writes are lost.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._opened: tuple[int, int] | None = None

    def require(self) -> None:
        """Raise FileReplaced unless the opened file still exists under its name."""
        if self._opened is not None and self._identity() != self._opened:
            raise FileReplaced(self.path)

    def connect(self) -> sqlite3.Connection:
        """Open the file, private to its owner if it is new; FileReplaced as `require`."""
        self.require()
        if self._opened is None:
            create_private(self.path)
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._opened = self._opened or self._identity()
        return connection

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)  # noqa: PTH116  # once a transaction, so without a Path
        except OSError:
            return None
        return found.st_dev, found.st_ino


def create_private(path: str) -> None:
    """Create an empty file readable only by its owner, unless it exists.

    SQLite gives journal files the same mode.
    """
    with suppress(OSError):  # SQLite reports the reason
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))


def close_to_others(path: str) -> None:
    """Restrict world-readable database files to their owner.

    Files deliberately shared only with a group are not changed.
    """
    for ending in FILES:
        file = Path(f"{path}{ending}")
        with suppress(OSError):
            if file.stat().st_mode & FOR_OTHERS:
                file.chmod(OWNER_ONLY)


async def connect(file: File) -> "Connection":
    """Open a file, with a daemon thread."""
    connection = Connection(file.connect, BATCH)
    connection._thread.daemon = True  # noqa: SLF001  # SQLAlchemy does the same to the driver's own
    opening = asyncio.ensure_future(connection)
    try:
        await asyncio.shield(opening)
    except asyncio.CancelledError:
        # A cancelled request leaves a file that the thread still opens; close it.
        opening.add_done_callback(
            lambda done: done.cancelled() or done.exception() or connection.stop()
        )
        raise
    connection.install_progress_handler()
    return connection


class Connection(aiosqlite.Connection):
    """A connection whose cursors run fast statements in the event loop's thread.

    `interruptible` is true while SQLite may interrupt a long statement; `writing` while a
    transaction holds the write lock.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None:
        super().__init__(connector, iter_chunk_size)
        self.interruptible = False
        self.writing = False
        self._handed_over = 0

    def install_progress_handler(self) -> None:
        """Let SQLite check for interruption after every so many steps."""
        self._conn.set_progress_handler(lambda: self.interruptible, LONGEST_HERE)

    def make_cursor(self) -> sqlite3.Cursor:
        """Create a native SQLite cursor."""
        return self._conn.cursor()

    @property
    def idle(self) -> bool:
        """Return whether the thread is idle, with no abandoned work left."""
        return not self._handed_over

    async def run_in_thread(self, work: Callable[[], Any]) -> Any:
        """Run work in the thread, after earlier work."""

        def run() -> Any:
            try:
                return work()
            finally:
                self._handed_over -= 1

        self._handed_over += 1
        future = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((future, run))
        return await future

    def cursor(self) -> "Cursor":  # type: ignore[override]  # the driver's own takes a hand-over
        """Create a cursor that does not touch the database until it executes."""
        return Cursor(self)

    async def commit(self) -> None:
        """Commit; wait for the disk after writes."""
        if self.writing or not self.idle:
            self.writing = False
            await self.run_in_thread(self._conn.commit)
        else:
            self._conn.commit()

    async def rollback(self) -> None:
        """Roll back."""
        self.writing = False
        if self.idle:
            self._conn.rollback()
        else:
            await self.run_in_thread(self._conn.rollback)


class Cursor(aiosqlite.Cursor):
    """A cursor on rows fetched ahead; it executes one statement."""

    _cursor: sqlite3.Cursor
    _connection: Connection

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ahead: Sequence[Any] = ()
        self._more = False

    async def __aenter__(self) -> Self:
        """Nothing to prepare before execution."""
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> "Cursor":
        """Execute, and fetch the first rows."""
        connection = self._connection
        kind = sql[:9].split(None, 1)[0].upper()
        if sql == "BEGIN IMMEDIATE":
            connection.writing = True
        elif kind in QUICK and connection.idle:
            connection.interruptible = kind == "SELECT"
            try:
                self._begin(sqlite3.Cursor.execute, sql, parameters or ())
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
            else:
                return self
            finally:
                connection.interruptible = False
        await connection.run_in_thread(
            lambda: self._begin(sqlite3.Cursor.execute, sql, parameters or ())
        )
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "Cursor":
        """Execute once for each of many parameters."""
        await self._connection.run_in_thread(
            lambda: self._begin(sqlite3.Cursor.executemany, sql, parameters)
        )
        return self

    async def fetchall(self) -> Iterable[Any]:
        """Every row that is left."""
        rows, self._ahead = self._ahead, ()
        if self._more:
            return [*rows, *await self._connection.run_in_thread(self._cursor.fetchall)]
        return rows

    async def fetchmany(self, size: int | None = None) -> Iterable[Any]:
        """The next rows, at most so many."""
        size = size or 1
        if not self._ahead and self._more:
            await self._connection.run_in_thread(self._fetch_ahead)
        rows, self._ahead = self._ahead[:size], self._ahead[size:]
        return rows

    async def fetchone(self) -> Any:
        """The next row, or None."""
        rows = [*await self.fetchmany(1)]
        return rows[0] if rows else None

    async def close(self) -> None:
        """Release the rows; an exhausted statement has already released the database."""
        self._ahead = ()
        if self._more:
            await self._connection.run_in_thread(self._cursor.close)

    def _begin(self, execute: Callable[..., object], sql: str, parameters: Any) -> None:
        self._cursor = self._connection.make_cursor()
        execute(self._cursor, sql, parameters)
        if self._cursor.description:
            self._fetch_ahead()

    def _fetch_ahead(self) -> None:
        self._ahead = self._cursor.fetchmany(BATCH)
        self._more = len(self._ahead) == BATCH
