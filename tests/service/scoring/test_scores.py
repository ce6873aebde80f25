"""Scores of forecasters and of every pool, their receipts, and rebuilding them from the facts."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import time_machine
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from forecasting import pooling
from service.cli import main
from service.database.engine import Database
from service.models import QuestionRevision, Score
from service.questions.aggregates import METHODS
from service.scoring import scores as scoring

DAY = timedelta(days=1)
OPENS = datetime(2026, 11, 1, tzinfo=UTC)
CLOSES = OPENS + 10 * DAY


@pytest.fixture
def life(question, account, curator) -> Any:
    """Ann 0.8 all along; Bob 0.4, then 0.6 from day 5; Eve 0.1 on days 2 to 4; it closes as yes."""
    ann, bob, eve = account("ann"), account("bob"), account("eve")
    with time_machine.travel(OPENS, tick=False):
        rain = question(closes_at=CLOSES, weight=3.0)
        ann.forecast(rain, 0.8)
        bob.forecast(rain, 0.4)
    with time_machine.travel(OPENS + 2 * DAY, tick=False):
        eve.forecast(rain, 0.1, expires_at=(OPENS + 4 * DAY).isoformat())
    with time_machine.travel(OPENS + 5 * DAY, tick=False):
        bob.forecast(rain, 0.6)
    with time_machine.travel(CLOSES + DAY, tick=False):
        curator.resolve(rain, "yes", occurred_at=CLOSES.isoformat())
    return rain, ann, bob, eve, curator


def scores(caller: Any, question_id: int, **params: Any) -> dict[str, dict[str, Any]]:
    items = caller.get(f"/questions/{question_id}/scores", **params).json()["items"]
    return {item["forecaster"] or item["method"]: item for item in items}


PIECES = [(2, [0.8, 0.4]), (2, [0.8, 0.4, 0.1]), (1, [0.8, 0.4]), (5, [0.8, 0.6])]


@pytest.mark.parametrize("method", ["mean", "median", "geometric_mean_odds"])
def test_a_pool_is_scored_on_what_it_said_at_every_moment(life, method: str) -> None:
    rain, ann, *_ = life
    found = scores(ann, rain)
    assert set(found) == {"ann", "bob", "eve", *METHODS}
    brier = sum(days * (pooling.pool(method, said) - 1) ** 2 for days, said in PIECES) / 10
    peer = sum(
        days * (np.log(pooling.pool(method, said)) - np.mean(np.log(said))) for days, said in PIECES
    )
    mine = found[method]
    assert mine["brier"] == pytest.approx(brier)
    assert mine["peer"] == pytest.approx(100 * peer / 10)
    assert mine["coverage"] == pytest.approx(1)
    assert mine["spot_probability"] == pytest.approx(pooling.pool(method, [0.8, 0.6]))
    assert mine["weight"] == 3


def test_a_pool_says_nothing_while_nobody_has_forecast(question, account, curator) -> None:
    ann = account("ann")
    with time_machine.travel(OPENS, tick=False):
        rain = question(closes_at=CLOSES)
    with time_machine.travel(OPENS + 4 * DAY, tick=False):
        ann.forecast(rain, 0.7, expires_at=(OPENS + 6 * DAY).isoformat())
    with time_machine.travel(CLOSES, tick=False):
        curator.resolve(rain, "yes")
    found = scores(ann, rain)
    for method in pooling.POOLS:
        assert found[method]["coverage"] == pytest.approx(0.2)
        assert found[method]["spot_probability"] is None
    assert found["mean"]["brier"] == pytest.approx(0.09)


def test_a_question_without_a_close_scores_the_pool_of_what_stood_at_the_end(
    question, account, curator
) -> None:
    ann, bob = account("ann"), account("bob")
    with time_machine.travel(OPENS, tick=False):
        rain = question(closes_at=None)
        ann.forecast(rain, 0.1)
        bob.forecast(rain, 0.5)
    with time_machine.travel(OPENS + DAY, tick=False):
        ann.forecast(rain, 0.7)
    with time_machine.travel(OPENS + 2 * DAY, tick=False):
        curator.resolve(rain, "yes")
    found = scores(ann, rain)
    assert found["mean"]["brier"] == pytest.approx(0.16)
    assert found["mean"]["spot_probability"] == pytest.approx(0.6)


def test_what_stood_days_before_the_close_is_kept_beside_the_score(life, on_database) -> None:
    async def earlier(database: Database) -> dict[Any, Any]:
        async with database.read() as session:
            return {
                row.account_id or row.method: (row.probability_1_day, row.probability_7_days)
                for row in await session.scalars(select(Score))
            }

    _, ann, bob, eve, _ = life
    found = on_database(earlier)
    assert found[ann.id] == (0.8, 0.8)
    assert found[bob.id] == (0.6, 0.4)
    assert found[eve.id] == (None, 0.1)
    assert found["mean"] == pytest.approx((0.7, 1.3 / 3))
    assert all(one[0] is not None for name, one in found.items() if name in METHODS)


def test_the_terms_of_a_receipt_add_up_to_the_score(life, refused) -> None:
    rain, ann, bob, eve, _ = life
    found = scores(ann, rain)
    for caller, name, count in ((ann, "ann", 1), (bob, "bob", 2), (eve, "eve", 1)):
        terms = caller.get(f"/questions/{rain}/scores/receipt").json()["items"]
        assert len(terms) == count
        share = sum(term["share"] for term in terms)
        assert share == pytest.approx(found[name]["coverage"])
        for kind in ("baseline", "peer"):
            assert sum(term[kind] for term in terms) == pytest.approx(found[name][kind])
        for kind in ("brier", "log"):
            assert sum(term[kind] for term in terms) / share == pytest.approx(found[name][kind])
    assert [term["probability"] for term in terms] == [0.1]
    assert (terms[0]["starts_at"], terms[0]["ends_at"]) == (
        "2026-11-03T00:00:00Z",
        "2026-11-05T00:00:00Z",
    )
    path = f"/questions/{rain}/scores/receipt"
    first = ann.get(path, forecaster_id=bob.id, limit=1).json()
    second = ann.get(path, forecaster_id=bob.id, limit=1, cursor=first["next"]).json()
    assert [one["items"][0]["probability"] for one in (first, second)] == [0.4, 0.6]
    assert second["next"] is None
    assert ann.get(path, forecaster_id=9999).json()["items"] == []
    refused(ann.get("/questions/9999/scores/receipt"), 404)


def test_scores_as_known_at_a_moment_are_those_of_its_resolution(life) -> None:
    rain, ann, _, _, curator = life
    first = scores(ann, rain)
    with time_machine.travel(CLOSES + 2 * DAY, tick=False):
        curator("DELETE", f"/questions/{rain}/resolution")
        curator.resolve(rain, "no", occurred_at=CLOSES.isoformat())
    assert scores(ann, rain)["ann"]["brier"] == pytest.approx(0.64)
    assert scores(ann, rain, as_of=(CLOSES + 1.5 * DAY).isoformat()) == first
    assert scores(ann, rain, as_of=CLOSES.isoformat()) == {}


async def _bytes(database: Database) -> bytes:
    async with database.read() as session:
        return b"".join([line async for line in scoring.canonical(session)])


async def _rebuild(database: Database) -> scoring.Rebuilt:
    async with database.write() as session:
        return await scoring.rebuild(session)


def test_rebuilding_from_the_facts_gives_the_same_bytes(life, question, on_database) -> None:
    """Also of resolutions that were taken back, whatever came after them."""
    rain, ann, bob, _, curator = life
    with time_machine.travel(OPENS, tick=False):
        snow, endless = question("snow", closes_at=CLOSES), question("endless", closes_at=None)
        for one in (snow, endless):
            ann.forecast(one, 0.3)
            bob.forecast(one, 0.9)
    with time_machine.travel(OPENS + 3 * DAY, tick=False):
        for one in (snow, endless):
            curator.resolve(one, "no")
    with time_machine.travel(OPENS + 4 * DAY, tick=False):
        for one in (snow, endless):
            curator("DELETE", f"/questions/{one}/resolution")
            ann.forecast(one, 0.2)
            bob("DELETE", f"/questions/{one}/forecasts/current")
    with time_machine.travel(CLOSES + 2 * DAY, tick=False):
        curator("DELETE", f"/questions/{rain}/resolution")
        for one in (rain, snow, endless):
            curator.resolve(one, "yes")
    before = on_database(_bytes)
    assert len(before.splitlines()) > 5 * len(METHODS)
    built = on_database(_rebuild)
    assert (built.before, built.scores) == (built.after, len(before.splitlines()))
    assert on_database(_bytes) == before
    assert json.loads(before.splitlines()[0])


def test_rebuilding_puts_right_what_was_lost_or_changed(life, on_database) -> None:
    _, ann, *_ = life
    before = on_database(_bytes)

    async def spoil(database: Database) -> None:
        async with database.write() as session:
            await session.execute(delete(Score).where(Score.method == "median"))
            await session.execute(update(Score).where(Score.account_id == ann.id).values(brier=0.0))
            await session.execute(update(QuestionRevision).values(content_hash="1" * 64))

    on_database(spoil)
    built = on_database(_rebuild)
    assert built.before != built.after
    assert on_database(_bytes) == before


def test_the_command_rebuilds_and_says_whether_anything_was_put_right(
    life, on_database, settings, monkeypatch
) -> None:
    monkeypatch.setenv("CREDENCE_DATABASE_URL", settings.database_url)
    before = on_database(_bytes)
    count = len(before.splitlines())
    said = CliRunner().invoke(main, ["scores", "rebuild"]).output
    assert said.startswith(f"{count} scores rebuilt, the same as before; SHA-256 ")

    async def lose(database: Database) -> None:
        async with database.write() as session:
            await session.execute(delete(Score).where(Score.method.is_not(None)))

    on_database(lose)
    said = CliRunner().invoke(main, ["scores", "rebuild"]).output
    lost = sum(json.loads(line)[2] is None for line in before.splitlines())
    assert f"{count} scores rebuilt, of which {lost} were corrected; SHA-256 " in said
    assert on_database(_bytes) == before
