"""What others believe stays hidden for as long as the set or the question says, everywhere.

That nothing else gives it away either is for test_hidden.py.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from service.accounts import accounts, tokens
from service.database.engine import Database
from service.models import Account, Role
from service.permissions import Actor
from service.questions import questions, visibility
from service.questions.aggregates import METHODS

DAY = timedelta(days=1)
OPENS = datetime(2026, 11, 1, tzinfo=UTC)
CLOSES = OPENS + 300 * DAY
REVEAL = OPENS + 20 * DAY

ANN, BOB = 0.71734, 0.62918


@pytest.fixture
def crowd(account) -> Any:
    """Ann and Bob, who forecast; Eve, who looks."""
    return account("ann"), account("bob"), account("eve")


def sees(caller: Any, question_id: int) -> dict[str, Any]:
    found = caller.get(f"/questions/{question_id}").json()["aggregate"]
    assert found == {
        **caller.get(f"/questions/{question_id}/aggregate").json(),
        "as_of": found["as_of"],
    }
    shown = found["probability"] is not None
    assert shown == (found["lower"] is not None) == (found["hidden_why"] is None)
    return dict(found)


def test_a_set_without_a_policy_shows_everything(sky, crowd) -> None:
    ann, _, eve = crowd
    rain = sky(rain={})["rain"]
    ann.forecast(rain, ANN)
    assert sees(eve, rain)["forecasters"] == 1
    assert eve.get("/sets/almanac").json()["visibility"] == "always"
    assert eve.get(f"/questions/{rain}/forecasts").json()["hidden_why"] is None


def test_after_ones_own_forecast_one_sees_the_others(sky, crowd, curator) -> None:
    ann, bob, eve = crowd
    ids = sky({"visibility": "after_forecast"}, rain={}, snow={})
    rain, snow = ids["rain"], ids["snow"]
    answered = ann.forecast(rain, ANN).json()["aggregate"]
    assert answered["probability"] is not None
    ann.forecast(snow, ANN)
    told = sees(eve, rain)
    assert told["probability"] is None
    assert told["forecasters"] == 1
    assert "once you have forecast it" in told["hidden_why"]
    assert datetime.fromisoformat(told["hidden_until"]) == CLOSES
    for caller in (ann, curator):
        assert sees(caller, rain)["probability"] == answered["probability"]
    bob.forecast(rain, BOB)
    assert sees(bob, rain)["forecasters"] == 2
    assert sees(bob, snow)["probability"] is None
    bob("DELETE", f"/questions/{rain}/forecasts/current")
    assert sees(bob, rain)["probability"] is not None
    listed = eve.get("/questions", set="almanac").json()["items"]
    assert [one["aggregate"]["probability"] for one in listed] == [None, None]
    with time_machine.travel(CLOSES, tick=False):
        assert sees(eve, rain)["probability"] is not None


def test_from_the_moment_of_revealing_on_everyone_sees(sky, crowd, curator) -> None:
    ann, bob, eve = crowd
    ids = sky(
        {"visibility": "reveal_at", "reveal_at": REVEAL},
        rain={},
        snow={"reveal_at": REVEAL + DAY},
    )
    with time_machine.travel(REVEAL - DAY, tick=False):
        for one in ids.values():
            answer = ann.forecast(one, ANN).json()["aggregate"]
            assert answer["probability"] is None
            assert answer["hidden_until"] is not None
            assert sees(ann, one)["probability"] is None
            assert sees(curator, one)["probability"] is not None
        assert datetime.fromisoformat(sees(bob, ids["rain"])["hidden_until"]) == REVEAL
    with time_machine.travel(REVEAL, tick=False):
        assert sees(eve, ids["rain"])["probability"] is not None
        assert sees(eve, ids["snow"])["probability"] is None
    with time_machine.travel(REVEAL + DAY, tick=False):
        assert sees(eve, ids["snow"])["probability"] is not None
        assert eve.get(f"/questions/{ids['snow']}/aggregate/history").json()["items"]


def test_what_has_resolved_is_shown_to_everyone(sky, crowd, curator) -> None:
    ann, _, eve = crowd
    rain = sky(rain={"reveal_at": CLOSES})["rain"]
    ann.forecast(rain, ANN)
    assert sees(eve, rain)["probability"] is None
    curator.resolve(rain, "yes")
    assert sees(eve, rain)["probability"] is not None
    assert ANN in [one["probability"] for one in forecasts(eve, rain)]


def forecasts(caller: Any, question_id: int) -> list[dict[str, Any]]:
    return list(caller.get(f"/questions/{question_id}/forecasts").json()["items"])


def test_one_always_sees_ones_own_forecasts(sky, crowd) -> None:
    ann, bob, eve = crowd
    rain = sky(rain={"reveal_at": CLOSES})["rain"]
    ann.forecast(rain, ANN)
    bob.forecast(rain, BOB)
    assert [one["probability"] for one in forecasts(bob, rain)] == [BOB]
    assert [one["probability"] for one in forecasts(ann, rain)] == [ANN]
    page = eve.get(f"/questions/{rain}/forecasts").json()
    assert page["items"] == []
    assert datetime.fromisoformat(page["hidden_until"]) == CLOSES


def test_the_present_decides_about_the_past(sky, crowd, curator) -> None:
    """A policy that comes later hides what was published before it, and the other way round."""
    ann, _, eve = crowd
    with time_machine.travel(OPENS, tick=False):
        rain = sky(rain={})["rain"]
        ann.forecast(rain, ANN)
    then = {"as_of": (OPENS + 2 * DAY).isoformat()}
    path = f"/questions/{rain}/aggregate"
    assert eve.get(path, **then).json()["probability"] is not None
    changed = decide(curator, visibility="after_forecast")
    assert changed.status_code == 201
    for method in METHODS:
        assert eve.get(path, method=method, **then).json()["probability"] is None
    assert eve.get(f"{path}/history", **then).json()["items"] == []
    assert decide(curator, visibility="always").status_code == 201
    assert eve.get(path, **then).json()["probability"] is not None


def decide(caller: Any, **told: Any) -> Any:
    return caller.post("/sets/almanac/visibility", {"reason": "To be fair."} | told)


def test_a_policy_is_decided_by_curators_with_a_reason(sky, crowd, curator, refused) -> None:
    ann, *_ = crowd
    sky(rain={})
    refused(decide(ann, visibility="after_forecast"), 403)
    refused(decide(curator, visibility="never"), 422, field="visibility")
    refused(decide(curator, visibility="after_forecast", reason=" "), 422, field="reason")
    refused(decide(curator, visibility="reveal_at"), 422, field="reveal_at")
    refused(decide(curator, visibility="always", reveal_at=REVEAL.isoformat()), 422)
    refused(decide(curator, visibility="always"), 409, "already has this visibility")
    assert decide(curator, visibility="reveal_at", reveal_at=REVEAL.isoformat()).json() == {
        "visibility": "reveal_at",
        "reveal_at": "2026-11-21T00:00:00Z",
    }
    assert ann.get("/sets/almanac").json()["reveal_at"] == "2026-11-21T00:00:00Z"


def test_a_curators_policy_stays_until_the_file_says_something_new(sky, crowd, curator) -> None:
    ann, *_ = crowd
    sky({"visibility": "after_forecast"}, rain={})
    decide(curator, visibility="always")
    sky({"visibility": "after_forecast"}, rain={})
    assert ann.get("/sets/almanac").json()["visibility"] == "always"
    sky({"visibility": "reveal_at", "reveal_at": REVEAL}, rain={})
    assert ann.get("/sets/almanac").json()["visibility"] == "reveal_at"
    written = curator("GET", "/sets/almanac/export").text
    assert 'visibility = "reveal_at"' in written
    assert "reveal_at = 2026-11-21T00:00:00Z" in written


def test_a_curator_gives_a_question_a_moment_of_revealing(sky, crowd, curator) -> None:
    ann, _, eve = crowd
    rain = sky(rain={})["rain"]
    ann.forecast(rain, ANN)
    told = {"based_on": 1, "reason": "To be fair.", "changes": {"reveal_at": CLOSES.isoformat()}}
    assert curator.post(f"/questions/{rain}/revisions", told).status_code == 201
    assert sees(eve, rain)["probability"] is None


def test_a_reading_is_made_of_what_its_reader_sees(sky, crowd, curator) -> None:
    ann, _, eve = crowd
    ids = sky(rain={}, snow={"reveal_at": CLOSES})
    for one in ids.values():
        ann.forecast(one, ANN)

    def line(caller: Any) -> dict[str, Any]:
        return dict(caller.get("/sets/almanac/implications").json()["items"][0])

    seen, whole = line(eve), line(curator)
    assert (seen["evidence"]["questions"], seen["evidence"]["hidden"]) == (1, 1)
    assert (whole["evidence"]["questions"], whole["evidence"]["hidden"]) == (2, 0)
    assert seen["questions"][1]["aggregate"]["probability"] is None
    assert seen["questions"][1]["read"] is None
    shown = sees(eve, ids["rain"])
    assert seen["reading"]["probability"] == pytest.approx(shown["probability"])
    assert (eve.get("/sets/almanac").json()["hidden"]) == 1
    points = eve.get("/sets/almanac/implications/wet/history").json()["points"]
    assert points[-1]["hidden"] == 1


@pytest.fixture
def bot_of(on_database, client) -> Callable[[Any, str], Any]:
    """Make a bot of somebody's, and speak as it."""

    def make(owner: Any, name: str) -> Any:
        async def create(database: Database) -> tuple[int, str]:
            async with database.write() as session:
                person = await session.get_one(Account, owner.id)
                bot = await accounts.create(session, name, Role.forecaster, bot=True, owner=person)
                return bot.id, (await tokens.issue(session, bot.id, "first"))[1]

        bot_id, token = on_database(create)
        return replace(owner, id=bot_id, token=token)

    return make


def test_a_person_and_their_bots_are_one_reader(sky, crowd, bot_of) -> None:
    """Else a bot would show its owner what is hidden from them, or the other way round."""
    ann, bob, eve = crowd
    ids = sky({"visibility": "after_forecast"}, rain={}, snow={}, hail={})
    for one in ids.values():
        ann.forecast(one, ANN)
    first, second, foreign = bot_of(eve, "evebot"), bot_of(eve, "evebot-2"), bot_of(bob, "bobbot")
    everyone = (eve, first, second)
    for caller in everyone:
        assert [sees(caller, one)["probability"] for one in ids.values()] == [None] * 3
    first.forecast(ids["rain"], BOB)
    eve.forecast(ids["snow"], BOB)
    for caller in everyone:
        assert sees(caller, ids["rain"])["forecasters"] == 2
        assert sees(caller, ids["rain"])["probability"] is not None
        assert sees(caller, ids["snow"])["probability"] is not None
        assert sees(caller, ids["hail"])["probability"] is None
    for caller in (bob, foreign):
        assert sees(caller, ids["rain"])["probability"] is None


def test_while_all_is_hidden_one_sees_what_ones_own_accounts_said(sky, crowd, bot_of) -> None:
    ann, _, eve = crowd
    rain = sky(rain={"reveal_at": CLOSES})["rain"]
    bot = bot_of(eve, "evebot")
    for caller, said in ((ann, ANN), (eve, BOB), (bot, 0.5)):
        caller.forecast(rain, said)
    for caller in (eve, bot):
        assert [one["probability"] for one in forecasts(caller, rain)] == [0.5, BOB]
    mine = eve.get(f"/questions/{rain}/forecasts", mine=True).json()["items"]
    assert [one["probability"] for one in mine] == [BOB]


def test_a_record_leaves_out_what_is_hidden_from_its_reader(sky, crowd, bot_of, curator) -> None:
    ann, bob, eve = crowd
    hidden = {"reveal_at": CLOSES}
    ids = sky({"visibility": "after_forecast"}, rain={}, snow=hidden, hail={}, wind={})
    for one in ids.values():
        ann.forecast(one, ANN)
    ann("PUT", f"/forecasters/{ann.id}/showing", json={"shows_record": True})
    bob.forecast(ids["rain"], BOB)
    curator.resolve(ids["wind"], "yes")
    path = f"/forecasters/{ann.id}/movements"

    def told(caller: Any) -> dict[int, float | None]:
        items = caller.get(path).json()["items"]
        assert {one["probability"] for one in items} <= {ANN}
        return {one["question_id"]: one["after"] for one in items}

    assert told(eve).keys() == {ids["wind"]}
    assert told(bob).keys() == {ids["wind"], ids["rain"]}
    assert told(curator).keys() == set(ids.values())
    own = told(ann)
    assert own.keys() == set(ids.values())
    assert [name for name, one in ids.items() if own[one] is None] == ["snow"]
    # A page has as many rows as it is asked for, whatever is left out.
    page = bob.get(path, limit=1).json()
    assert len(page["items"]) == 1
    assert len(bob.get(path, limit=1, cursor=page["next"]).json()["items"]) == 1


def test_the_rule_is_the_same_for_one_question_and_in_a_query(
    sky, crowd, bot_of, curator, on_database
) -> None:
    ann, bob, eve = crowd
    visitor = Actor(0, "visitor", Role.viewer, bot=False)
    bot = bot_of(bob, "bobbot")
    ids = sky(
        {"visibility": "after_forecast"},
        rain={},
        snow={"reveal_at": CLOSES},
        hail={"reveal_at": OPENS + DAY},
        wind={},
        sun={},
    )
    for one in ids.values():
        ann.forecast(one, ANN)
    bob.forecast(ids["wind"], BOB)
    curator.resolve(ids["sun"], "no")
    readers = [visitor]
    readers += [Actor(one.id, "one", Role.forecaster, bot=False) for one in (ann, bob, eve, bot)]
    readers += [Actor(curator.id, "curator", Role.curator, bot=False)]

    async def work(database: Database) -> None:
        async with database.read() as session:
            for moment in (OPENS + 2 * DAY, CLOSES - DAY, CLOSES + DAY):
                for reader in readers:
                    query = questions.views_query(None)
                    views = await questions.views(session, query)
                    hidden = await visibility.hidden(session, reader, views, moment)
                    shown = query.where(visibility.shown(reader, moment))
                    found = {view.id for view in await questions.views(session, shown)}
                    assert found == {view.id for view in views} - hidden.keys()

    on_database(work)


def test_deciding_who_sees_takes_no_statement_more_where_all_is_shown(
    sky, crowd, statements
) -> None:
    ann, _, eve = crowd
    many: dict[str, Any] = {f"q{number}": {} for number in range(12)}
    ids = sky(**many)
    ann.forecast(ids["q0"], ANN)
    eve.get("/sets")  # the first use of a token in an hour is noted
    with statements() as shown:
        eve.get("/questions", set="almanac")
    sky({"visibility": "after_forecast"}, **many)
    with statements() as hidden:
        eve.get("/questions", set="almanac")
    assert len(hidden) == len(shown) + 1
