"""Resolving, taking back, scoring: one step, whole, and on record."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import time_machine

from service.curation import resolutions
from service.database.engine import Database
from service.exceptions import Conflict
from service.models import Outcome, Role
from service.permissions import Actor
from service.questions.aggregates import METHODS, Aggregator

DAY = timedelta(days=1)
OPENS = datetime(2026, 11, 1, tzinfo=UTC)
CLOSES = OPENS + 10 * DAY


@pytest.fixture
def life(question, account, curator) -> Any:
    """Ann says 0.8 on day 0; Bob 0.4 on day 0 and 0.6 on day 5; the answer comes later."""
    ann, bob = account("ann"), account("bob")
    with time_machine.travel(OPENS, tick=False):
        rain = question(closes_at=CLOSES)
        ann.forecast(rain, 0.8)
        bob.forecast(rain, 0.4)
    with time_machine.travel(OPENS + 5 * DAY, tick=False):
        bob.forecast(rain, 0.6)
    return rain, ann, bob, curator


def scores(caller: Any, question_id: int) -> dict[str, dict[str, Any]]:
    items = caller.get(f"/questions/{question_id}/scores").json()["items"]
    return {item["forecaster"] or item["method"]: item for item in items}


def test_resolving_scores_everyone_and_the_aggregate_in_one_step(life) -> None:
    rain, ann, _, curator = life
    with time_machine.travel(CLOSES + DAY, tick=False):
        answer = curator.resolve(
            rain,
            "yes",
            occurred_at=CLOSES.isoformat(),
            evidence_url="https://example.org/rain",
            note="It rained.",
        )
    assert answer.status_code == 201
    assert answer.json()["state"] == "resolved"
    assert answer.json()["resolution"]["outcome"] == "yes"
    found = scores(ann, rain)
    assert set(found) == {"ann", "bob", *METHODS}
    # By hand: Bob stood at 0.4 for half of the life and at 0.6 for the other half.
    assert found["ann"]["brier"] == pytest.approx(0.2**2)
    assert found["bob"]["brier"] == pytest.approx((0.6**2 + 0.4**2) / 2)
    assert found["ann"]["log"] == pytest.approx(-np.log(0.8))
    assert found["ann"]["baseline"] == pytest.approx(100 * (1 + np.log2(0.8)))
    peer = 100 * (np.log(0.8 / 0.4) + np.log(0.8 / 0.6)) / 2
    assert found["ann"]["peer"] == pytest.approx(peer)
    assert found["bob"]["peer"] == pytest.approx(-peer)
    assert found["ann"]["coverage"] == found["bob"]["coverage"] == pytest.approx(1)
    assert found["bob"]["spot_probability"] == 0.6
    assert 0.04 < found["bayes"]["brier"] < 0.36


def test_an_early_answer_stops_the_scores_but_not_their_denominator(life) -> None:
    rain, ann, _, curator = life
    with time_machine.travel(OPENS + 6 * DAY, tick=False):
        curator.resolve(rain, "yes")
    found = scores(ann, rain)
    assert found["ann"]["coverage"] == pytest.approx(0.6)
    assert found["ann"]["baseline"] == pytest.approx(60 * (1 + np.log2(0.8)))
    assert found["ann"]["brier"] == pytest.approx(0.04)


def test_an_answer_known_earlier_drops_the_forecasts_made_since(life) -> None:
    rain, ann, _, curator = life
    with time_machine.travel(OPENS + 6 * DAY, tick=False):
        aggregate = curator.resolve(rain, "yes", occurred_at=(OPENS + 3 * DAY).isoformat()).json()[
            "aggregate"
        ]
    found = scores(ann, rain)
    assert found["bob"]["brier"] == pytest.approx(0.6**2)
    assert found["bob"]["spot_probability"] == 0.4
    assert found["bob"]["coverage"] == pytest.approx(0.3)
    assert aggregate["forecasters"] == 2
    with time_machine.travel(OPENS + 3 * DAY, tick=False):
        then = ann.get(f"/questions/{rain}/aggregate").json()
    assert aggregate["probability"] == pytest.approx(then["probability"], abs=1e-12)


@pytest.mark.parametrize("outcome", ["ambiguous", "annulled"])
def test_what_is_neither_yes_nor_no_is_not_scored(life, outcome: str) -> None:
    rain, ann, _, curator = life
    assert curator.resolve(rain, outcome).status_code == 201
    assert scores(ann, rain) == {}
    assert ann.get("/leaderboard").json()["items"] == []


def test_a_resolution_taken_back_leaves_no_score_and_can_be_made_anew(life) -> None:
    rain, ann, _, curator = life
    with time_machine.travel(OPENS + 6 * DAY, tick=False):
        curator.resolve(rain, "yes")
        first = ann.get("/leaderboard").json()["items"]
    with time_machine.travel(OPENS + 7 * DAY, tick=False):
        back = curator("DELETE", f"/questions/{rain}/resolution")
        assert back.status_code == 200
        assert (back.json()["state"], back.json()["resolution"]) == ("open", None)
        assert scores(ann, rain) == {}
        assert ann.get("/leaderboard").json()["items"] == []
        assert ann.get("/calibration").json()["questions"] == 0
        assert ann.forecast(rain, 0.1).status_code == 201
    with time_machine.travel(OPENS + 8 * DAY, tick=False):
        curator.resolve(rain, "no")
        second = ann.get("/leaderboard").json()["items"]
        known = ann.get("/leaderboard", as_of=(OPENS + 6 * DAY + DAY / 2).isoformat()).json()[
            "items"
        ]
    assert [place["forecaster"] for place in first] == ["ann", "bob"]
    assert [place["forecaster"] for place in second] == ["bob", "ann"]
    assert known == first


def test_only_a_curator_resolves(life, refused) -> None:
    rain, ann, _, _ = life
    refused(ann.resolve(rain, "yes"), 403, "a forecaster may not resolve a question")
    refused(ann("DELETE", f"/questions/{rain}/resolution"), 403)
    assert ann.get(f"/questions/{rain}").json()["resolution"] is None


def test_a_second_resolution_is_refused_and_says_what_holds(life, refused) -> None:
    rain, ann, _, curator = life
    refused(curator("DELETE", f"/questions/{rain}/resolution"), 409, "is not resolved")
    curator.resolve(rain, "yes")
    answer = curator.resolve(rain, "no")
    refused(answer, 409, "was already resolved: yes")
    current = answer.json()["current"]
    assert [current[name] for name in ("state", "outcome", "by")] == ["resolved", "yes", "curator"]
    assert ann.get(f"/questions/{rain}").json()["resolution"]["outcome"] == "yes"


def test_a_resolution_out_of_its_time_is_refused(life, question, refused) -> None:
    rain, ann, _, curator = life
    future = "2099-01-01T00:00:00Z"
    refused(curator.resolve(rain, "yes", occurred_at=future), 422, field="occurred_at")
    before = "2020-01-01T00:00:00Z"
    refused(curator.resolve(rain, "yes", occurred_at=before), 422, field="occurred_at")
    naive = "2026-11-03T00:00:00"
    refused(curator.resolve(rain, "yes", occurred_at=naive), 422, field="occurred_at")
    refused(curator.resolve(rain, "maybe"), 422, field="outcome")
    refused(curator.resolve(rain, "unresolved"), 422, field="outcome")
    refused(curator.resolve(rain, "yes", evidence_url="javascript:x"), 422, field="evidence_url")
    refused(curator.resolve(9999, "yes"), 404)
    upcoming = question("later", opens_at=datetime(2099, 1, 1, tzinfo=UTC), closes_at=None)
    refused(curator.resolve(upcoming, "yes"), 409, "is upcoming")
    assert ann.get(f"/questions/{rain}").json()["resolution"] is None


def test_of_two_curators_at_once_one_resolves_and_the_other_learns_of_it(
    on_database, curator, question
) -> None:
    rain = question()
    who = Actor(curator.id, "curator", Role.curator, bot=False)

    async def resolve(database: Database, outcome: Outcome) -> str:
        try:
            async with database.write() as session:
                await resolutions.resolve(session, Aggregator(0.8), who, rain, outcome=outcome)
        except Conflict as conflict:
            return conflict.detail
        return "resolved"

    async def at_once(database: Database) -> list[str]:
        outcomes = (Outcome.yes, Outcome.no) * 3
        return await asyncio.gather(*(resolve(database, outcome) for outcome in outcomes))

    answers = on_database(at_once)
    assert answers.count("resolved") == 1
    assert all("was already resolved" in answer for answer in answers if answer != "resolved")


def test_a_crash_between_resolution_and_scores_leaves_neither(
    on_database, life, monkeypatch
) -> None:
    rain, _, _, curator = life

    async def crash(*_: object) -> None:
        raise RuntimeError("the power went out")

    async def count(database: Database) -> int:
        async with database.read() as session:
            return await resolutions.count(session)

    monkeypatch.setattr("service.scoring.scores.score", crash)
    assert curator.resolve(rain, "yes").status_code == 500
    assert curator.get(f"/questions/{rain}").json()["resolution"] is None
    assert on_database(count) == 0
