"""Background work as it is seen: by API, on the page of the model and from the command line."""

from datetime import timedelta

import pytest
import time_machine
from click.testing import CliRunner

from service.background import heartbeats
from service.cli import main
from service.database.engine import Database


async def seen(database: Database) -> None:
    async with database.write() as session:
        await heartbeats.record_heartbeat(session, "one-7-abc", "refit")
        await heartbeats.record_heartbeat(session, "two-8-def", "")


def test_what_workers_do_and_what_waits_is_shown(
    on_database, curator, account, question, database_url, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENCE_DATABASE_URL", database_url)

    def said() -> str:
        done = CliRunner().invoke(main, ["jobs"])
        assert done.exit_code == 0, done.output
        return done.output

    assert said().splitlines() == [
        "no worker is running; start `credence worker`",
        "refit: not due; every resolution is in the latest fit",
        "latest fit: none yet",
        "deliveries: 0 due",
    ]
    on_database(seen)
    curator.resolve(question(), "yes")
    state = curator.get("/jobs").json()
    assert [(one["name"], one["alive"], one["doing"]) for one in state["workers"]] == [
        ("two-8-def", True, ""),
        ("one-7-abc", True, "refit"),
    ]
    assert (state["refit_behind"], state["refit_due"]) == (True, False)
    assert "one-7-abc: refit since" in said()
    with time_machine.travel(heartbeats.now() + timedelta(minutes=2)):
        on_database(lambda database: beat(database, "two-8-def"))
        state = curator.get("/jobs").json()
        assert [one["alive"] for one in state["workers"]] == [True, False]
        assert state["refit_due"]
        assert "one-7-abc: lost" in said()
    on_database(lambda database: end(database, "two-8-def"))
    assert [one["name"] for one in curator.get("/jobs").json()["workers"]] == ["one-7-abc"]
    assert account("ann").get("/jobs").status_code == 403


async def beat(database: Database, name: str) -> None:
    async with database.write() as session:
        await heartbeats.record_heartbeat(session, name, "")


async def end(database: Database, name: str) -> None:
    async with database.write() as session:
        await heartbeats.deregister(session, name)
