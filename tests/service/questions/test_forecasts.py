"""Submitting, updating, withdrawing: what is stored, what is refused, and the aggregate."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

LATER = datetime(2027, 3, 1, tzinfo=UTC)


def stored(caller: Any, question_id: int) -> list[float]:
    items = caller.get(f"/questions/{question_id}/forecasts")
    return [item["probability"] for item in items.json()["items"]]


def test_a_forecast_is_answered_with_the_aggregate_that_it_led_to(account, question) -> None:
    ann, rain = account("ann"), question()
    before = ann.get(f"/questions/{rain}/aggregate").json()
    answer = ann.forecast(rain, 0.9, rationale="clouds")
    assert answer.status_code == 201
    forecast, aggregate = answer.json()["forecast"], answer.json()["aggregate"]
    assert (forecast["probability"], forecast["rationale"]) == (0.9, "clouds")
    assert (before["forecasters"], aggregate["forecasters"]) == (0, 1)
    assert before["probability"] < aggregate["probability"] < 0.9
    assert aggregate["lower"] < aggregate["probability"] < aggregate["upper"]
    now = ann.get(f"/questions/{rain}/aggregate").json()
    assert now | {"as_of": None} == aggregate | {"as_of": None}


def test_an_update_replaces_the_earlier_forecast_and_the_record_keeps_both(
    account, question
) -> None:
    ann, rain = account("ann"), question()
    ann.forecast(rain, 0.2)
    aggregate = ann.forecast(rain, 0.9).json()["aggregate"]
    assert aggregate["forecasters"] == 1
    assert aggregate["probability"] > 0.5
    assert stored(ann, rain) == [0.9, 0.2]


@pytest.mark.parametrize("probability", [0, 1, 0.0, 1.0, 5e-324])
def test_the_ends_of_the_scale_are_taken_as_stated(account, question, probability: float) -> None:
    ann, rain = account("ann"), question()
    answer = ann.forecast(rain, probability)
    assert answer.status_code == 201
    assert answer.json()["forecast"]["probability"] == probability
    assert 0 < answer.json()["aggregate"]["probability"] < 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ('{"probability": 1.2}', 422, "probability"),
        ('{"probability": -0.1}', 422, "probability"),
        ('{"probability": "0.3"}', 422, "probability"),
        ('{"probability": "NaN"}', 422, "probability"),
        ('{"probability": null}', 422, "probability"),
        ('{"probability": true}', 422, "probability"),
        ('{"probability": [0.3]}', 422, "probability"),
        ('{"probability": 1e999}', 400, None),
        ('{"probability": NaN}', 400, None),
        ('{"probability": 0.3', 400, None),
        ("[" * 100_000, 400, None),
        (b'{"probability": 0.3, "rationale": "\xff"}', 400, None),
        ("", 422, "body"),
        ("[]", 422, "body"),
        ("{}", 422, "probability"),
        ('{"probability": 0.3, "account_id": 1}', 422, "account_id"),
        ('{"probability": 0.3, "expires_at": "2030-01-01T00:00:00"}', 422, "expires_at"),
        ('{"probability": 0.3, "expires_at": "2020-01-01T00:00:00Z"}', 422, "expires_at"),
        ('{"probability": 0.3, "rationale": 7}', 422, "rationale"),
    ],
)
def test_a_bad_body_is_refused_by_name_and_nothing_is_stored(
    refused, account, question, body: str | bytes, status: int, field: str | None
) -> None:
    ann, rain = account("ann"), question()
    answer = ann(
        "POST",
        f"/questions/{rain}/forecasts",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    refused(answer, status, field=field)
    assert stored(ann, rain) == []
    assert ann.get(f"/questions/{rain}/aggregate/history").json()["items"] == []


def test_a_question_takes_forecasts_only_while_it_is_open(
    refused, account, curator, question
) -> None:
    ann = account("ann")
    early = question("early", opens_at=LATER, closes_at=LATER + timedelta(days=9))
    late = question("late", closes_at=datetime(2026, 11, 2, tzinfo=UTC))
    done, draft = question("done"), question("draft", draft=True)
    curator.resolve(done, "yes")
    refused(ann.forecast(early, 0.3), 409, "opens at 2027-03-01")
    refused(ann.forecast(late, 0.3), 409, "closed at 2026-11-02")
    refused(ann.forecast(done, 0.3), 409, "is resolved: yes")
    refused(curator.forecast(draft, 0.3), 409, "is a draft")
    refused(ann.forecast(draft, 0.3), 404)
    refused(ann.forecast(9999, 0.3), 404, "there is no question 9999")
    for closed in (early, late, done, draft):
        assert stored(curator, closed) == []


def test_a_withdrawn_forecast_no_longer_counts(refused, account, question) -> None:
    ann, bob, rain = account("ann"), account("bob"), question()
    ann.forecast(rain, 0.9)
    alone = bob.forecast(rain, 0.2).json()["aggregate"]
    answer = bob("DELETE", f"/questions/{rain}/forecasts/current")
    assert answer.status_code == 200
    assert answer.json()["aggregate"]["forecasters"] == 1
    assert answer.json()["aggregate"]["probability"] > alone["probability"]
    assert stored(bob, rain) == [0.2, 0.9]
    again = bob("DELETE", f"/questions/{rain}/forecasts/current")
    refused(again, 409, "no active forecast")
    back = bob.forecast(rain, 0.4).json()["aggregate"]
    assert back["forecasters"] == 2


def test_an_expired_forecast_no_longer_counts(account, question) -> None:
    ann, bob, rain = account("ann"), account("bob"), question()
    ann.forecast(rain, 0.2)
    bob.forecast(rain, 0.9, expires_at="2027-01-01T00:00:00Z")
    now = ann.get(f"/questions/{rain}/aggregate").json()
    with time_machine.travel(datetime(2027, 1, 2, tzinfo=UTC), tick=False):
        later = ann.get(f"/questions/{rain}/aggregate").json()
        listed = ann.get("/questions").json()["items"][0]["aggregate"]
    assert (now["forecasters"], later["forecasters"]) == (2, 1)
    assert later["probability"] < now["probability"]
    assert listed == later


def test_a_bulk_is_stored_whole_or_not_at_all(refused, account, question) -> None:
    ann, rain, snow = account("ann"), question("rain"), question("snow")
    bad = [{"question_id": rain, "probability": 0.1}, {"question_id": 999, "probability": 0.1}]
    refused(ann.post("/forecasts", bad), 404, "999")
    closed = question("closed", closes_at=datetime(2026, 11, 2, tzinfo=UTC))
    bad[1]["question_id"] = closed
    refused(ann.post("/forecasts", bad), 409)
    bad[1] = {"question_id": snow, "probability": 7}
    refused(ann.post("/forecasts", bad), 422, "[1].probability")
    refused(ann.post("/forecasts", []), 422, field="body")
    assert stored(ann, rain) == []
    good = [{"question_id": rain, "probability": 0.1}, {"question_id": snow, "probability": 0.7}]
    answer = ann.post("/forecasts", good)
    assert answer.status_code == 201
    shown = [
        (item["aggregate"]["question_id"], item["forecast"]["probability"])
        for item in answer.json()["items"]
    ]
    assert shown == [(rain, 0.1), (snow, 0.7)]


def test_a_repeated_key_gives_the_same_answer_and_is_done_once(refused, account, question) -> None:
    ann, bob, rain = account("ann"), account("bob"), question()
    path, key = f"/questions/{rain}/forecasts", {"Idempotency-Key": "k1"}
    first = ann.post(path, {"probability": 0.3}, headers=key)
    second = ann.post(path, {"probability": 0.3}, headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert stored(ann, rain) == [0.3]
    other = ann.post(path, {"probability": 0.4}, headers=key)
    refused(other, 422, field="Idempotency-Key")
    assert bob.post(path, {"probability": 0.4}, headers=key).status_code == 201
    assert stored(ann, rain) == [0.4, 0.3]


def test_a_failed_request_does_not_use_up_its_key(refused, account, question) -> None:
    ann = account("ann")
    rain = question(opens_at=LATER, closes_at=LATER + timedelta(days=9))
    path, key = f"/questions/{rain}/forecasts", {"Idempotency-Key": "k1"}
    refused(ann.post(path, {"probability": 0.3}, headers=key), 409)
    with time_machine.travel(LATER + timedelta(days=1)):
        assert ann.post(path, {"probability": 0.3}, headers=key).status_code == 201


def test_a_clock_that_goes_back_does_not_reorder_a_forecasters_record(account, question) -> None:
    ann, rain = account("ann"), question()
    with time_machine.travel(datetime(2026, 12, 2, tzinfo=UTC)):
        ann.forecast(rain, 0.2)
    with time_machine.travel(datetime(2026, 12, 1, tzinfo=UTC)):
        aggregate = ann.forecast(rain, 0.9).json()["aggregate"]
    assert aggregate["forecasters"] == 1
    assert aggregate["probability"] > 0.5


def test_a_list_of_forecasts_pages_to_its_end_without_gaps(refused, account, question) -> None:
    ann, bob, rain = account("ann"), account("bob"), question()
    for step in range(1, 8):
        ann.forecast(rain, step / 10)
    bob.forecast(rain, 0.99)
    seen: list[float] = []
    params: dict[str, Any] = {"limit": 3, "mine": True}
    while True:
        page = ann.get(f"/questions/{rain}/forecasts", **params).json()
        seen += [item["probability"] for item in page["items"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert seen == [0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    refused(ann.get(f"/questions/{rain}/forecasts", cursor="nonsense!"), 422, field="cursor")


@pytest.mark.parametrize("role", ["viewer"])
def test_a_viewer_may_read_but_not_forecast(
    refused, account: Callable[..., Any], question, role: str
) -> None:
    eve, rain = account("eve", role), question()
    refused(eve.forecast(rain, 0.3), 403, "a viewer may not forecast")
    refused(eve("DELETE", f"/questions/{rain}/forecasts/current"), 403)
    assert stored(eve, rain) == []
