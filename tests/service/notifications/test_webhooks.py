"""Webhooks: what they are told and when, how it is signed, guarded, retried and given up."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook as Standard
from standardwebhooks.webhooks import WebhookVerificationError

from service.database.engine import Database
from service.exceptions import Invalid
from service.models import Role, Webhook, WebhookDelivery
from service.notifications import addresses, deliveries, webhooks
from service.notifications.deliveries import PAUSES
from service.notifications.webhooks import FAILURES_BEFORE_REST, MOST, Event
from service.settings import Settings

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
START = datetime(2026, 11, 1, tzinfo=UTC)
LOOPBACK = [ip_network("127.0.0.0/8")]


class Receiver:
    """A real server that remembers what it was told, and answers as it is told to."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.paths.append(self.path)
                receiver.told.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/hook?a=1"


@pytest.fixture
def settings(settings) -> Settings:
    return replace(settings, webhooks_private="127.0.0.0/8")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def work(on_database) -> Any:
    """What the worker does at a moment: look, then try everything that is due."""

    def work(at: datetime, private: Any = LOOPBACK) -> None:
        async def run(database: Database) -> None:
            async with database.write() as session:
                await webhooks.note(session, at)
                due = await deliveries.due(session, at)
            for account_id in due:
                await deliveries.run(database, account_id, private=private, clock=lambda: at)

        on_database(run)

    return work


def made(caller: Any, url: str, events: list[str], **more: Any) -> dict[str, Any]:
    answer = caller.post("/webhooks", {"url": url, "events": events, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def events(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for _, body in receiver.told]


def test_the_life_of_a_question_is_told_once_each_in_order(
    account, curator, question, receiver, work
) -> None:
    ann = account("ann")
    with time_machine.travel(START, tick=False):
        made(ann, receiver.url, [one.value for one in Event])
        rain = question(opens_at=START + DAY, closes_at=START + 4 * DAY, created_at=START - DAY)
        question("draft", opens_at=START + DAY, draft=True, created_at=START - DAY)
    work(START + SECOND)
    assert events(receiver) == []
    expected = [
        (START + DAY, Event.opened),
        (START + 3 * DAY, Event.closing_soon),
        (START + 4 * DAY, Event.closed),
    ]
    for at, _ in expected:
        work(at + SECOND)
        work(at + 2 * SECOND)
    with time_machine.travel(START + 5 * DAY, tick=False):
        curator.resolve(rain, "yes", occurred_at=(START + 4 * DAY).isoformat())
    work(START + 5 * DAY + SECOND)
    with time_machine.travel(START + 6 * DAY, tick=False):
        curator("DELETE", f"/questions/{rain}/resolution")
    work(START + 6 * DAY + SECOND)
    told = [*(event for _, event in expected), Event.resolved, Event.unresolved]
    assert events(receiver) == told
    resolved = json.loads(receiver.told[3][1])
    assert resolved["resolution"]["outcome"] == "yes"
    assert (resolved["question"]["id"], resolved["question"]["slug"]) == (rain, "rain")


def test_a_lost_look_loses_nothing_and_a_repeated_one_repeats_nothing(
    account, question, receiver, work, on_database
) -> None:
    ann = account("ann")
    with time_machine.travel(START, tick=False):
        made(ann, receiver.url, ["question.opened"])
        question(opens_at=START + DAY, created_at=START - DAY)

    async def look(database: Database) -> int:
        async with database.write() as session:
            return await webhooks.note(session, START + 9 * DAY)

    assert [on_database(look) for _ in range(3)] == [1, 0, 0]
    work(START + 9 * DAY + SECOND)
    assert events(receiver) == ["question.opened"]


def test_two_workers_that_look_at_once_tell_each_event_once(
    account, question, receiver, work, on_database
) -> None:
    ann = account("ann")
    with time_machine.travel(START, tick=False):
        hook = made(ann, receiver.url, ["question.opened"])["id"]
        question(opens_at=START + DAY, created_at=START - DAY)

    async def look(database: Database) -> int:
        async with database.write() as session:
            count = await webhooks.note(session, START + DAY + SECOND)
            await asyncio.sleep(0)
            return count

    async def look_twice(database: Database) -> list[int]:
        return list(await asyncio.gather(look(database), look(database)))

    assert sorted(on_database(look_twice)) == [0, 1]
    work(START + DAY + SECOND)
    assert events(receiver) == ["question.opened"]
    assert ann.get(f"/webhooks/{hook}").json()["failures"] == 0


def test_a_movement_is_told_when_it_adds_up_and_may_be_seen(
    account, question, receiver, work, on_database
) -> None:
    ann, bob = account("ann"), account("bob")
    with time_machine.travel(START, tick=False):
        rain = question(created_at=START - DAY, opens_at=START - DAY)
        secret = question(
            "secret", created_at=START - DAY, opens_at=START - DAY, reveal_at=START + 90 * DAY
        )
        for one in (rain, secret):
            bob.forecast(one, 0.5)
    with time_machine.travel(START + SECOND, tick=False):
        made(ann, receiver.url, ["aggregate.moved"], moved_by=0.1)
    readings = []
    for turn, probability in enumerate((0.55, 0.6, 0.9, 0.91), start=1):
        with time_machine.travel(START + turn * DAY, tick=False):
            answer = bob.forecast(rain, probability)
            bob.forecast(secret, probability)
        readings.append(answer.json()["aggregate"]["probability"])
        work(START + turn * DAY + SECOND)
    assert events(receiver) == ["aggregate.moved"]
    told = json.loads(receiver.told[0][1])
    assert told["question"]["id"] == rain
    assert told["aggregate"]["probability"] == pytest.approx(readings[2])


def test_a_webhook_of_a_set_is_told_of_that_set_alone(account, question, receiver, work) -> None:
    ann = account("ann")
    with time_machine.travel(START, tick=False):
        for name in ("winter", "summer"):
            question(name, name, opens_at=START + DAY, created_at=START - DAY)
        made(ann, receiver.url, ["question.opened"], set="summer")
    work(START + DAY + SECOND)
    assert [json.loads(body)["question"]["set"] for _, body in receiver.told] == ["summer"]


def test_a_delivery_is_signed_so_that_its_receiver_can_know(
    account, question, receiver, work
) -> None:
    ann = account("ann")
    with time_machine.travel(START, tick=False):
        hook = made(ann, receiver.url, ["question.opened"])
        question(opens_at=START + DAY, created_at=START - DAY)
    work(START + DAY + SECOND)
    headers, body = receiver.told[0]
    known = Standard(hook["secret"])
    with time_machine.travel(START + DAY + SECOND, tick=False):
        assert known.verify(body, dict(headers)) == json.loads(body)
        with pytest.raises(WebhookVerificationError):
            known.verify(body + b" ", dict(headers))
    assert headers["webhook-timestamp"] == str(int((START + DAY + SECOND).timestamp()))
    assert headers["content-type"] == "application/json"
    assert headers["host"] == receiver.url.split("/")[2]
    assert "secret" not in ann.get("/webhooks").json()["items"][0]
    assert hook["secret"] not in ann.get(f"/webhooks/{hook['id']}/deliveries").text


def test_a_failure_is_tried_again_later_and_later_and_given_up(
    account, question, receiver, work
) -> None:
    ann = account("ann")
    receiver.answers = [500, 302, 404, *[503] * 20]
    with time_machine.travel(START, tick=False):
        hook = made(ann, receiver.url, ["question.opened"])
        question(opens_at=START + DAY, created_at=START - DAY)
    at = START + DAY + SECOND
    work(at)
    for pause in PAUSES:
        work(at + pause - SECOND)
        at += pause
        work(at)
    work(at + 30 * DAY)
    path = f"/webhooks/{hook['id']}/deliveries"
    (delivery,) = ann.get(path).json()["items"]
    assert [one["status"] for one in delivery["attempts"]] == [500, 302, 404, *[503] * 5]
    assert len(receiver.told) == len(PAUSES) + 1, "redirects are not followed"
    assert len({headers["webhook-id"] for headers, _ in receiver.told}) == 1
    assert delivery["due_at"] is None
    receiver.answers = []
    again = ann.post(f"{path}/{delivery['id']}/redelivery", None)
    assert again.status_code == 202
    work(datetime.now(UTC) + SECOND)
    (delivery,) = ann.get(path).json()["items"]
    assert delivery["attempts"][-1]["status"] == 204
    assert ann.get(f"/webhooks/{hook['id']}").json()["failures"] == 0


def test_an_address_that_goes_on_failing_is_disabled_until_its_owner_says_so(
    account, question, receiver, work
) -> None:
    ann = account("ann")
    receiver.answers = [500] * 100
    with time_machine.travel(START, tick=False):
        hook = made(ann, receiver.url, ["question.opened"])
        for turn in range(FAILURES_BEFORE_REST + 2):
            question(f"q{turn}", opens_at=START + DAY, created_at=START - DAY)
    work(START + DAY + SECOND)
    assert len(receiver.told) == FAILURES_BEFORE_REST
    found = ann.get(f"/webhooks/{hook['id']}").json()
    assert found["disabled_at"] is not None
    work(START + 2 * DAY)
    assert len(receiver.told) == FAILURES_BEFORE_REST
    enabled = ann.post(f"/webhooks/{hook['id']}/enabling", None).json()
    assert (enabled["disabled_at"], enabled["failures"]) == (None, 0)


def test_an_address_that_says_it_is_gone_is_disabled_at_once(
    account, question, receiver, work
) -> None:
    ann = account("ann")
    receiver.answers = [410]
    with time_machine.travel(START, tick=False):
        hook = made(ann, receiver.url, ["question.opened"])
        question(opens_at=START + DAY, created_at=START - DAY)
    work(START + DAY + SECOND)
    assert ann.get(f"/webhooks/{hook['id']}").json()["disabled_at"] is not None


def test_no_private_address_is_reached_unless_a_setting_says_so(
    account, question, receiver, work
) -> None:
    ann = account("ann")
    with time_machine.travel(START, tick=False):
        hook = made(ann, receiver.url, ["question.opened"])
        question(opens_at=START + DAY, created_at=START - DAY)
    work(START + DAY + SECOND, private=[])
    assert receiver.told == []
    (delivery,) = ann.get(f"/webhooks/{hook['id']}/deliveries").json()["items"]
    assert delivery["attempts"][0]["status"] is None
    assert "is not one that deliveries may go to" in delivery["attempts"][0]["error"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104  # an address to refuse
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("64:ff9b:1::808:808", False),
        ("::127.0.0.1", False),
        ("::8.8.8.8", False),
        ("::ffff:0:127.0.0.1", False),
        ("::ffff:8.8.8.8", False),
        ("2002:808:808::", False),
        ("2001::1", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("3fff:1000::1", True),
        ("5f00::1", False),
        ("4000::1", False),
        ("fec0::1", False),
        ("ff0e::1", False),
        ("100::1", False),
        ("192.0.0.170", False),
        ("192.0.2.1", False),
        ("192.88.99.1", False),
        ("192.88.100.1", True),
        ("198.19.0.1", False),
        ("203.0.113.1", False),
        ("255.255.255.255", False),
        ("223.255.255.255", True),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert addresses.is_public(ip_address(address)) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://xn--/",
        "http://xn--a/",
        "http://1.1.1.1:0/",
        "http://1.1.1.1:99999/",
        f"http://example.org:{'9' * 5_000}/",
        "http://example.org:http/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://10.0.0.2./",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://[2606:4700::1111%25eth0]/",
        "http://exa mple.org/",
        "http://exam\nple.org/",
        "http://example..org/",
        f"http://{'a' * 64}.org/",
        f"http://{'a.' * 130}org/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://\u202eexample.org/",
        "http://%31%32%37.0.0.1/",
        "http:example.org",
        "example.org",
        "http://ann@example.org/",
    ],
)
def test_an_address_that_no_delivery_could_go_to_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as refusal:
        addresses.check_url(url, LOOPBACK)
    assert [one.field for one in refusal.value.errors] == ["url"]


@pytest.mark.parametrize("url", ["http://localhost/", "http://a.localhost./", "http://127.0.0.1/"])
def test_the_machine_itself_is_refused_unless_a_setting_says_so(url: str) -> None:
    with pytest.raises(Invalid, match="not a public address"):
        addresses.check_url(url)
    assert addresses.check_url(url, LOOPBACK).port is None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "https://example.org.:8443/hook?a=1",
        "http://b\u00fccher.example/",
        "http://under_score.example.org/",
        "http://8.8.8.8:65535/",
        "http://[2606:4700::1111]:8080/",
    ],
)
def test_an_address_of_the_internet_is_taken(url: str) -> None:
    assert addresses.check_url(url).host


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "ftp://example.org"}, "url"),
        ({"url": "http://"}, "url"),
        ({"url": "http://ann:secret@example.org"}, "url"),
        ({"url": "http://[::1"}, "url"),
        ({"url": "http://xn--/"}, "url"),
        ({"url": "http://1.1.1.1:99999/"}, "url"),
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": "https://example.org/" + "x" * 2_000}, "url"),
        ({"events": []}, "events"),
        ({"events": ["question.deleted"]}, "events[0]"),
        ({"moved_by": 0}, "moved_by"),
        ({"moved_by": 1.5}, "moved_by"),
    ],
)
def test_what_cannot_be_told_is_refused_in_words(account, refused, changes, field: str) -> None:
    plain = {"url": "https://example.org/hook", "events": ["question.opened"]}
    refused(account("ann").post("/webhooks", plain | changes), 422, field=field)


def test_a_webhook_is_its_owners_alone(account, on_database, refused) -> None:
    ann, bob = account("ann"), account("bob", Role.administrator)
    hooks = [made(ann, "https://example.org/", ["question.closed"]) for _ in range(MOST)]
    refused(
        ann.post("/webhooks", {"url": "https://example.org/", "events": ["question.closed"]}), 409
    )
    path = f"/webhooks/{hooks[0]['id']}"
    assert bob.get("/webhooks").json()["items"] == []
    for answer in (
        bob.get(path),
        bob("DELETE", path),
        bob.post(f"{path}/enabling", None),
        bob.get(f"{path}/deliveries"),
        bob.post(f"{path}/deliveries/1/redelivery", None),
        ann.post(f"{path}/deliveries/1/redelivery", None),
    ):
        refused(answer, 404)
    assert ann("DELETE", path).status_code == 204
    refused(ann.get(path), 404)
    listed = ann.get("/webhooks", limit=5).json()
    assert [one["id"] for one in listed["items"]] == [hook["id"] for hook in hooks[1:6]]
    rest = ann.get("/webhooks", limit=5, cursor=listed["next"]).json()
    assert len(rest["items"]) == MOST - 6

    async def stored(database: Database) -> list[int]:
        async with database.read() as session:
            return list(await session.scalars(select(WebhookDelivery.id)))

    assert on_database(stored) == []


@pytest.fixture
def stored(on_database) -> Any:
    """Store what an earlier version, or a fault, may have left in a row."""

    def store(table: Any, row_id: int, **values: Any) -> None:
        async def work(database: Database) -> None:
            async with database.write() as session:
                await session.execute(update(table).where(table.id == row_id).values(**values))

        on_database(work)

    return store


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (
            {"url": "http://1.1.1.1:99999/"},
            "the webhook's URL is not one that deliveries may go to",
        ),
        ({"url": "http://xn--/"}, "the webhook's URL is not one that deliveries may go to"),
        ({"secret": "\u00fc"}, "the delivery could not be made"),
    ],
)
def test_whatever_fails_in_a_delivery_is_an_attempt_and_stops_nobody_elses(
    account, question, receiver, work, stored, values, error
) -> None:
    ann, bob = account("ann"), account("bob")
    with time_machine.travel(START, tick=False):
        bad = made(ann, receiver.url, ["question.opened"])["id"]
        made(ann, receiver.url + "&by=ann", ["question.opened"])
        made(bob, receiver.url + "&by=bob", ["question.opened"])
        question(opens_at=START + DAY, created_at=START - DAY)
    stored(Webhook, bad, **values)
    work(START + DAY + SECOND)
    work(START + DAY + 2 * SECOND)
    assert sorted(receiver.paths) == ["/hook?a=1&by=ann", "/hook?a=1&by=bob"]
    (delivery,) = ann.get(f"/webhooks/{bad}/deliveries").json()["items"]
    assert [(one["status"], one["error"]) for one in delivery["attempts"]] == [(None, error)]
    assert datetime.fromisoformat(delivery["due_at"]) == START + DAY + SECOND + PAUSES[0]
    assert ann.get(f"/webhooks/{bad}").json()["failures"] == 1


@pytest.mark.parametrize(
    "payload",
    [{}, {"aggregate": {"probability": "high"}}, ["nonsense"]],
)
def test_what_fails_for_one_webhook_is_told_to_the_others_all_the_same(
    account, question, receiver, work, stored, on_database, payload
) -> None:
    ann, bob = account("ann"), account("bob")
    with time_machine.travel(START, tick=False):
        rain = question(created_at=START - DAY, opens_at=START - DAY)
        bob.forecast(rain, 0.5)
    with time_machine.travel(START + SECOND, tick=False):
        bad = made(ann, receiver.url, ["aggregate.moved"], moved_by=0.01)["id"]
        made(bob, receiver.url + "&by=bob", ["aggregate.moved"], moved_by=0.01)
    with time_machine.travel(START + DAY, tick=False):
        bob.forecast(rain, 0.6)
    work(START + DAY + SECOND)
    assert len(receiver.paths) == 2
    (delivery,) = ann.get(f"/webhooks/{bad}/deliveries").json()["items"]
    stored(WebhookDelivery, delivery["id"], payload=payload)
    with time_machine.travel(START + 2 * DAY, tick=False):
        bob.forecast(rain, 0.9)
    work(START + 2 * DAY + SECOND)
    assert receiver.paths[2:] == ["/hook?a=1&by=bob"]
    for _ in range(FAILURES_BEFORE_REST):
        work(START + 2 * DAY + SECOND)
    assert ann.get(f"/webhooks/{bad}").json()["disabled_at"] is not None
    assert receiver.paths[2:] == ["/hook?a=1&by=bob"]


@pytest.mark.slow
def test_thousands_of_deliveries_of_one_account_do_not_delay_those_of_another(
    account, question, receiver, on_database
) -> None:
    ann, bob = account("ann"), account("bob")
    at = START + 2 * DAY
    with time_machine.travel(START, tick=False):
        many = [made(ann, f"{receiver.url}&by={n}", ["question.opened"])["id"] for n in range(2)]
        made(bob, receiver.url + "&by=bob", ["question.opened"])
        rain = question(opens_at=START + DAY, created_at=START - DAY)

    async def work(database: Database) -> list[int]:
        async with database.write() as session:
            session.add_all(
                WebhookDelivery(
                    webhook_id=webhook_id,
                    key=f"old:{number}",
                    event=Event.opened,
                    question_id=rain,
                    payload={"type": "old"},
                    attempts=0,
                    due_at=START,
                    created_at=START,
                )
                for webhook_id in many
                for number in range(1_000)
            )
            await webhooks.note(session, at)
            accounts = list(await deliveries.due(session, at))
        await deliveries.run(database, bob.id, private=LOOPBACK, clock=lambda: at)
        assert receiver.paths == ["/hook?a=1&by=bob"]
        await deliveries.run(database, ann.id, private=LOOPBACK, clock=lambda: at)
        return accounts

    assert on_database(work) == [ann.id, bob.id], "each is handed out once, whatever it has"
    told = [path.rpartition("=")[2] for path in receiver.paths[1:]]
    assert told.count("0") == told.count("1") == deliveries.BATCH


def test_what_waits_for_a_webhook_that_is_removed_or_disabled_is_given_up(
    account, question, receiver, work, stored, on_database
) -> None:
    ann, bob = account("ann"), account("bob")
    with time_machine.travel(START, tick=False):
        removed, disabled = (made(ann, receiver.url, ["question.opened"])["id"] for _ in range(2))
        made(bob, receiver.url + "&by=bob", ["question.opened"])
        question(opens_at=START + DAY, created_at=START - DAY)

    async def look(database: Database) -> None:
        async with database.write() as session:
            await webhooks.note(session, START + DAY + SECOND)

    on_database(look)
    assert ann("DELETE", f"/webhooks/{removed}").status_code == 204
    stored(Webhook, disabled, disabled_at=START)
    work(START + DAY + 2 * SECOND)
    assert receiver.paths == ["/hook?a=1&by=bob"]
    (delivery,) = ann.get(f"/webhooks/{disabled}/deliveries").json()["items"]
    assert delivery["due_at"] is None


@pytest.mark.parametrize("name", [socket.gethostname(), "nowhere.invalid"])
def test_an_error_does_not_tell_what_a_name_within_the_network_stands_for(
    account, question, receiver, work, name: str
) -> None:
    ann = account("ann")
    with time_machine.travel(START, tick=False):
        url = receiver.url.replace("localhost", name)
        hook = made(ann, url, ["question.opened"])
        question(opens_at=START + DAY, created_at=START - DAY)
    work(START + DAY + SECOND, private=[ip_network("10.0.0.0/8")])
    (delivery,) = ann.get(f"/webhooks/{hook['id']}/deliveries").json()["items"]
    assert [one["error"] for one in delivery["attempts"]] == [
        "the host does not resolve to a public address"
    ]


def test_a_host_that_accepts_no_connection_is_told_in_one_sentence(account, question, work) -> None:
    ann = account("ann")
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
    with time_machine.travel(START, tick=False):
        hook = made(ann, f"http://127.0.0.1:{port}/", ["question.opened"])
        question(opens_at=START + DAY, created_at=START - DAY)
    work(START + DAY + SECOND)
    (delivery,) = ann.get(f"/webhooks/{hook['id']}/deliveries").json()["items"]
    assert [one["error"] for one in delivery["attempts"]] == ["the host accepts no connection"]
