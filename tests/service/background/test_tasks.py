"""Tasks: asked for once, done in steps by whoever comes, and what they make is had by its owner."""

import asyncio
import base64
import csv
import hashlib
import io
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner
from sqlalchemy import delete, func, select, update

from service.background import heartbeats, tasks
from service.background.heartbeats import Progress
from service.cli import main
from service.clock import now
from service.database.engine import Database
from service.models import Account, Aggregate, Role, Score, Task, TaskKind, TaskPiece
from service.scoring import scores as scoring

KEPT = timedelta(hours=24)
EXPORTS = ("forecasts", "scores", "withdrawals")


@pytest.fixture
def administrator(account) -> Any:
    return account("root", Role.administrator)


@pytest.fixture
def resolved(account, question, curator) -> list[int]:
    """Five resolved questions, one of them twice."""
    people = [account(name) for name in ("ann", "bob")]
    asked = [question(f"q{number}") for number in range(5)]
    for number, one in enumerate(asked):
        for place, person in enumerate(people):
            person.forecast(one, 0.2 + 0.1 * number + 0.05 * place)
        curator.resolve(one, "yes" if number % 2 else "no")
    curator("DELETE", f"/questions/{asked[0]}/resolution")
    curator.resolve(asked[0], "yes")
    return asked


@pytest.fixture
def run(on_database) -> Any:
    """Do a task as a worker does, for so many steps or to its end."""

    def work(task_id: int, steps: float = float("inf"), **more: Any) -> None:
        asked = 0

        def stopped() -> bool:
            nonlocal asked
            asked += 1
            return asked > steps

        more = {"kept": KEPT, "stopped": stopped} | more
        on_database(lambda database: tasks.run(database, task_id, **more))

    return work


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question is a step."""
    monkeypatch.setattr(tasks, "FORECASTS_AT_ONCE", 1)


async def stored(database: Database) -> bytes:
    async with database.read() as session:
        return b"".join([line async for line in scoring.canonical(session)])


async def spoil(database: Database) -> None:
    """Lose some scores and change others."""
    async with database.write() as session:
        await session.execute(delete(Score).where(Score.method == "median"))
        await session.execute(update(Score).where(Score.method == "mean").values(brier=0.5))


@pytest.mark.usefixtures("one_by_one")
def test_a_rebuild_is_asked_for_once_and_goes_on_where_it_stopped(
    administrator, resolved, run, on_database
) -> None:
    before = on_database(stored)
    on_database(spoil)
    asked = administrator.post("/tasks/scores", None)
    assert asked.status_code == 202
    task = asked.json()
    assert (task["status"], task["asked_by"], task["done"]) == ("queued", "root", 0)
    again = administrator.post("/tasks/scores", None, headers={"Idempotency-Key": "once"})
    assert again.json() == task
    run(task["id"], steps=2)
    halfway = administrator.get(f"/tasks/{task['id']}").json()
    assert (halfway["status"], halfway["done"], halfway["total"]) == ("running", 2, 5)
    assert administrator.post("/tasks/scores", None).json()["id"] == task["id"]
    told: list[int] = []
    run(task["id"], tell=lambda task: told.append(task.done))
    assert told == [3, 4, 5, 5], "what was done is not done again"
    done = administrator.get(f"/tasks/{task['id']}").json()
    assert (done["status"], done["done"], done["error"]) == ("done", 5, "")
    assert done["scores"] == {
        "scores": len(before.splitlines()),
        "mended": 12,
        "sha256": hashlib.sha256(before).hexdigest(),
    }
    assert on_database(stored) == before
    replayed = administrator.post("/tasks/scores", None, headers={"Idempotency-Key": "once"})
    assert replayed.json()["id"] == task["id"]
    assert administrator.post("/tasks/scores", None).json()["id"] > task["id"]
    assert len(resolved) == 5


@pytest.mark.usefixtures("one_by_one", "resolved")
def test_two_that_rebuild_at_once_share_the_questions(administrator, on_database) -> None:
    before = on_database(stored)
    on_database(spoil)
    task_id = administrator.post("/tasks/scores", None).json()["id"]
    told: list[int] = []

    async def both(database: Database) -> None:
        other = Database(database.url)
        try:
            await asyncio.gather(
                *(
                    tasks.run(one, task_id, kept=KEPT, tell=lambda task: told.append(task.done))
                    for one in (database, other)
                )
            )
        finally:
            await other.close()

    on_database(both)
    assert sorted(told)[:5] == [1, 2, 3, 4, 5]
    assert on_database(stored) == before
    assert administrator.get(f"/tasks/{task_id}").json()["scores"]["mended"] == 12


@pytest.mark.usefixtures("resolved")
def test_two_who_ask_at_once_get_one_task(administrator, on_database) -> None:
    async def both(database: Database) -> set[int]:
        async def ask() -> int:
            async with database.write() as session:
                return (await tasks.ask_for_scores(session, None)).id

        return set(await asyncio.gather(*(ask() for _ in range(4))))

    (task_id,) = on_database(both)
    assert administrator.get("/tasks").json()["items"][0]["id"] == task_id


@pytest.mark.usefixtures("resolved")
def test_the_command_leaves_a_rebuild_to_a_worker_or_goes_on_with_it(
    administrator, database_url, monkeypatch
) -> None:
    monkeypatch.setenv("CREDENCE_DATABASE_URL", database_url)

    def said(*command: str) -> str:
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        return done.output

    assert "a worker rebuilds the scores" in said("scores", "rebuild", "--later")
    assert ", scores: queued since" in said("jobs")
    assert "the same as before" in said("scores", "rebuild")
    assert "queued since" not in said("jobs")
    (task,) = administrator.get("/tasks", kind="scores").json()["items"]
    assert (task["status"], task["asked_by"]) == ("done", None)


def test_an_export_is_written_by_a_worker_and_had_by_its_owner(
    account, administrator, resolved, run, refused, client
) -> None:
    ann = account("zoe")
    ann.forecast(resolved[0], 0.5)
    for number in range(3):
        ann.forecast(resolved[1], 0.1 + number / 10)
    path = "/account/exports/forecasts"
    asked = ann.post(path, None, headers={"Idempotency-Key": "mine"})
    assert asked.status_code == 202, asked.text
    task = asked.json()
    assert task["export"] == {"what": "forecasts", "format": "csv", "set": None, "names": False}
    assert ann.post(path, None).json()["id"] == task["id"]
    assert ann.post(f"{path}?format=parquet", None).json()["id"] != task["id"]
    file = f"/tasks/{task['id']}/file"
    refused(ann.get(file), 409, "still being written")
    run(task["id"])
    made = ann.get(f"/tasks/{task['id']}").json()
    assert (made["status"], made["done"], made["total"]) == ("done", 0, 0)
    assert made["file"]["rows"] == 0, "none stood: these questions are resolved"
    answer = ann.get(file)
    assert answer.content == ann.get(path).content
    digest = hashlib.sha256(answer.content).digest()
    assert made["file"]["sha256"] == digest.hex()
    assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    assert int(answer.headers["content-length"]) == made["file"]["bytes"] == len(answer.content)
    assert answer.headers["content-disposition"] == 'attachment; filename="forecasts.csv"'
    assert administrator.get(file).content == answer.content
    bob = account("eve")
    for url in (file, f"/tasks/{task['id']}"):
        refused(bob.get(url), 404)
    refused(bob("DELETE", file), 404)
    assert bob.get("/tasks").json() == {"items": [], "next": None}
    first = ann.get("/tasks", limit=1).json()
    second = ann.get("/tasks", limit=1, cursor=first["next"]).json()
    assert [one["id"] for one in first["items"] + second["items"]] == [task["id"] + 1, task["id"]]
    assert second["next"] is None
    assert client.get(f"/api/v1{file}").status_code == 401


@pytest.fixture
def said_much(account, question) -> Any:
    """Zoe with many forecasts on an open question."""
    zoe, rain = account("zoe"), question("rain")
    for number in range(30):
        zoe.forecast(rain, number / 30, rationale="☔" * 50)
    return zoe


def test_a_file_of_many_pieces_is_the_one_that_is_streamed(
    said_much, run, on_database, monkeypatch
) -> None:
    monkeypatch.setattr(tasks, "PIECE", 500)
    monkeypatch.setattr("service.exchange.exports.BATCH", 3)
    task_id = said_much.post("/account/exports/forecasts", None).json()["id"]
    run(task_id)
    made = said_much.get(f"/tasks/{task_id}").json()
    assert (made["done"], made["total"], made["file"]["rows"]) == (30, 30, 30)
    assert on_database(count_pieces) > 5
    answer = said_much.get(f"/tasks/{task_id}/file")
    assert answer.content == said_much.get("/account/exports/forecasts").content


async def count_pieces(database: Database) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(TaskPiece)) or 0


async def expire(database: Database) -> None:
    async with database.write() as session:
        await tasks.tidy(session)


def test_a_file_is_removed_when_it_expires_or_its_owner_wants_it(
    said_much, run, refused, on_database
) -> None:
    first, second = (
        said_much.post(f"/account/exports/forecasts?format={form}", None).json()["id"]
        for form in ("csv", "parquet")
    )
    refused(said_much("DELETE", f"/tasks/{first}/file"), 409, "under way")
    run(first)
    run(second)
    removed = said_much("DELETE", f"/tasks/{first}/file")
    assert (removed.status_code, removed.json()["status"]) == (200, "expired")
    refused(said_much.get(f"/tasks/{first}/file"), 404, "removed")
    on_database(expire)
    assert on_database(count_pieces) == 1
    with time_machine.travel(datetime.fromisoformat("2100-01-01T00:00:00+00:00"), tick=False):
        refused(said_much.get(f"/tasks/{second}/file"), 404, "removed")
        on_database(expire)
    assert on_database(count_pieces) == 0


def test_a_set_is_for_curators_also_when_its_file_is_had(
    said_much, curator, run, refused, on_database
) -> None:
    path = "/sets/tests/exports/forecasts"
    refused(said_much.post(path, None), 403)
    refused(curator.post("/sets/none/exports/forecasts", None), 404)
    asked = curator.post(f"{path}?names=true", None).json()
    comments = curator.post("/sets/tests/exports/comments", None).json()
    run(asked["id"])
    run(comments["id"])
    done = curator.get(f"/tasks/{asked['id']}").json()
    assert (done["done"], done["total"]) == (done["file"]["rows"], done["file"]["rows"])
    answer = curator.get(f"/tasks/{asked['id']}/file")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.content[:2] == b"PK"
    told = curator.get(f"/tasks/{comments['id']}/file").content.decode()
    assert list(csv.DictReader(io.StringIO(told))) == []

    async def demote(database: Database) -> None:
        async with database.write() as session:
            await session.execute(
                update(Account).where(Account.id == curator.id).values(role=Role.forecaster)
            )

    on_database(demote)
    refused(curator.get(f"/tasks/{asked['id']}/file"), 403)


def test_who_begins_an_export_anew_has_it_alone(said_much, on_database, monkeypatch) -> None:
    """A worker that was taken for lost, and is not, leaves what it had begun."""
    monkeypatch.setattr(tasks, "PIECE", 1)
    monkeypatch.setattr("service.exchange.exports.BATCH", 3)
    task_id = said_much.post("/account/exports/forecasts", None).json()["id"]

    async def overtaken(database: Database) -> None:
        asked = 0

        def lost() -> bool:
            nonlocal asked
            asked += 1
            if asked == 3:
                asyncio.get_running_loop().create_task(finish())
            return False

        async def finish() -> None:
            other = Database(database.url)
            try:
                await tasks.run(other, task_id, kept=KEPT)
            finally:
                await other.close()
                ended.set()

        ended = asyncio.Event()
        await tasks.run(database, task_id, kept=KEPT, stopped=lost)
        await ended.wait()

    on_database(overtaken)
    answer = said_much.get(f"/tasks/{task_id}/file")
    assert answer.content == said_much.get("/account/exports/forecasts").content


def test_what_comes_to_no_end_is_given_up_and_may_be_asked_for_again(
    said_much, run, refused
) -> None:
    task_id = said_much.post("/account/exports/forecasts", None).json()["id"]
    for _ in range(tasks.MOST_ATTEMPTS + 1):
        run(task_id, steps=0)
    failed = said_much.get(f"/tasks/{task_id}").json()
    assert (failed["status"], failed["file"]) == ("failed", None)
    assert "given up" in failed["error"]
    refused(said_much.get(f"/tasks/{task_id}/file"), 404, "given up")
    assert said_much.post("/account/exports/forecasts", None).json()["id"] != task_id


def test_what_fails_says_why(said_much, run, on_database) -> None:
    task_id = said_much.post("/account/exports/forecasts", None).json()["id"]

    async def break_it(database: Database) -> None:
        async with database.write() as session:
            row = await session.get_one(Task, task_id)
            row.asked = row.asked | {"what": "nothing"}

    on_database(break_it)
    run(task_id)
    assert "nothing" in said_much.get(f"/tasks/{task_id}").json()["error"]


def test_nobody_keeps_the_workers_to_themselves(said_much, run, refused) -> None:
    kinds = ["forecasts", "scores", "withdrawals", "comments"]
    ids = [said_much.post(f"/account/exports/{what}", None).json() for what in kinds[:3]]
    refused(said_much.post("/account/exports/comments", None), 409, "under way")
    run(ids[0]["id"])
    assert said_much.post("/account/exports/comments", None).status_code == 202


def test_the_metrics_tell_what_waits_runs_and_failed(
    client, account, administrator, curator, question, run, on_database
) -> None:
    def told() -> dict[str, float]:
        lines = [line.split(" ") for line in client.get("/metrics").text.splitlines()]
        return {one[0]: float(one[1]) for one in lines if one[0].startswith("credence_")}

    def of(kind: str, status: str) -> float:
        return told()[f'credence_jobs{{kind="{kind}",status="{status}"}}']

    assert of("refit", "queued") == of("scores", "queued") == of("export", "running") == 0
    zoe = account("zoe")
    curator.resolve(question(), "yes")
    export = zoe.post("/account/exports/scores", None).json()["id"]
    administrator.post("/tasks/scores", None)
    with time_machine.travel(now() + timedelta(hours=1)):
        shown = told()
        for kind in ("refit", "scores", "export"):
            assert shown[f'credence_jobs{{kind="{kind}",status="queued"}}'] == 1
            assert shown[f'credence_jobs_waited_seconds{{kind="{kind}"}}'] >= 3500
    run(export, steps=0)
    assert (of("export", "queued"), of("export", "running")) == (0, 1)
    assert told()['credence_jobs_waited_seconds{kind="export"}'] == 0
    for _ in range(tasks.MOST_ATTEMPTS):
        run(export, steps=0)
    assert (of("export", "running"), of("export", "failed")) == (0, 1)

    async def refit(database: Database) -> None:
        async with database.write() as session:
            await heartbeats.record_heartbeat(
                session, "one-7-abc", "refit", Progress("sampling", 3, 10)
            )

    on_database(refit)
    assert (of("refit", "queued"), of("refit", "running")) == (0, 1)
    (worker,) = curator.get("/jobs").json()["workers"]
    assert (worker["stage"], worker["drawn"], worker["draws"]) == ("sampling", 3, 10)
    page = curator.get("/jobs").json()
    assert (page["tasks_queued"], page["tasks_running"]) == (1, 0)


def test_who_asks_for_much_delays_nobody_else(account, administrator, on_database, run) -> None:
    ann, bob = account("ann"), account("bob")
    many = [ann.post(f"/account/exports/{what}", None).json()["id"] for what in EXPORTS]
    (one,) = [bob.post(f"/account/exports/{what}", None).json()["id"] for what in EXPORTS[:1]]
    scores = administrator.post("/tasks/scores", None).json()["id"]

    async def next_of_each(database: Database) -> list[tuple[int, str]]:
        async with database.read() as session:
            return await tasks.next_of_each(session)

    export = TaskKind.export
    expected = [(many[0], export), (one, export), (scores, TaskKind.scores)]
    assert on_database(next_of_each) == expected
    run(many[0])
    assert on_database(next_of_each) == [(many[1], export), *expected[1:]]


def test_an_export_that_cannot_be_written_costs_that_export_alone(
    account, on_database, run
) -> None:
    ann, bob = account("ann"), account("bob")
    bad, good = (one.post("/account/exports/forecasts", None).json()["id"] for one in (ann, bob))

    async def spoil_one(database: Database) -> None:
        async with database.write() as session:
            task = await session.get_one(Task, bad)
            task.asked = task.asked | {"what": "nothing"}

    on_database(spoil_one)
    run(bad)
    run(good)
    assert ann.get(f"/tasks/{bad}").json()["status"] == "failed"
    assert bob.get(f"/tasks/{good}").json()["status"] == "done"
    assert [one["status"] for one in ann.get("/tasks").json()["items"]] == ["failed"]


def test_a_question_that_cannot_be_scored_costs_its_own_scores_alone(
    administrator, resolved, run, on_database
) -> None:
    before = on_database(stored)
    bad = resolved[2]

    async def spoil_one(database: Database) -> None:
        await spoil(database)
        async with database.write() as session:
            await session.execute(
                update(Aggregate).where(Aggregate.question_id == bad).values(probability=2.0)
            )

    on_database(spoil_one)
    task = administrator.post("/tasks/scores", None).json()["id"]
    run(task)
    done = administrator.get(f"/tasks/{task}").json()
    assert (done["status"], done["done"]) == ("failed", 5)
    assert done["error"] == (
        f"the scores of these questions could not be rebuilt: {bad}; all others were"
    )

    def of_others(lines: bytes) -> list[bytes]:
        return [line for line in lines.splitlines() if json.loads(line)[0] != bad]

    assert of_others(on_database(stored)) == of_others(before)
