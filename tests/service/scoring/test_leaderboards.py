"""Leaderboards: who is ranked by what, in which scope, and how one is frozen for good."""

import math
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine

from forecasting.panel import Panel, PanelQuestion
from service.accounts import accounts
from service.database.engine import Database
from service.exchange.imports import import_panel
from service.models import Role
from service.questions.aggregates import METHODS, Aggregator

DAY = timedelta(days=1)
OPENS = datetime(2026, 11, 1, tzinfo=UTC)
CLOSES = OPENS + 10 * DAY


def names(caller: Any, **params: Any) -> list[str]:
    answer = caller.get("/leaderboard", **params)
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    by = [round(place["ranked_by"], 9) for place in items]
    assert [place["rank"] for place in items] == [by.index(one) + 1 for one in by]
    return [place["forecaster"] for place in items]


def test_a_leaderboard_is_not_won_by_one_lucky_answer(account, curator, question) -> None:
    steady, lucky = account("steady"), account("lucky")
    with time_machine.travel(OPENS, tick=False):
        asked = [question(f"q{index}", closes_at=CLOSES) for index in range(12)]
        for index, one in enumerate(asked):
            steady.forecast(one, 0.8 if index % 2 else 0.2)
        lucky.forecast(asked[1], 0.99)
        unsure = account("unsure")
        for one in asked:
            unsure.forecast(one, 0.5)
    with time_machine.travel(CLOSES + DAY, tick=False):
        for index, one in enumerate(asked):
            curator.resolve(one, "yes" if index % 2 else "no", occurred_at=CLOSES.isoformat())
    for kind in ("peer", "baseline", "brier", "log"):
        items = steady.get("/leaderboard", score=kind).json()["items"]
        assert [place["rank"] for place in items] == [1, 2, 3]
        assert items[0]["forecaster"] == "steady", kind
    page = steady.get("/leaderboard", limit=2).json()
    rest = steady.get("/leaderboard", limit=2, cursor=page["next"]).json()
    assert [place["rank"] for place in page["items"] + rest["items"]] == [1, 2, 3]
    assert rest["next"] is None


@pytest.fixture
def seasons(question, account, curator) -> Any:
    """Ann, Bob and a bot on two sets; one is settled in December, the other in March."""
    ann, bob, bot = account("ann"), account("bob"), account("bot", bot=True)
    with time_machine.travel(OPENS, tick=False):
        rain = question("rain", "winter", closes_at=CLOSES, tags=["wet"])
        sun = question("sun", "summer", closes_at=CLOSES + 100 * DAY, tags=["dry"], weight=5.0)
        ann.forecast(rain, 0.9)
        ann.forecast(sun, 0.2)
        bob.forecast(rain, 0.4)
        bob.forecast(sun, 0.9)
        bot.forecast(rain, 0.6)
    with time_machine.travel(OPENS + 40 * DAY, tick=False):
        curator.resolve(rain, "yes", occurred_at=CLOSES.isoformat())
    with time_machine.travel(OPENS + 130 * DAY, tick=False):
        curator.resolve(sun, "yes", occurred_at=(CLOSES + 100 * DAY).isoformat())
    return ann, bob, bot, curator


def test_a_scope_chooses_the_questions_that_count(seasons, refused) -> None:
    ann, *_ = seasons
    assert names(ann, set="winter") == ["ann", "bot", "bob"]
    assert names(ann, set="summer") == ["bob", "ann"]
    assert names(ann, tag="wet") == ["ann", "bot", "bob"]
    assert names(ann, tag="nothing") == []
    assert names(ann, settled_from="2027-01-01T00:00:00Z") == ["bob", "ann"]
    assert names(ann, settled_before="2027-01-01T00:00:00Z") == ["ann", "bot", "bob"]
    assert names(ann, as_of=(OPENS + 100 * DAY).isoformat()) == ["ann", "bot", "bob"]
    assert names(ann, as_of=(OPENS + 100 * DAY).isoformat(), tag="dry") == []
    assert names(ann, as_of=(OPENS + 20 * DAY).isoformat()) == []
    refused(ann.get("/leaderboard", set="none"), 404)
    refused(ann.get("/leaderboard", score="profit"), 422, field="score")
    refused(ann.get("/leaderboard", settled_from="yesterday"), 422, field="settled_from")
    refused(ann.get("/leaderboard", least_questions=0), 422, field="least_questions")


def test_a_place_says_how_sure_it_is(account, curator, question) -> None:
    chances = [0.9, 0.6, 0.8, 0.7, 0.9, 0.4, 0.7, 0.8, 0.6, 0.9]
    good, bad, new = account("good"), account("bad"), account("new")
    with time_machine.travel(OPENS, tick=False):
        asked = [question(f"q{index}", closes_at=CLOSES) for index in range(10)]
        for one, chance in zip(asked, chances, strict=True):
            good.forecast(one, chance)
            bad.forecast(one, 1 - chance)
        new.forecast(asked[0], 0.5)
    alone = good.get("/leaderboard", pools=True).json()["items"]
    assert alone == []
    with time_machine.travel(CLOSES, tick=False):
        for one in asked:
            curator.resolve(one, "yes")
    for kind in ("peer", "brier", "spot_log"):
        answer = good.get("/leaderboard", score=kind)
        found = {one["forecaster"]: one for one in answer.json()["items"]}
        for one in found.values():
            assert one["skill_lower"] < one["skill"] < one["skill_upper"]
            assert 1 <= one["rank_lower"] <= one["rank_upper"] <= 3
            assert one["level"] == 0.8
        best, last = sorted((found["good"], found["bad"]), key=lambda one: one["rank"])
        assert best["forecaster"] == "good"
        assert best["first"] > 0.5 > last["first"]
        assert sum(one["first"] for one in found.values()) == pytest.approx(1.0)
        wide, narrow = (one["skill_upper"] - one["skill_lower"] for one in (found["new"], best))
        assert wide > narrow
        assert good.get("/leaderboard", score=kind).content == answer.content
    sole = good.get("/leaderboard", least_questions=2, who="bots", pools=True).json()["items"]
    assert {one["method"] for one in sole} == set(METHODS)
    assert {one["skill"] for one in sole} == {one["first"] for one in sole} == {None}


def test_a_sole_forecaster_is_first_for_sure(account, curator, question) -> None:
    ann = account("ann")
    with time_machine.travel(OPENS, tick=False):
        rain = question(closes_at=CLOSES)
        ann.forecast(rain, 0.8)
    with time_machine.travel(CLOSES, tick=False):
        curator.resolve(rain, "yes")
    (place,) = ann.get("/leaderboard", score="brier").json()["items"]
    assert (place["rank_lower"], place["rank_upper"], place["first"]) == (1, 1, 1.0)
    assert place["skill"] == pytest.approx(place["score"])


def test_a_question_weighs_in_the_mean_what_its_weight_says(seasons) -> None:
    ann, *_ = seasons
    found = {
        place["forecaster"]: place
        for place in ann.get("/leaderboard", score="brier").json()["items"]
    }
    assert found["ann"]["score"] == pytest.approx((1 * 0.01 + 5 * 0.64) / 6)
    assert found["bob"]["score"] == pytest.approx((1 * 0.36 + 5 * 0.01) / 6)
    assert found["ann"]["coverage"] == pytest.approx(6)
    spot = ann.get("/leaderboard", score="spot_brier").json()["items"]
    assert {one["forecaster"]: one["score"] for one in spot} == pytest.approx(
        {name: one["score"] for name, one in found.items()}
    )


def test_people_and_bots_and_pools_are_ranked_together_or_apart(seasons) -> None:
    ann, *_ = seasons
    assert names(ann, who="people", set="winter") == ["ann", "bob"]
    assert names(ann, who="bots") == ["bot"]
    assert names(ann, least_questions=2) == ["bob", "ann"]
    with_pools = names(ann, pools=True, set="winter")
    assert {"ann", "bob", "bot", *METHODS} == set(with_pools)
    listed = ann.get("/leaderboard", pools=True, who="bots").json()["items"]
    assert {(one["forecaster_id"] is None, one["method"] is None) for one in listed} == {
        (True, False),
        (False, True),
    }


def test_equal_scores_share_a_rank_live_and_frozen(question, account, curator) -> None:
    asked = {"dan": 0.2, "ann": 0.9, "bob": 0.6, "cat": 0.6}
    people = {name: account(name) for name in asked}
    with time_machine.travel(OPENS, tick=False):
        rains = [question(f"rain{index}", closes_at=CLOSES) for index in range(3)]
        for one in rains:
            for name, chance in asked.items():
                people[name].forecast(one, chance)
    with time_machine.travel(CLOSES, tick=False):
        for one in rains:
            curator.resolve(one, "yes")
    found = curator.get("/leaderboard").json()
    places = [(one["rank"], one["forecaster"]) for one in found["items"]]
    assert places == [(1, "ann"), (2, "bob"), (2, "cat"), (4, "dan")]
    frozen = curator.post("/leaderboards", {"name": "cup"}).json()["id"]
    path = f"/leaderboards/{frozen}/standings"
    assert curator.get(path).json()["items"] == found["items"]
    page = curator.get(path, limit=2).json()
    rest = curator.get(path, limit=2, cursor=page["next"]).json()
    assert page["items"] + rest["items"] == found["items"]
    assert rest["next"] is None


@pytest.mark.parametrize("kind", ["peer", "brier", "spot_log"])
def test_the_interval_of_a_place_holds_the_place(question, account, curator, kind: str) -> None:
    people = [account(f"f{index:02}") for index in range(25)]
    with time_machine.travel(OPENS, tick=False):
        asked = [question(f"q{index}", closes_at=CLOSES) for index in range(8)]
        for index, one in enumerate(people):
            drafts = [
                {"question_id": asked[number], "probability": (7 * index + number) % 10 / 10}
                for number in range(1 + index % 8)
            ]
            assert one.post("/forecasts", drafts).status_code == 201
    with time_machine.travel(CLOSES, tick=False):
        for number, one in enumerate(asked):
            curator.resolve(one, "yes" if number % 2 else "no")
    items = curator.get("/leaderboard", score=kind, pools=True).json()["items"]
    assert len(items) > 25
    for one in items:
        assert 1 <= one["rank_lower"] <= one["rank"] <= one["rank_upper"] <= len(items)


def test_equal_scores_keep_one_order_through_every_page(question, account, curator) -> None:
    people = [account(f"f{index:02}") for index in range(12)]
    with time_machine.travel(OPENS, tick=False):
        rain = question(closes_at=CLOSES)
        for one in reversed(people):
            one.forecast(rain, 0.7)
    with time_machine.travel(CLOSES, tick=False):
        curator.resolve(rain, "yes")
    found: list[str] = []
    cursor = None
    while True:
        page = curator.get("/leaderboard", limit=5, **({"cursor": cursor} if cursor else {})).json()
        found += [place["forecaster"] for place in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == [f"f{index:02}" for index in range(12)]


def test_a_frozen_leaderboard_stays_as_it_was(seasons, question, refused) -> None:
    ann, _, _, curator = seasons
    asked = {"name": "Winter cup", "score": "brier", "set": "winter", "who": "people"}
    refused(ann.post("/leaderboards", asked), 403)
    first = curator.post("/leaderboards", asked, headers={"Idempotency-Key": "a"})
    assert first.status_code == 201
    assert curator.post("/leaderboards", asked, headers={"Idempotency-Key": "a"}).json() == (
        first.json()
    )
    found = first.json()
    assert (found["version"], found["entrants"], found["frozen_by"]) == (1, 2, "curator")
    assert found["criteria"] == {
        "score": "brier",
        "set": "winter",
        "tag": None,
        "settled_from": None,
        "settled_before": None,
        "who": "people",
        "least_questions": 1,
        "pools": False,
        "imported": False,
    }
    path = f"/leaderboards/{found['id']}/standings"
    before = ann.get(path).json()
    live = ann.get("/leaderboard", score="brier", set="winter", who="people").json()
    assert before["items"] == live["items"]
    assert all(place["skill_lower"] < place["skill_upper"] for place in before["items"])
    assert [place["forecaster"] for place in before["items"]] == ["ann", "bob"]
    rain = ann.get("/questions", set="winter").json()["items"][0]["id"]
    curator("DELETE", f"/questions/{rain}/resolution")
    curator.resolve(rain, "no", occurred_at=CLOSES.isoformat())
    second = curator.post("/leaderboards", asked).json()
    assert second["version"] == 2
    assert ann.get(path).json() == before
    after = ann.get(f"/leaderboards/{second['id']}/standings", limit=1).json()
    assert [place["forecaster"] for place in after["items"]] == ["bob"]
    rest = ann.get(f"/leaderboards/{second['id']}/standings", limit=1, cursor=after["next"])
    assert [place["forecaster"] for place in rest.json()["items"]] == ["ann"]
    listed = ann.get("/leaderboards", name="Winter cup").json()["items"]
    assert [one["version"] for one in listed] == [2, 1]
    assert ann.get("/leaderboards", name="Summer cup").json()["items"] == []
    assert ann.get(f"/leaderboards/{found['id']}").json() == found


def test_a_leaderboard_is_frozen_as_known_at_a_moment(seasons, refused) -> None:
    ann, _, _, curator = seasons
    past = (OPENS + 100 * DAY).isoformat()
    with time_machine.travel(OPENS + 140 * DAY, tick=False):
        found = curator.post("/leaderboards", {"name": "Early", "as_of": past}).json()
    assert datetime.fromisoformat(found["as_of"]) == OPENS + 100 * DAY
    places = ann.get(f"/leaderboards/{found['id']}/standings").json()["items"]
    assert [place["forecaster"] for place in places] == ["ann", "bot", "bob"]
    future = {"name": "Late", "as_of": "2200-01-01T00:00:00Z"}
    refused(curator.post("/leaderboards", future), 422, field="as_of")
    refused(curator.post("/leaderboards", {"name": " "}), 422, field="name")
    refused(curator.post("/leaderboards", {"name": "a", "score": "profit"}), 422, field="score")
    refused(curator.post("/leaderboards", {"name": "a", "set": "nowhere"}), 404)
    refused(ann.get("/leaderboards/9999"), 404)
    refused(ann.get("/leaderboards/9999/standings"), 404)


@pytest.fixture
def survey(on_database, account, curator, question) -> Any:
    """A set of imported forecasters alone, and one where ann forecasts beside two of them."""
    ann = account("ann")
    with time_machine.travel(OPENS, tick=False):
        rain = question("rain", "own", closes_at=CLOSES)
        ann.forecast(rain, 0.4)
    with time_machine.travel(CLOSES, tick=False):
        curator.resolve(rain, "yes")
    times = [(OPENS + day * DAY).timestamp() for day in (0, 9)]
    panel = Panel.of(
        forecasts=[
            (name, "snow", times[0], math.inf, chance)
            for name, chance in (("x", 0.9), ("y", 0.8), ("z", 0.1))
        ],
        questions=[PanelQuestion("snow", "Snow?", 1.0, times[0], times[1], times[1])],
    )

    async def read_in(database: Database) -> None:
        async with database.write() as session:
            await accounts.create(session, "root", Role.administrator)
            await import_panel(session, Aggregator(0.8), panel, "survey")

    on_database(read_in)
    return ann


def test_imported_forecasters_are_ranked_only_on_request(survey) -> None:
    told = survey.get("/leaderboard", score="brier").json()
    assert [one["forecaster"] for one in told["items"]] == ["ann"]
    assert told["imported_left_out"] == 3
    assert (told["items"][0]["rank_lower"], told["items"][0]["rank_upper"]) == (1, 1)
    assert names(survey, score="brier", imported=True) == [
        "survey:x",
        "survey:y",
        "ann",
        "survey:z",
    ]
    told = survey.get("/leaderboard", score="brier", imported=True).json()
    assert told["imported_left_out"] == 0


def test_a_set_of_imported_forecasters_alone_ranks_them(survey, curator) -> None:
    asked = {"score": "brier", "set": "survey"}
    told = survey.get("/leaderboard", **asked).json()
    assert [one["forecaster"] for one in told["items"]] == ["survey:x", "survey:y", "survey:z"]
    assert told["imported_left_out"] == 0
    told = survey.get("/leaderboard", **asked, imported=False).json()
    assert (told["items"], told["imported_left_out"]) == ([], 3)
    frozen = curator.post("/leaderboards", {"name": "cup", **asked}).json()
    assert (frozen["entrants"], frozen["criteria"]["imported"]) == (3, True)
    frozen = curator.post("/leaderboards", {"name": "cup", "score": "brier"}).json()
    assert (frozen["entrants"], frozen["criteria"]["imported"]) == (1, False)


def test_pages_say_whom_they_leave_out(survey, opened) -> None:
    page = opened("GET", "/leaderboard?score=brier", "viewer").text
    assert "3 imported forecasters are not shown." in page
    assert "survey:x" not in page
    found = re.search(r'not shown\.\s<a href="([^"]+)"', page)
    assert found
    shown = opened("GET", f"/leaderboard{unescape(found[1])}", "viewer").text
    assert "3 imported forecasters are shown too." in shown
    assert "survey:x" in shown
    alone = opened("GET", "/leaderboard?score=brier&set=survey", "viewer").text
    assert "Only imported forecasters have been scored on these questions" in alone
    assert "survey:x" in alone
    empty = opened("GET", "/leaderboard?set=survey&imported=false", "viewer").text
    assert "Show them" in empty


def test_accounts_leave_imported_forecasters_out_until_they_are_taken_over(
    survey, account, opened
) -> None:
    root = account("boss", Role.administrator)
    told = root.get("/accounts").json()
    assert not any(one["imported"] for one in told["items"])
    assert told["imported_left_out"] == 3
    whole = root.get("/accounts", imported=True).json()
    imported = [one for one in whole["items"] if one["imported"]]
    assert {one["name"] for one in imported} == {"survey:x", "survey:y", "survey:z"}
    assert whole["imported_left_out"] == 0
    page = opened("GET", "/accounts", "administrator").text
    assert "3 imported forecasters are not shown." in page
    assert "survey:x" not in page
    assert "survey:x" in opened("GET", "/accounts?imported=true", "administrator").text
    assert "1 imported forecaster is not shown." in (
        opened("GET", "/accounts?name=survey:x", "administrator").text
    )
    profile = opened("GET", f"/forecasters/{imported[0]['id']}", "viewer").text
    assert "Imported: a placeholder" in profile
    root("DELETE", f"/accounts/{imported[0]['id']}/deactivation")
    told = root.get("/accounts").json()
    assert imported[0]["name"] in {one["name"] for one in told["items"]}
    assert told["imported_left_out"] == 2
