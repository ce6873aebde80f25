"""The API that Metaculus's clients know: what they send is answered as they understand it."""

import asyncio
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from litestar.testing import TestClient

from forecasting.panel import Panel
from questions.load import find_sets, read_set
from service.accounts import accounts, tokens
from service.app import create_app
from service.database.engine import Database
from service.exchange import imports
from service.models import Role
from service.questions import questions
from service.questions.aggregates import Aggregator

DATA = Path(__file__).parents[2] / "data" / "metaculus"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def speak(client: TestClient[Any]) -> Callable[..., Any]:
    """Ask as an account, as Metaculus's clients do."""

    def ask(caller: Any, method: str, path: str, body: Any = None, **params: Any) -> Any:
        return client.request(
            method,
            f"/api/metaculus{path}",
            json=body,
            params=params or None,
            headers={"Authorization": f"Token {caller.token}"},
            follow_redirects=False,
        )

    return ask


@pytest.fixture
def say(speak: Callable[..., Any]) -> Callable[..., Any]:
    """Forecast one question."""

    def forecast(caller: Any, question_id: int, probability: float, **more: Any) -> Any:
        told = {"question": question_id, "source": "api", "probability_yes": probability} | more
        return speak(caller, "POST", "/questions/forecast/", [told])

    return forecast


def said(caller: Any, question_id: int) -> list[float]:
    """What a caller's forecasts are, the oldest first, as our own API tells it."""
    listed = caller.get(f"/questions/{question_id}/forecasts", mine=True).json()["items"]
    return [one["probability"] for one in reversed(listed)]


@pytest.fixture
def cup(client: TestClient[Any], on_database: Any) -> dict[str, str]:
    """The tournament of the recording and its accounts; their tokens by name."""

    async def prepare(database: Database) -> dict[str, str]:
        async with database.write() as session:
            for path in find_sets(DATA / "sets"):
                await questions.load(session, read_set(path))
            first = await accounts.create(session, "administrator", Role.administrator)
            told = {"administrator": (await tokens.issue(session, first.id, "first"))[1]}
            await imports.import_panel(session, Aggregator(0.8), Panel.read(DATA / "cup"), "cup")
            for name in ("wren", "lark", "robin", "sceptic", "guest"):
                role = Role.viewer if name == "guest" else Role.forecaster
                made = await accounts.create(session, name, role, bot=name in {"robin", "sceptic"})
                told[name] = (await tokens.issue(session, made.id, "first"))[1]
            return told

    told: dict[str, str] = on_database(prepare)
    hidden = client.post(
        "/api/v1/sets/cup/visibility",
        json={"visibility": "after_forecast", "reason": "To be fair."},
        headers={"Authorization": f"Bearer {told['administrator']}"},
    )
    assert hidden.status_code == 201
    return told | {"stranger": "crd_of-nobody"}


MOMENTS = {
    "start_time",
    "end_time",
    "created_at",
    "published_at",
    "resolution_set_time",
}


def timeless(told: Any, key: str = "") -> Any:
    """An answer without what depends on when it was given, or to which request."""
    if key in MOMENTS:
        return told is not None
    if isinstance(told, dict):
        return {name: timeless(value, name) for name, value in told.items() if name != "request_id"}
    if key in {"centers", "interval_lower_bounds", "interval_upper_bounds"}:
        assert all(0 < value < 1 for value in told)
        return len(told)
    if isinstance(told, list):
        return [timeless(value) for value in told]
    return told


def test_what_the_real_client_sent_is_answered_as_it_was(client, cup) -> None:
    address = str(client.base_url).rstrip("/")
    recorded = (DATA / "traffic.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(recorded) > 50
    for line in recorded:
        one = json.loads(line)
        answer = client.request(
            one["method"],
            one["path"],
            json=one["body"],
            headers=one["headers"] | {"Authorization": f"Token {cup[one['by']]}"},
            follow_redirects=False,
        )
        where = (one["by"], one["method"], one["path"])
        assert answer.status_code == one["status"], (where, answer.text)
        told = json.loads(answer.text.replace(address, ""))
        assert timeless(told) == timeless(one["answer"]), where


@pytest.mark.parametrize("slash", ["", "/"])
def test_both_forms_of_an_address_are_answered_without_redirects(
    slash: str, account, question, speak
) -> None:
    ann, rain = account("ann"), question()
    asked: list[tuple[str, str, Any]] = [
        ("GET", "/posts", None),
        ("GET", f"/posts/{rain}", None),
        ("GET", "/users/me", None),
        ("GET", "/comments", None),
        ("POST", "/questions/forecast", [{"question": rain, "probability_yes": 0.3}]),
        ("POST", "/questions/withdraw", [{"question": rain}]),
        ("POST", "/comments/create", {"on_post": rain, "text": "Dry."}),
    ]
    for method, path, body in asked:
        expected = 200 if method == "GET" else 201
        assert speak(ann, method, path + slash, body).status_code == expected, path


def test_a_repeated_forecast_is_stored_once_and_a_new_one_always(
    account, question, say, speak
) -> None:
    ann, rain = account("ann"), question()
    with time_machine.travel(NOON, tick=False) as clock:
        replayed = []
        for probability in (0.3, 0.3, 0.6, 0.3, 0.3):
            answer = say(ann, rain, probability)
            assert (answer.status_code, answer.json()) == (201, {})
            replayed.append(answer.headers.get("Idempotency-Replayed"))
            clock.shift(timedelta(seconds=30))
        assert replayed == [None, "true", None, None, "true"]
        assert said(ann, rain) == [0.3, 0.6, 0.3]
        say(ann, rain, 0.3, end_time=(NOON + timedelta(days=1)).isoformat())
        assert said(ann, rain) == [0.3, 0.6, 0.3, 0.3]
        speak(ann, "POST", "/questions/withdraw/", [{"question": rain}])
        say(ann, rain, 0.3)
        assert len(said(ann, rain)) == 5
        ann.forecast(rain, 0.7)
        say(ann, rain, 0.3)
        assert said(ann, rain)[-2:] == [0.7, 0.3]
        clock.shift(timedelta(minutes=11))
        assert "Idempotency-Replayed" not in say(ann, rain, 0.3).headers
    published = ann.get(f"/questions/{rain}/aggregate/history").json()["items"]
    assert len(published) == len(said(ann, rain)) + 1


def test_requests_that_cross_are_stored_once(settings, account, question) -> None:
    ann, rain = account("ann"), question()
    headers = {"Authorization": f"Token {ann.token}"}
    forecast = [{"question": rain, "probability_yes": 0.3}]
    comment = {"on_post": rain, "text": "Dry.", "is_private": True}

    async def cross() -> list[int]:
        app = create_app(settings)
        async with (
            app.lifespan(),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app),
                base_url="http://local/api/metaculus",
                headers=headers,
            ) as client,
        ):
            answers = await asyncio.gather(
                *(client.post("/questions/forecast/", json=forecast) for _ in range(4)),
                *(client.post("/comments/create/", json=comment) for _ in range(4)),
            )
        return [answer.status_code for answer in answers]

    assert asyncio.run(cross()) == [201] * 8
    assert said(ann, rain) == [0.3]
    assert len(ann.get(f"/questions/{rain}/comments").json()["items"]) == 1


def test_a_repeated_comment_is_stored_once_and_another_always(account, question, speak) -> None:
    ann, rain = account("ann"), question()

    def write(text: str, **more: Any) -> Any:
        told = {"on_post": rain, "text": text, "included_forecast": True} | more
        return speak(ann, "POST", "/comments/create/", told)

    with time_machine.travel(NOON, tick=False) as clock:
        first, again = write("Dry."), write("Dry.")
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert again.headers["Idempotency-Replayed"] == "true"
        assert first.json()["included_forecast"] is None, "there is none to include"
        others = [write("Wet."), write("Dry.", is_private=True), write("Dry.", parent=1)]
        ann("DELETE", f"/comments/{first.json()['id']}")
        others.append(write("Dry."))
        clock.shift(timedelta(minutes=11))
        others.append(write("Dry."))
    assert [one.status_code for one in others] == [201] * 5
    ids = {one.json()["id"] for one in [first, *others]}
    assert len(ids) == 6
    listed = speak(ann, "GET", "/comments/", post=rain, limit=2, sort="created_at").json()
    assert [one["id"] for one in listed["results"]] == sorted(ids)[:2]
    assert listed["results"][0]["text"] == "deleted"
    following = speak(ann, "GET", listed["next"].partition("/api/metaculus")[2]).json()
    assert [one["id"] for one in following["results"]] == sorted(ids)[2:4]
    private = speak(ann, "GET", "/comments/", author=ann.id, is_private="true").json()["results"]
    assert [one["is_private"] for one in private] == [True]


def test_the_right_error_for_what_is_wrong(client, account, question, say, speak) -> None:
    ann, rain = account("ann"), question()
    ended = question("snow", closes_at=NOON - timedelta(days=1))
    later = question("hail", opens_at=NOON + timedelta(days=3000), closes_at=None)
    ids = {"question": rain}
    forecast = "/questions/forecast/"
    wrong: list[tuple[int, str, str, Any]] = [
        (405, "POST", forecast, [{"question": ended, "probability_yes": 0.3}]),
        (405, "POST", forecast, [{"question": later, "probability_yes": 0.3}]),
        (405, "POST", "/questions/withdraw/", [{"question": ended}]),
        (405, "POST", "/questions/withdraw/", [ids | {"withdraw_at": "2020-01-01T00:00:00Z"}]),
        (400, "POST", forecast, [{"question": 999, "probability_yes": 0.3}]),
        (400, "POST", forecast, [{"question": 2**40, "probability_yes": 0.3}]),
        (400, "POST", forecast, [ids]),
        (400, "POST", forecast, [ids | {"probability_yes": None}]),
        (400, "POST", forecast, [ids | {"probability_yes": 1.2}]),
        (400, "POST", forecast, [ids | {"probability_yes": "0.3"}]),
        (400, "POST", forecast, [ids | {"continuous_cdf": [0.0, 1.0]}]),
        (400, "POST", forecast, [ids | {"probability_yes": 0.3}] * 2),
        (400, "POST", forecast, ids | {"probability_yes": 0.3}),
        (400, "POST", forecast, []),
        (400, "POST", forecast, [ids | {"probability_yes": 0.3, "end_time": "2020-01-01"}]),
        (400, "POST", "/comments/create/", {"on_post": 999, "text": "Dry."}),
        (400, "POST", "/comments/create/", {"on_post": rain, "text": "Dry.", "parent": 99}),
        (400, "POST", "/comments/create/", {"on_post": rain}),
        (400, "GET", "/posts/?tournaments=nowhere", None),
        (400, "GET", f"/posts/?tournaments={2**70}", None),
        (400, "GET", "/posts/?tournaments=a%00b", None),
        (400, "GET", "/posts/?limit=0", None),
        (400, "GET", "/posts/?offset=-1", None),
        (400, "GET", "/posts/?open_time__gt=yesterday", None),
        (403, "GET", f"/posts/?forecaster_id={ann.id + 1}", None),
        (404, "GET", "/posts/999/", None),
        (404, "GET", f"/posts/{2**70}/", None),
        (404, "GET", "/comments/?post=999", None),
    ]
    for status, method, path, body in wrong:
        answer = speak(ann, method, path, body)
        assert answer.status_code == status, (path, body, answer.text)
        told = answer.json()
        assert told["status"] == status
        assert told["error"] == told["detail"] != ""
    both = [{"question": one, "probability_yes": 0.3} for one in (rain, 999)]
    assert speak(ann, "POST", forecast, both).status_code == 400
    assert said(ann, rain) == []
    for content in (b"{", b"[NaN]", b'[{"question": 1, "probability_yes": NaN}]', b"\xff"):
        answer = client.post(
            f"/api/metaculus{forecast}",
            content=content,
            headers={"Authorization": f"Token {ann.token}", "Content-Type": "application/json"},
        )
        assert answer.status_code == 400, answer.text


def test_an_address_that_is_not_there_is_refused_in_the_shape_of_all_refusals(client) -> None:
    for method, path, status in (
        ("GET", "nowhere", 404),
        ("GET", "posts/one", 404),
        ("DELETE", "posts", 405),
        ("POST", "questions/nowhere", 400),
    ):
        refusal = client.request(method, f"/api/metaculus/{path}")
        assert refusal.status_code == status, path
        assert refusal.headers["content-type"] == "application/problem+json"
        told = refusal.json()
        assert told["error"] == told["detail"] != ""
        assert told["status"] == status


def test_a_post_tells_what_our_own_api_tells(account, question, say, speak, curator) -> None:
    ann, bob, rain = account("ann"), account("bob", bot=True), question(resolves_by=NOON)
    with time_machine.travel(NOON - timedelta(days=2), tick=False) as clock:
        say(ann, rain, 0.25, end_time=(NOON - timedelta(hours=1)).isoformat())
        say(bob, rain, 0.75)
        clock.shift(timedelta(hours=1))
        say(bob, rain, 1.0)
        post = speak(bob, "GET", f"/posts/{rain}/").json()
        shown = bob.get(f"/questions/{rain}").json()
    asked, community = post["question"], post["question"]["aggregations"]["recency_weighted"]
    assert (asked["type"], asked["status"], asked["resolution"]) == ("binary", "open", None)
    assert asked["scheduled_close_time"] == shown["closes_at"]
    assert asked["scheduled_resolve_time"] == shown["resolves_by"]
    assert (post["nr_forecasters"], post["forecasts_count"]) == (2, 3)
    latest, aggregate = community["latest"], shown["aggregate"]
    assert latest["forecaster_count"] == 2
    assert latest["end_time"] is None
    for theirs, ours in (
        ("centers", "probability"),
        ("interval_lower_bounds", "lower"),
        ("interval_upper_bounds", "upper"),
    ):
        assert latest[theirs] == [pytest.approx(aggregate[ours])]
    assert len(community["history"]) == 3
    assert community["history"][-1]["centers"] == latest["centers"]
    start = (NOON - timedelta(days=2)).timestamp()
    assert asked["my_forecasts"]["history"] == [
        {
            "question_id": rain,
            "author_id": bob.id,
            "start_time": pytest.approx(start, abs=0.01),
            "end_time": pytest.approx(start + 3600, abs=0.01),
            "forecast_values": [0.25, 0.75],
        },
        asked["my_forecasts"]["latest"],
    ]
    assert asked["my_forecasts"]["latest"]["forecast_values"] == [0.0, 1.0]
    assert asked["my_forecasts"]["latest"]["end_time"] is None
    (mine,) = speak(ann, "GET", f"/posts/{rain}/").json()["question"]["my_forecasts"]["history"]
    assert mine["end_time"] == (NOON - timedelta(hours=1)).timestamp()
    assert not math.isclose(mine["start_time"], mine["end_time"])
    for outcome in ("yes", "no", "ambiguous", "annulled"):
        assert curator.resolve(rain, outcome).status_code == 201
        told = speak(ann, "GET", f"/posts/{rain}/").json()["question"]
        assert (told["status"], told["resolution"]) == ("resolved", outcome)
        assert told["actual_resolve_time"] is not None
        reason = {"reason": "To try the next."}
        curator("DELETE", f"/questions/{rain}/resolution", params=reason)


def test_what_is_hidden_is_null_and_what_another_forecast_is_not_told(
    sky, account, say, speak
) -> None:
    ann, eve = account("ann"), account("eve")
    rain = sky({"visibility": "after_forecast"}, rain={})["rain"]
    say(ann, rain, 0.71734)
    told = {"on_post": rain, "text": "I know.", "included_forecast": True}
    written = speak(ann, "POST", "/comments/create/", told).json()
    assert written["included_forecast"]["forecast_values"][1] == 0.71734

    def seen() -> tuple[Any, Any]:
        question = speak(eve, "GET", f"/posts/{rain}/").json()["question"]
        (comment,) = speak(eve, "GET", "/comments/", post=rain).json()["results"]
        return question, comment["included_forecast"]

    asked, forecast = seen()
    community = asked["aggregations"]["recency_weighted"]
    assert (community["latest"], community["history"], forecast) == (None, [], None)
    assert asked["cp_reveal_time"] == asked["scheduled_close_time"]
    say(eve, rain, 0.5)
    asked, forecast = seen()
    assert asked["aggregations"]["recency_weighted"]["latest"]["forecaster_count"] == 2
    assert forecast["forecast_values"][1] == 0.71734


def test_drafts_are_no_posts_until_they_are_published(sky, curator, account, speak) -> None:
    ids = sky(rain={"draft": True}, snow={})
    ann = account("ann")

    def listed(caller: Any, **asked: Any) -> list[int]:
        return [one["id"] for one in speak(caller, "GET", "/posts/", **asked).json()["results"]]

    for caller in (ann, curator):
        assert listed(caller) == [ids["snow"]]
        assert speak(caller, "GET", f"/posts/{ids['rain']}/").status_code == 404
    with time_machine.travel(datetime.now(UTC) + timedelta(days=3), tick=False) as clock:
        told = {"based_on": 1, "reason": "It is ready.", "changes": {"draft": False}}
        curator.post(f"/questions/{ids['rain']}/revisions", told)
        del clock
    since = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert listed(ann, published_at__gt=since) == [ids["rain"]]
    assert listed(ann, published_at__lt=since) == [ids["snow"]]


def test_posts_are_filtered_ordered_and_paged(account, question, speak) -> None:
    ann = account("ann")
    opened = {
        question(f"q{day}", opens_at=NOON - timedelta(days=day)): NOON - timedelta(days=day)
        for day in (3, 1, 2)
    }
    other = question("other", in_set="elsewhere", opens_at=NOON, closes_at=NOON)
    newest = sorted(opened, key=opened.__getitem__, reverse=True)

    def listed(**asked: Any) -> list[int]:
        page = speak(ann, "GET", "/posts/", **asked).json()
        return [one["id"] for one in page["results"]]

    assert listed(order_by="-published_time") == [other, *newest]
    assert listed(tournaments="tests", order_by="-hotness", junk="1") == newest
    assert listed(tournaments="tests", order_by="open_time") == newest[::-1]
    assert listed(tournaments=["tests", "elsewhere"], statuses="closed") == [other]
    assert listed(tournaments="tests,elsewhere", statuses="open,closed") == [other, *newest]
    assert listed(statuses="pending_resolution") == []
    assert listed(forecast_type="numeric,date") == []
    assert listed(forecast_type="binary,numeric", limit=5000) == [other, *newest]
    day = (NOON - timedelta(days=1)).date().isoformat()
    assert listed(open_time__gt=day, tournaments="tests") == newest[:1]
    assert listed(open_time__lt=day) == newest[1:]
    assert listed(scheduled_resolve_time__lt="2026-12-01") == [other]
    first = speak(ann, "GET", "/posts/?tournaments=tests&limit=2&statuses=open").json()
    assert [one["id"] for one in first["results"]] == newest[:2]
    assert first["previous"] is None
    second = speak(ann, "GET", first["next"].partition("/api/metaculus")[2]).json()
    assert [one["id"] for one in second["results"]] == newest[2:]
    assert second["next"] is None
    assert second["previous"].endswith("offset=0")


def test_a_list_takes_no_statement_more_for_a_question_more(
    account, question, say, speak, statements
) -> None:
    ann = account("ann")
    for number in range(2):
        say(ann, question(f"q{number}"), 0.3)
    speak(ann, "GET", "/users/me")
    with statements() as few:
        speak(ann, "GET", "/posts/?limit=100")
    for number in range(2, 8):
        say(ann, question(f"q{number}"), 0.3)
    with statements() as many:
        found = speak(ann, "GET", "/posts/?limit=100").json()["results"]
    assert len(found) == 8
    assert all(one["question"]["my_forecasts"]["history"] for one in found)
    assert len(many) == len(few)
