"""What one stored row holds stops no background loop: the work on all other rows goes on."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import column, func, select, table, text, update

from service.background import heartbeats, tasks
from service.database.engine import Database
from service.fits import fits
from service.fits.fits import Sampled
from service.models import (
    Aggregate,
    Cause,
    FitStatus,
    Role,
    TaskPiece,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
)
from service.notifications import deliveries, webhooks
from service.questions.aggregates import Aggregator

DAY = timedelta(days=1)
EXPORT = "/account/exports/forecasts"
CUT_OFF = '{"events": ["question.op'
TOO_LONG = f"[{'1' * 5_000}]"
"""JSON that PostgreSQL takes, and whose number Python refuses."""


class Poison(NamedTuple):
    """A column that holds what cannot be decoded."""

    table: str
    column: str
    json: bool = True


@pytest.fixture
def poison(on_database, database_url: str) -> Callable[[Poison, int], None]:
    """Store in a row what cannot be decoded; a time of no moment on SQLite only."""
    postgresql = database_url.startswith("postgresql")

    def store(where: Poison, row_id: int) -> None:
        value = ":value" if not postgresql else "CAST(:value AS json)"
        stored = "no moment" if not where.json else TOO_LONG if postgresql else CUT_OFF

        async def work(database: Database) -> None:
            async with database.write() as session:
                await session.execute(
                    update(table(where.table, column("id"), column(where.column)))
                    .where(column("id") == row_id)
                    .values({where.column: text(value).bindparams(value=stored)})
                )

        on_database(work)

    return store


@pytest.fixture
def found(on_database) -> Callable[[Any], list[Any]]:
    """What a query of one column finds."""

    def ask(query: Any) -> list[Any]:
        async def work(database: Database) -> list[Any]:
            async with database.read() as session:
                return list(await session.scalars(query))

        return list(on_database(work))

    return ask


@pytest.fixture
def note(on_database) -> Callable[[], int]:
    async def work(database: Database) -> int:
        async with database.write() as session:
            return await webhooks.note(session, datetime.now(UTC) + DAY)

    return lambda: int(on_database(work))


def hook(caller: Any) -> int:
    answer = caller.post(
        "/webhooks", {"url": "https://example.org/", "events": ["question.opened"]}
    )
    return int(answer.json()["id"])


def soon(today: datetime) -> dict[str, Any]:
    """A question that was written before and opens within the day."""
    return {"created_at": today - DAY, "opens_at": today + DAY / 2}


DELIVERY_OF = (WebhookDelivery.webhook_id, WebhookDelivery.id)
EVENTS = Poison("webhook", "events")
WEBHOOK_TIMES = [Poison("webhook", name, json=False) for name in ("looked_at", "created_at")]


def noted_for_the_others(note, poison, found, account, question, today, where: Poison) -> None:
    bad, good = hook(account("ann")), hook(account("bob"))
    rain = question(**soon(today))
    poison(where, bad)
    assert note() == 1
    assert found(select(WebhookDelivery.webhook_id)) == [good]
    assert found(select(WebhookDelivery.question_id)) == [rain]
    assert found(select(Webhook.failures).order_by(Webhook.id)) == [1, 0]
    for _ in range(webhooks.FAILURES_BEFORE_REST):
        note()
    assert found(select(Webhook.id).where(Webhook.disabled_at.is_not(None))) == [bad]


def test_a_webhook_that_cannot_be_read_fails_alone(
    note, poison, found, account, question, today
) -> None:
    noted_for_the_others(note, poison, found, account, question, today, EVENTS)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("where", WEBHOOK_TIMES)
def test_a_webhook_of_no_moment_fails_alone(
    note, poison, found, account, question, today, where
) -> None:
    noted_for_the_others(note, poison, found, account, question, today, where)


def told_of_the_others(note, poison, found, account, question, today, where: Poison) -> None:
    hook(account("ann"))
    bad, good = question("bad", **soon(today)), question("good", **soon(today))
    poison(where, bad)
    note()
    note()
    assert found(select(WebhookDelivery.question_id)) == [good]
    assert found(select(Webhook.failures)) == [0], "it is no fault of the webhook"


def test_a_question_that_cannot_be_read_is_told_of_to_nobody_and_blamed_on_nobody(
    note, poison, found, account, question, today
) -> None:
    where = Poison("question_revision", "sources")
    told_of_the_others(note, poison, found, account, question, today, where)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("column", ["closes_at", "resolves_by"])
def test_a_question_of_no_moment_is_told_of_to_nobody_and_blamed_on_nobody(
    note, poison, found, account, question, today, column
) -> None:
    where = Poison("question_revision", column, json=False)
    told_of_the_others(note, poison, found, account, question, today, where)


@pytest.mark.parametrize("where", [Poison("webhook_delivery", "payload"), EVENTS])
def test_a_delivery_that_cannot_be_read_is_a_failed_attempt_and_the_next_is_made(
    note, poison, found, account, question, today, on_database, where
) -> None:
    ann, bob = account("ann"), account("bob")
    bad, good = hook(ann), hook(bob)
    question(**soon(today))
    assert note() == 2
    rows = dict(zip(*(found(select(one)) for one in DELIVERY_OF), strict=True))
    poison(where, bad if where is EVENTS else rows[bad])
    at = today + 2 * DAY

    async def deliver(database: Database) -> list[int]:
        async with database.write() as session:
            due = list(await deliveries.due(session, at))
        for account_id in due:
            await deliveries.run(database, account_id, clock=lambda: at)
        return due

    assert sorted(on_database(deliver)) == [ann.id, bob.id]
    tried = found(select(WebhookAttempt.delivery_id).order_by(WebhookAttempt.delivery_id))
    assert tried == sorted([rows[bad], rows[good]])


@pytest.mark.parametrize("column", ["asked", "result"])
def test_a_task_that_cannot_be_read_ends_and_those_behind_it_are_done(
    poison, account, on_database, column
) -> None:
    root = account("root", Role.administrator)
    bad, good = (
        root.post("/tasks/scores", None).json()["id"],
        account("bob").post(EXPORT, None).json()["id"],
    )
    if column == "asked":
        bad = account("ann").post(EXPORT, None).json()["id"]
    poison(Poison("task", column), bad)

    async def hand_out(database: Database) -> list[tuple[int, str]]:
        async with database.read() as session:
            handed_out = await tasks.next_of_each(session)
        for task_id, _ in handed_out:
            await tasks.run(database, task_id, kept=DAY)
        async with database.read() as session:
            return await tasks.next_of_each(session)

    assert on_database(hand_out) == []
    statuses = {one["id"]: one["status"] for one in root.get("/tasks", limit=50).json()["items"]}
    assert (statuses[bad], statuses[good]) == ("failed", "done")


def test_what_a_task_made_that_cannot_be_read_is_removed_with_the_others(
    poison, account, on_database, found
) -> None:
    ids = [account(name).post(EXPORT, None).json()["id"] for name in ("ann", "bob")]

    async def make(database: Database) -> None:
        for task_id in ids:
            await tasks.run(database, task_id, kept=-DAY)

    async def tidy(database: Database) -> None:
        async with database.write() as session:
            await tasks.tidy(session)

    on_database(make)
    poison(Poison("task", "asked"), ids[0])
    poison(Poison("task", "result"), ids[0])
    assert sorted(found(select(TaskPiece.task_id).distinct())) == ids
    on_database(tidy)
    assert found(select(TaskPiece.id)) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("column", ["started_at", "since", "seen_at"])
def test_a_worker_of_no_moment_takes_nobody_for_lost(poison, on_database, column) -> None:
    async def beat(database: Database) -> None:
        async with database.write() as session:
            for name in ("odd", "fine"):
                await heartbeats.record_heartbeat(session, name, "")

    async def alive(database: Database) -> list[str]:
        async with database.read() as session:
            return list(await heartbeats.alive(session, DAY))

    on_database(beat)
    poison(Poison("worker", column, json=False), 1)
    assert "fine" in on_database(alive)
    on_database(beat)


def job_of(on_database) -> fits.Job:
    async def read(database: Database) -> fits.Job:
        async with database.read() as session:
            needed = await fits.need(
                session, quiet=timedelta(0), longest_wait=DAY, at=datetime.now(UTC)
            )
            assert needed.due
            return await fits.read_job(session)

    job: fits.Job = on_database(read)
    return job


@pytest.fixture
def resolved(account, curator, question) -> list[int]:
    """Two questions that resolved, and what was forecast of them."""
    ann, ids = account("ann"), [question("bad"), question("good")]
    for number in ids:
        ann.forecast(number, 0.4)
        curator.resolve(number, "yes")
    return ids


def test_a_fit_learns_from_a_question_whose_sources_cannot_be_read(
    resolved, poison, on_database
) -> None:
    poison(Poison("question_revision", "sources"), resolved[0])
    assert job_of(on_database).panel.questions == tuple(map(str, resolved))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("table", "column", "learned"),
    [
        ("question_revision", "opens_at", 1),
        ("question_revision", "closes_at", 1),
        ("forecast", "created_at", 1),
        ("resolution", "occurred_at", 1),
        ("resolution", "created_at", 2),
    ],
)
def test_a_fit_learns_from_all_questions_but_one_of_no_moment(
    resolved, poison, on_database, table, column, learned
) -> None:
    poison(Poison(table, column, json=False), 1)
    assert job_of(on_database).panel.questions == tuple(map(str, resolved[-learned:]))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("place", [("question_revision", "closes_at"), ("forecast", "created_at")])
def test_a_fit_renews_the_aggregates_of_all_questions_but_one_of_no_moment(
    account, question, poison, on_database, found, place
) -> None:
    ann, ids = account("ann"), [question("bad"), question("good")]
    for number in ids:
        ann.forecast(number, 0.4)
    poison(Poison(*place, json=False), 1)

    async def renew(database: Database) -> int:
        return await fits.renew(database, Aggregator(0.8))

    assert on_database(renew) == 2
    renewed = select(Aggregate.question_id).where(Aggregate.cause == Cause.fit)
    assert found(renewed) == ids[1:]


def test_lists_of_the_api_give_null_for_what_cannot_be_read(account, question, poison) -> None:
    ann, ids = account("ann"), [question("bad"), question("good")]
    hooks = [hook(ann), hook(ann)]
    for name in ("sources", "tags"):
        poison(Poison("question_revision", name), ids[0])
    poison(EVENTS, hooks[0])
    listed = ann.get("/questions", set="tests").json()["items"]
    assert {one["slug"]: one["tags"] for one in listed} == {"bad": None, "good": []}
    assert ann.get(f"/questions/{ids[0]}").json()["sources"] is None
    shown = ann.get("/webhooks").json()["items"]
    assert [one["events"] for one in shown] == [None, ["question.opened"]]


def test_fits_are_listed_and_made_beside_one_that_cannot_be_read(
    resolved, poison, record, on_database, found
) -> None:
    refused = record(Sampled(FitStatus.failed, "the sampler's process died"))
    poison(Poison("fit", "diagnostics"), refused.id)
    assert job_of(on_database).panel.questions == tuple(map(str, resolved))
    assert found(select(func.count()).select_from(Aggregate)) == [2 + len(resolved)]
