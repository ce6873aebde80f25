"""The driver that hands over once a statement gives what SQLite has, all of it and nothing else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from service.database import Database
from service.sqlite import BATCH, LONGEST_HERE

COUNT = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT {}"


@pytest.fixture
def on_file(tmp_path: Path) -> Any:
    def run(work: Any) -> Any:
        async def in_session() -> Any:
            database = Database(make_url(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}"))
            try:
                async with database.write() as session:
                    return await work(session)
            finally:
                await database.close()

        return asyncio.run(in_session())

    return run


@pytest.mark.parametrize("rows", [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
def test_every_row_comes_back_in_order(on_file, rows: int) -> None:
    query = text(COUNT.format(rows))

    async def whole(session: AsyncSession) -> Any:
        return (await session.scalars(query)).all()

    async def streamed(session: AsyncSession) -> Any:
        return [row async for row in await session.stream_scalars(query)]

    assert on_file(whole) == on_file(streamed) == list(range(1, rows + 1))


def test_a_look_up_that_turns_out_to_be_long_goes_on_in_the_thread(on_file) -> None:
    handed_over: list[Any] = []

    async def work(session: AsyncSession) -> Any:
        connection = (await (await session.connection()).get_raw_connection()).driver_connection
        hand_over = connection.hand_over

        async def noted(work: Any) -> Any:
            handed_over.append(work)
            return await hand_over(work)

        connection.hand_over = noted
        await session.execute(text("CREATE TABLE t (x)"))
        await session.execute(text("INSERT INTO t VALUES (1)"))
        handed_over.clear()
        short = await session.scalar(text("SELECT x FROM t"))
        assert not handed_over
        rows = COUNT.format(LONGEST_HERE)
        long = await session.scalar(text(f"SELECT max(i) FROM ({rows})"))  # noqa: S608  # our own
        assert len(handed_over) == 1
        await session.execute(text("INSERT INTO t VALUES (2)"))
        return short, long, await session.scalar(text("SELECT sum(x) FROM t"))

    assert on_file(work) == (1, LONGEST_HERE, 3)


def test_a_reading_left_half_way_lets_go_of_the_table(on_file) -> None:
    async def work(session: AsyncSession) -> Any:
        await session.execute(text("CREATE TABLE t AS " + COUNT.format(2 * BATCH)))
        rows = await session.stream_scalars(text("SELECT i FROM t ORDER BY i"))
        first = await rows.fetchmany(3)
        await rows.close()
        await session.execute(text("DROP TABLE t"))
        return first

    assert on_file(work) == [1, 2, 3]


def test_a_statement_says_how_many_rows_it_changed_and_what_id_it_gave(on_file) -> None:
    async def work(session: AsyncSession) -> Any:
        await session.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY, x UNIQUE)"))
        connection = await session.connection()
        several = [{"x": x} for x in (7, 8, 9)]
        await connection.execute(text("INSERT INTO t (x) VALUES (:x)"), several)
        added: Any = await session.execute(text("INSERT INTO t (x) VALUES (10)"))
        changed: Any = await session.execute(text("UPDATE t SET x = -x WHERE x > 8"))
        return added.lastrowid, changed.rowcount

    assert on_file(work) == (4, 2)


def test_an_error_is_the_databases_own(on_file) -> None:
    async def twice(session: AsyncSession) -> None:
        await session.execute(text("CREATE TABLE t (x UNIQUE)"))
        for _ in range(2):
            await session.execute(text("INSERT INTO t VALUES (1)"))

    with pytest.raises(IntegrityError, match="UNIQUE constraint failed"):
        on_file(twice)
    with pytest.raises(OperationalError, match="no such table: t"):
        on_file(lambda session: session.execute(text("SELECT * FROM t")))
