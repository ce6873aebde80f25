"""SQLite's asynchronous driver, which hands over to its thread only what may take long.

The driver works in a thread of its own, and SQLAlchemy hands it four things a statement: make a
cursor, execute, fetch, close. Each costs far more than most of our statements, the more so while
the event loop is busy. Here a statement that looks up or inserts a few rows is executed in the
loop's own thread, first rows and all. What may have to wait is handed over: for the write lock, for
the disk at the commit of a writing transaction, for statements of other kinds; and so is a SELECT
that turns out to be long, which SQLite breaks off and which then starts again in the thread.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import aiosqlite

BATCH: Final = 1000
"""How many rows come back with the execution of a statement."""

LONGEST_HERE: Final = 100_000
"""How many steps of its virtual machine SQLite may take in the loop's thread: about 2 ms."""

QUICK: Final = frozenset({"SELECT", "INSERT", "BEGIN", "SAVEPOINT", "RELEASE"})


FILES: Final = ("", "-wal", "-shm")
"""What SQLite appends to a database's name for each of its files."""
OWNER_ONLY: Final = 0o600
FOR_OTHERS: Final = 0o007


class FileReplaced(sqlite3.OperationalError):
    """The database's file was removed, or replaced by another, after it was opened."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the database file {path} was removed or replaced; restart the service")


class File:
    """A database's file, which has to stay the one that was opened first.

    SQLite goes on writing to a file that has no name any more, and all of that is lost.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._opened: tuple[int, int] | None = None

    def require(self) -> None:
        """Raise FileReplaced unless what was opened is still there under its name."""
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
    """Make an empty file that its owner alone can read, where there is none.

    SQLite gives the journals beside a database the same mode.
    """
    with suppress(OSError):  # SQLite says what stands in the way
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))


def close_to_others(path: str) -> None:
    """Make the files of a database that everybody can read its owner's alone.

    One that was opened to a group on purpose, and to nobody else, is left so.
    """
    for ending in FILES:
        file = Path(f"{path}{ending}")
        with suppress(OSError):
            if file.stat().st_mode & FOR_OTHERS:
                file.chmod(OWNER_ONLY)


async def connect(file: File) -> "Connection":
    """Open a file, with a thread that dies with the process."""
    connection = Connection(file.connect, BATCH)
    connection._thread.daemon = True  # noqa: SLF001  # SQLAlchemy does the same to the driver's own
    opening = asyncio.ensure_future(connection)
    try:
        await asyncio.shield(opening)
    except asyncio.CancelledError:
        # A request that ends meanwhile has no use for the file, which the thread goes on to open.
        opening.add_done_callback(
            lambda done: done.cancelled() or done.exception() or connection.stop()
        )
        raise
    connection.install_progress_handler()
    return connection


class Connection(aiosqlite.Connection):
    """A connection that makes such cursors.

    `interruptible` is true while SQLite may interrupt a long statement; `writing` while a
    transaction holds the write lock.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None:
        super().__init__(connector, iter_chunk_size)
        self.interruptible = False
        self.writing = False
        self._handed_over = 0

    def install_progress_handler(self) -> None:
        """Have SQLite ask every so many steps whether it is to go on."""
        self._conn.set_progress_handler(lambda: self.interruptible, LONGEST_HERE)

    def make_cursor(self) -> sqlite3.Cursor:
        """A cursor of SQLite's own."""
        return self._conn.cursor()

    @property
    def idle(self) -> bool:
        """Whether the thread has nothing to do, also not for someone who gave up waiting."""
        return not self._handed_over

    async def run_in_thread(self, work: Callable[[], Any]) -> Any:
        """Do work in the thread, after what it was handed before."""

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
        """A cursor that takes nothing from the database until it executes."""
        return Cursor(self)

    async def commit(self) -> None:
        """Commit; what was written is waited for until the disk has it."""
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
        """Nothing is to be made before the execution."""
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
        """Let go of the rows; a statement that has given them all has let go of the database."""
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
