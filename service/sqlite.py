"""SQLite's asynchronous driver, with one hand-over to its thread a statement.

The driver works in a thread of its own, and SQLAlchemy hands it four things a statement: make a
cursor, execute, fetch, close. Each costs far more than most of our statements. Here the cursor is
made and the first rows are fetched by the hand-over that executes.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Self

import aiosqlite

BATCH: Final = 1000
"""How many rows come back with the execution of a statement."""


async def connect(file: str) -> "Connection":
    """Open a file, in a thread that dies with the process."""
    connection = Connection(lambda: sqlite3.connect(file, isolation_level=None), BATCH)
    connection._thread.daemon = True  # noqa: SLF001  # SQLAlchemy does the same to the driver's own
    await connection
    return connection


class Connection(aiosqlite.Connection):
    """A connection that makes such cursors."""

    def cursor(self) -> "Cursor":  # type: ignore[override]  # the driver's own takes a hand-over
        """A cursor that takes nothing from the database until it executes."""
        return Cursor(self)


class Cursor(aiosqlite.Cursor):
    """A cursor on rows fetched ahead; it executes one statement."""

    _cursor: sqlite3.Cursor

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ahead: Sequence[Any] = ()
        self._more = False

    async def __aenter__(self) -> Self:
        """Nothing is to be made before the execution."""
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> "Cursor":
        """Execute, and fetch the first rows."""
        return await self._begin(sqlite3.Cursor.execute, sql, parameters or ())

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "Cursor":
        """Execute once for each of many parameters."""
        return await self._begin(sqlite3.Cursor.executemany, sql, parameters)

    async def fetchall(self) -> Iterable[Any]:
        """Every row that is left."""
        rows, self._ahead = self._ahead, ()
        return [*rows, *await self._hand_over(self._cursor.fetchall)] if self._more else rows

    async def fetchmany(self, size: int | None = None) -> Iterable[Any]:
        """The next rows, at most so many."""
        size = size or 1
        if not self._ahead and self._more:
            await self._hand_over(self._fetch_ahead)
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
            await self._hand_over(self._cursor.close)

    async def _begin(self, execute: Callable[..., object], sql: str, parameters: Any) -> "Cursor":
        def run() -> None:
            self._cursor = self._connection._conn.cursor()  # noqa: SLF001  # in the driver's thread
            execute(self._cursor, sql, parameters)
            if self._cursor.description:
                self._fetch_ahead()

        await self._hand_over(run)
        return self

    def _fetch_ahead(self) -> None:
        self._ahead = self._cursor.fetchmany(BATCH)
        self._more = len(self._ahead) == BATCH

    async def _hand_over(self, work: Callable[[], Any]) -> Any:
        return await self._connection._execute(work)  # type: ignore[no-untyped-call]  # noqa: SLF001  # its only way to run several calls at once
