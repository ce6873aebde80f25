"""Backups: a consistent snapshot of a database as one SQLite file.

Every command can use such a file as its database. It can be restored into SQLite and PostgreSQL,
which also migrates an installation from one to the other.
"""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Table, bindparam, func, insert, select, text, update
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from forecasting.files import replacing
from service.database.engine import Database
from service.exceptions import Conflict, Invalid
from service.models import Base

BATCH: Final = 1000


async def write(database: Database, file: Path) -> int:
    """Write a database to a new file readable only by its owner; returns the number of rows.

    Does not block writers. The file is written completely or not at all.

    Raises:
        Conflict: the file exists, or the database has another schema version.
    """
    if not await database.schema_is_current():
        raise Conflict("the database has another schema version; run `credence init`")
    _require_new(file)
    with replacing(file, private=True) as (unfinished,):
        if database.sqlite:
            await asyncio.to_thread(_copy_file, Path(str(database.url.database)), unfinished)
        else:
            await _copy_rows_out(database, unfinished)
        return await asyncio.to_thread(_sound, unfinished)


async def restore(database: Database, file: Path) -> int:
    """Restore a backup into an empty database; returns the number of rows.

    The file is not changed: a copy of it is migrated to the newest schema first.

    Raises:
        Invalid: the file is not a valid backup.
        Conflict: the database is not empty, or the backup has a newer version.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "backup.db"
        await asyncio.to_thread(_copy_file, file, copy)
        await asyncio.to_thread(_sound, copy)
        source = Database(_url(copy))
        try:
            await source.migrate()
            await database.migrate()
            async with database.write() as session:
                connection = await session.connection()
                await _require_empty(connection)
                async with source.read() as read:
                    return await _copy_rows(await read.connection(), connection)
        finally:
            await source.close()


def _require_new(file: Path) -> None:
    if file.exists():
        raise Conflict(f"{file} exists already; a backup overwrites nothing")


def _copy_file(source: Path, target: Path) -> None:
    """Copy a database in use with SQLite's backup API into one file without a journal."""
    if not source.is_file():
        raise Invalid(f"there is no file {source}")
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        raise Invalid(f"{source}: {error}") from None


def _sound(file: Path) -> int:
    """Count the rows of a backup; raises Invalid if it is damaged or not a backup."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if said != "ok":
                raise Invalid(f"the backup is damaged: {said}")
            connection.execute("SELECT version_num FROM alembic_version")
            names = [
                name
                for (name,) in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                )
                if name in Base.metadata.tables
            ]
            return sum(
                connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608  # names of our own tables
                for name in names
            )
    except sqlite3.DatabaseError as error:
        raise Invalid(f"the file is no backup: {error}") from None


async def _copy_rows_out(database: Database, file: Path) -> None:
    target = Database(_url(file))
    try:
        await target.migrate()
        async with database.read() as source, target.write() as session:
            await _copy_rows(await source.connection(), await session.connection())
    finally:
        await target.close()
    await asyncio.to_thread(_close_journal, file)


def _close_journal(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def _url(file: Path) -> URL:
    return URL.create("sqlite+aiosqlite", database=str(file))


async def _require_empty(connection: AsyncConnection) -> None:
    for table in Base.metadata.sorted_tables:
        if await connection.scalar(select(table.c.id).limit(1)) is not None:
            raise Conflict(
                f"the database holds rows already (of {table.name}); restore into a new one"
            )


async def _copy_rows(source: AsyncConnection, target: AsyncConnection) -> int:
    """Copy every row of every table, referenced tables first."""
    copied = 0
    for table in Base.metadata.sorted_tables:
        own = [
            column.name
            for column in table.columns
            if any(key.column.table is table for key in column.foreign_keys)
        ]
        referring: list[dict[str, Any]] = []
        rows = await source.stream(select(table).order_by(table.c.id))
        async for batch in rows.mappings().partitions(BATCH):
            await target.execute(insert(table), [{**row, **dict.fromkeys(own)} for row in batch])
            referring += [
                {"referring_id": row["id"], **{name: row[name] for name in own}}
                for row in batch
                if any(row[name] is not None for name in own)
            ]
            copied += len(batch)
        if referring:
            await target.execute(_refer(table, own), referring)
        if target.dialect.name == "postgresql":
            await _continue_ids(target, table)
    return copied


def _refer(table: Table, own: list[str]) -> Any:
    values: dict[str, Any] = {name: bindparam(name) for name in own}
    return update(table).where(table.c.id == bindparam("referring_id")).values(values)


async def _continue_ids(connection: AsyncConnection, table: Table) -> None:
    last = await connection.scalar(select(func.max(table.c.id)))
    if last is not None:
        sequence = text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)")
        await connection.execute(sequence, {"name": table.name, "last": last})
