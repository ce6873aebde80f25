"""SQLite: the driver gives every row, and the file is the one opened, private to its owner."""

import asyncio
import os
import shutil
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from service.cli import main
from service.database.engine import Database
from service.database.sqlite import BATCH, LONGEST_HERE, File, connect

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


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("happened", ["removed", "replaced"])
def test_a_file_that_is_gone_takes_no_writes_until_it_is_back(
    happened: str, account, question, client, settings, migrated_sqlite, tmp_path: Path
) -> None:
    """SQLite would go on writing to a file without a name, and all of it would be lost."""
    ann, rain = account("ann"), question()
    assert ann.forecast(rain, 0.3).status_code == 201
    file, kept = Path(str(settings.url.database)), tmp_path / "kept.db"
    file.rename(kept)
    if happened == "replaced":
        shutil.copy(migrated_sqlite, file)
    for answer in (
        ann.forecast(rain, 0.4),
        ann("DELETE", f"/questions/{rain}/forecasts/current"),
        ann.post("/account/tokens", {"label": "second"}),
    ):
        assert answer.status_code == 503
        assert "nothing was stored" in answer.json()["detail"]
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "removed or replaced" in ready.json()["reason"]
    assert "credence_database_up 0.0" in client.get("/metrics").text
    assert file.exists() == (happened == "replaced"), "no empty database may take its place"
    kept.replace(file)
    assert client.get("/readyz").status_code == 200
    assert ann.forecast(rain, 0.5).status_code == 201
    listed = ann.get(f"/questions/{rain}/forecasts").json()["items"]
    assert [one["probability"] for one in listed] == [0.5, 0.3]


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_database_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, monkey = tmp_path / "new.db", monkeypatch
    monkey.setenv("CREDENCE_DATABASE_URL", f"sqlite:///{file}")
    before = os.umask(0o022)
    try:
        made = CliRunner().invoke(main, ["init"])
        assert made.exit_code == 0, made.output
        assert mode(file) == 0o600

        def modes() -> list[int]:
            return [mode(one) for one in sorted(tmp_path.glob("new.db*"))]

        async def write(mode_before: int) -> list[int]:
            file.chmod(mode_before)
            database = Database(make_url(f"sqlite+aiosqlite:///{file}"))
            try:
                async with database.write() as session:
                    await session.execute(text("CREATE TABLE IF NOT EXISTS t (x)"))
                return modes()
            finally:
                await database.close()

        assert asyncio.run(write(0o600)) == [0o600] * 3
        # One that an earlier version made, and one that was opened to a group on purpose.
        assert asyncio.run(write(0o644)) == [0o600] * 3
        assert asyncio.run(write(0o660)) == [0o660] * 3
        copy, restored = tmp_path / "backup.db", tmp_path / "restored.db"
        assert CliRunner().invoke(main, ["backup", str(copy)]).exit_code == 0
        monkey.setenv("CREDENCE_DATABASE_URL", f"sqlite:///{restored}")
        assert CliRunner().invoke(main, ["restore", str(copy)]).exit_code == 0
        assert (mode(copy), mode(restored)) == (0o600, 0o600)
        assert CliRunner().invoke(main, ["export", str(tmp_path / "out")]).exit_code == 0
        assert {mode(one) for one in (tmp_path / "out").iterdir()} == {0o600}
    finally:
        os.umask(before)


def test_a_file_that_is_no_database_keeps_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("What I had for lunch, at length, so that it is no empty file. " * 20)
    file.chmod(0o644)
    monkeypatch.setenv("CREDENCE_DATABASE_URL", f"sqlite:///{file}")
    assert CliRunner().invoke(main, ["init"]).exit_code == 1
    assert mode(file) == 0o644


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
        run_in_thread = connection.run_in_thread

        async def noted(work: Any) -> Any:
            handed_over.append(work)
            return await run_in_thread(work)

        connection.run_in_thread = noted
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


def test_a_file_that_nobody_waits_for_any_more_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, given_up, opened, threads = threading.Event(), threading.Event(), [], []

    def opens(file: File) -> sqlite3.Connection:
        threads.append(threading.current_thread())
        begun.set()
        assert given_up.wait(10)
        opened.append(sqlite3.connect(file.path, check_same_thread=False))
        return opened[0]

    async def work() -> None:
        waiting = asyncio.create_task(connect(File(str(tmp_path / "a.db"))))
        assert await asyncio.to_thread(begun.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        given_up.set()
        await asyncio.to_thread(threads[0].join, 10)

    monkeypatch.setattr(File, "connect", opens)
    asyncio.run(work())
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


def test_the_driver_still_has_the_private_parts_that_are_used(tmp_path: Path) -> None:
    """What docs/decisions/0011-private-parts-of-aiosqlite.md says the service relies on."""

    async def look() -> None:
        connection = aiosqlite.connect(tmp_path / "any.db")
        assert isinstance(connection._thread, threading.Thread)
        await connection
        try:
            assert isinstance(connection._conn, sqlite3.Connection)
            answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            connection._tx.put_nowait((answered, lambda: 7))
            assert await answered == 7
        finally:
            await connection.close()

    asyncio.run(look())
