"""The chain of facts: receipts, and what a changed, moved, lost or invented row is told by."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import time_machine
from alembic import command
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.panel import Panel, PanelQuestion
from service.cli import main
from service.database.engine import Database, migration_config
from service.exchange import imports
from service.models import Role
from service.questions import hash_chain
from service.questions.aggregates import Aggregator

BEFORE_THE_CHAIN = "20261124_02"


@pytest.fixture
def verify(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CREDENCE_DATABASE_URL", database_url)
    return lambda *arguments: CliRunner().invoke(main, ["verify", *map(str, arguments)])


@pytest.fixture
def told(account, curator, question) -> dict[str, Any]:
    """A question on which five facts were told, and one with another."""
    ann, bob, rain, snow = account("ann"), account("bob"), question("rain"), question("snow")
    answers = [
        ann.forecast(rain, 0.3, rationale='It "rains" — often.\n'),
        bob.forecast(rain, 1),
        ann.forecast(rain, 0.35, expires_at="2027-06-01T00:00:00Z"),
        bob("DELETE", f"/questions/{rain}/forecasts/current"),
        ann.forecast(snow, 0),
    ]
    curator.resolve(rain, "yes")
    return {
        "rain": rain,
        "snow": snow,
        "ann": ann,
        "bob": bob,
        "receipts": [answer.json()["receipt"] for answer in answers],
    }


def on_file(folder: Path, receipt: Any) -> Path:
    file = folder / "receipt.json"
    file.write_text(json.dumps(receipt), encoding="utf-8")
    return file


def test_an_answer_carries_the_receipt_that_can_be_fetched_later(told) -> None:
    first, of_bob, second, withdrawal, other = told["receipts"]
    assert first["fact"] == {
        "kind": "forecast",
        "question_id": told["rain"],
        "position": 1,
        "account_id": told["ann"].id,
        "probability": "0.3",
        "rationale": 'It "rains" — often.\n',
        "expires_at": None,
        "created_at": first["fact"]["created_at"],
    }
    assert first["previous"] == other["previous"] == "00" * 32
    assert (of_bob["previous"], second["previous"]) == (first["digest"], of_bob["digest"])
    assert of_bob["fact"]["probability"] == "1.0"
    assert withdrawal["fact"]["kind"] == "withdrawal"
    listed = told["ann"].get(f"/questions/{told['rain']}/receipts", limit=1).json()
    assert listed["items"] == [first]
    more = told["ann"].get(f"/questions/{told['rain']}/receipts", cursor=listed["next"]).json()
    assert more == {"items": [second], "next": None}


def test_a_receipt_leads_to_the_published_head_without_a_database(
    told, verify, tmp_path, monkeypatch: pytest.MonkeyPatch, database_url
) -> None:
    heads = told["bob"].get("/heads").json()["items"]
    assert [(one["question_id"], one["position"]) for one in heads] == [
        (told["rain"], 5),
        (told["snow"], 1),
    ]
    proof = told["ann"].get(f"/questions/{told['rain']}/receipts/1").json()
    assert len(proof["path"]) == 4
    assert told["ann"].get(f"/questions/{told['rain']}/receipts/2").status_code == 404, "Bob's"
    monkeypatch.setenv("CREDENCE_DATABASE_URL", "sqlite:///none.db")
    file = on_file(tmp_path, proof)
    sound = verify("--receipt", file, "--head", heads[0]["digest"])
    assert (sound.exit_code, sound.output.count("probability 0.3,")) == (0, 1), sound.output
    other = verify("--receipt", file, "--head", heads[1]["digest"])
    assert other.exit_code == 1
    assert "not to" in other.output
    proof["fact"]["probability"] = "0.9"
    forged = verify("--receipt", on_file(tmp_path, proof))
    assert (forged.exit_code, "does not match its fact and salt" in forged.output) == (1, True)
    for nonsense in ({"fact": 1}, [], {**proof, "salt": "x"}, {**proof, "fact": {}}):
        refused = verify("--receipt", on_file(tmp_path, nonsense))
        assert refused.exit_code == 1
        assert "credence: " in refused.output


CHANGES = {
    "probability": "UPDATE forecast SET probability = 0.31 WHERE id = 1",
    "rationale": "UPDATE forecast SET rationale = '' WHERE id = 1",
    "whose": "UPDATE forecast SET account_id = 1 WHERE id = 2",
    "when": "UPDATE withdrawal SET created_at = '2026-11-02 00:00:00.000000' WHERE id = 1",
    "outcome": "UPDATE resolution SET outcome = 'no' WHERE id = 1",
    "lost": "DELETE FROM forecast WHERE id = 2",
    "invented": (
        "INSERT INTO withdrawal (question_id, account_id, created_at, position, salt, digest) "
        "SELECT question_id, account_id, created_at, 3, salt, digest FROM forecast WHERE id = 2"
    ),
    "order": "UPDATE forecast SET id = 99 WHERE id = 1",
}
NAMED = {
    "probability": "forecast 1, position 1",
    "rationale": "forecast 1, position 1",
    "whose": "forecast 2, position 2",
    "when": "withdrawal 1, position 4",
    "outcome": "resolution 1, position 5",
    "lost": "forecast 3, position 3: it follows position 1",
    "invented": "withdrawal 2, position 3: it follows position 3",
    "order": "forecast 2, position 2: its id",
}


def test_the_first_row_that_was_changed_is_named(told, verify, on_database) -> None:
    whole = verify()
    assert whole.exit_code == 0, whole.output
    assert whole.output.startswith("6 facts on 2 questions are whole")

    async def read(database: Database, change: str) -> list[str]:
        async with database.engine.connect() as connection:
            await connection.execute(text(change))
            async with AsyncSession(bind=connection) as session:
                found = [one.broken async for one in hash_chain.check(session) if one.broken]
            await connection.rollback()
            return found

    for name, change in CHANGES.items():
        (broken,) = on_database(lambda database, change=change: read(database, change))
        assert broken.startswith(NAMED[name]), (name, broken)


def test_a_lost_end_and_a_chain_made_anew_are_told_by_heads_noted_before(
    told, verify, on_database, tmp_path
) -> None:
    noted = tmp_path / "heads.csv"
    before = verify("-o", noted)
    assert verify("--against", noted).output == before.output
    told["ann"].forecast(told["snow"], 0.2)
    assert verify("--against", noted).exit_code == 0, "what follows is no fault"

    async def change(database: Database) -> None:
        async with database.write() as session:
            await session.execute(text("DELETE FROM score"))
            await session.execute(text("DELETE FROM resolution"))

    on_database(change)
    assert verify().exit_code == 0
    lost = verify("--against", noted)
    assert lost.exit_code == 1
    assert f"question {told['rain']}: the facts from position 5 on are missing" in lost.output
    noted.write_text(noted.read_text().replace(told["receipts"][4]["digest"], "00" * 32))
    assert "differs from the published one" in verify("--against", noted).output
    noted.write_text("question_id,position,digest\n1,x,00\n")
    assert "line 2: not a head" in verify("--against", noted).output


def test_what_was_there_before_the_chain_is_chained_by_the_migration(
    told, verify, on_database
) -> None:
    async def down_and_up(database: Database) -> None:
        async with database.engine.connect() as connection:
            await connection.run_sync(
                lambda c: command.downgrade(migration_config(c), BEFORE_THE_CHAIN)
            )
            await connection.commit()
        await database.migrate()

    on_database(down_and_up)
    whole = verify()
    assert whole.output.startswith("6 facts on 2 questions are whole"), whole.output
    facts = told["ann"].get(f"/questions/{told['rain']}/receipts").json()["items"]
    assert [one["fact"] for one in facts] == [
        told["receipts"][0]["fact"],
        told["receipts"][2]["fact"],
    ]


def test_what_is_imported_backdated_and_in_bulk_is_chained(
    account, question, verify, on_database, curator
) -> None:
    account("root", Role.administrator)
    panel = Panel.of(
        forecasts=[
            (name, f"q{one}", 1.7e9 + one + index, np.inf, 0.2 + index / 10)
            for one in range(3)
            for index, name in enumerate(("eve", "dan", "eve"))
        ],
        questions=[PanelQuestion(id=f"q{one}", outcome=float(one % 2)) for one in range(3)],
    )

    async def store(database: Database) -> None:
        async with database.write() as session:
            await imports.import_panel(session, Aggregator(0.8), panel, "old")

    on_database(store)
    rain, snow = question("rain"), question("snow")
    bulk = [{"question_id": one, "probability": 0.5} for one in (rain, snow, rain)]
    answers = account("bob").post("/forecasts", bulk).json()["items"]
    assert [one["receipt"]["fact"]["position"] for one in answers] == [1, 1, 2]
    whole = verify()
    assert whole.output.startswith("15 facts on 5 questions are whole"), whole.output


def test_a_clock_that_goes_back_does_not_reorder_a_question(account, question) -> None:
    ann, bob, rain = account("ann"), account("bob"), question()
    with time_machine.travel("2026-12-02T00:00:00Z", tick=False):
        ann.forecast(rain, 0.2)
    with time_machine.travel("2026-12-01T00:00:00Z", tick=False):
        answer = bob.forecast(rain, 0.6).json()
        assert answer["aggregate"]["forecasters"] == 2
        assert answer["forecast"]["created_at"] == "2026-12-02T00:00:00Z"
        assert bob.get(f"/questions/{rain}/aggregate").json()["forecasters"] == 2
