"""Calibration of the aggregate, of pools and of forecasters: by horizon, over time, or not yet."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from service.scoring.calibration import ENOUGH

DAY = timedelta(days=1)
OPENS = datetime(2026, 11, 1, tzinfo=UTC)
CLOSES = OPENS + 10 * DAY


@pytest.fixture
def answered(question, account, curator) -> Any:
    """`ENOUGH` questions on which Ann says 0.3, then 0.8 or 0.2 in the last week; 3 in 4 are so."""
    ann, bob = account("ann"), account("bob")
    with time_machine.travel(OPENS, tick=False):
        asked = [question(f"q{index}", closes_at=CLOSES, tags=["a"]) for index in range(ENOUGH)]
        bulk(ann, asked, lambda _: 0.3)
        bulk(bob, asked[:5], lambda _: 0.5)
    with time_machine.travel(OPENS + 5 * DAY, tick=False):
        bulk(ann, asked, lambda index: 0.8 if index % 2 else 0.2)
    for index, one in enumerate(asked):
        yes = (index % 2 == 1) == (index % 4 != 0)
        settled_at = CLOSES + 80 * DAY if index == 0 else CLOSES
        with time_machine.travel(CLOSES + 90 * DAY, tick=False):
            curator.resolve(one, "yes" if yes else "no", occurred_at=settled_at.isoformat())
    return ann, bob


def bulk(caller: Any, asked: list[int], probability: Any) -> None:
    rows = [
        {"question_id": one, "probability": probability(index)} for index, one in enumerate(asked)
    ]
    assert caller.post("/forecasts", rows).status_code == 201


def test_too_few_questions_are_said_to_be_too_few(answered, refused) -> None:
    _, bob = answered
    found = bob.get("/calibration", of=str(bob.id)).json()
    assert (found["questions"], found["needed"], found["enough"]) == (5, ENOUGH, False)
    assert (found["brier"], found["slope"], found["curve"]) == (None, None, [])
    refused(bob.get("/calibration", of="9999"), 404)
    refused(bob.get("/calibration", of="nobody"), 422, field="of")
    refused(bob.get("/calibration", of="99999999999999999999"), 404)
    refused(bob.get("/calibration", set="none"), 404)
    refused(bob.get("/calibration", horizon_days=2), 422, field="horizon_days")


def test_a_calibration_reads_what_stood_at_the_close(answered) -> None:
    ann, _ = answered
    found = ann.get("/calibration", of=str(ann.id), set="tests", tag="a").json()
    assert (found["questions"], found["enough"], found["horizon_days"]) == (ENOUGH, True, 0)
    assert [point["forecast"] for point in found["curve"]] == [0.2, 0.8]
    assert [point["count"] for point in found["curve"]] == [ENOUGH / 2, ENOUGH / 2]
    parts = found["miscalibration"] - found["discrimination"] + found["uncertainty"]
    assert parts == pytest.approx(found["brier"])
    assert ann.get("/calibration", of=str(ann.id), tag="b").json()["questions"] == 0


def test_a_line_comes_with_its_intervals_and_a_forecaster_s_is_pulled_to_others(
    answered, account, question, curator
) -> None:
    ann, bob = answered
    alone = ann.get("/calibration", of=str(ann.id), settled_before=CLOSES.isoformat()).json()
    assert (alone["sharpness"], alone["slope_lower"], alone["intercept_upper"]) == (None,) * 3
    before = ann.get("/calibration", of=str(ann.id), tag="a").json()
    pool = ann.get("/calibration", of="mean").json()
    for found in (before, pool):
        assert found["slope_lower"] < found["slope"] < found["slope_upper"]
        assert found["intercept_lower"] < found["intercept"] < found["intercept_upper"]
        assert found["level"] == 0.9
    assert before["sharpness"] == pytest.approx(0.36)
    with time_machine.travel(OPENS, tick=False):
        more = [question(f"more{index}", closes_at=CLOSES, tags=["a"]) for index in range(12)]
        bulk(bob, more, lambda _: 0.95)
    with time_machine.travel(CLOSES + DAY, tick=False):
        for one in more:
            curator.resolve(one, "no", occurred_at=CLOSES.isoformat())
    after = ann.get("/calibration", of=str(ann.id), tag="a").json()
    assert after["slope"] < before["slope"]
    assert {name: after[name] for name in ("brier", "sharpness", "curve")} == {
        name: before[name] for name in ("brier", "sharpness", "curve")
    }


def test_a_calibration_can_look_at_what_stood_days_before(answered) -> None:
    ann, _ = answered
    earlier = ann.get("/calibration", of=str(ann.id), horizon_days=7).json()
    assert [point["forecast"] for point in earlier["curve"]] == [0.3]
    assert earlier["horizon_days"] == 7
    assert ann.get("/calibration", of=str(ann.id), horizon_days=30).json()["questions"] == 0


@pytest.mark.parametrize("of", ["aggregate", "bayes", "mean", "recency_weighted_median"])
def test_the_aggregate_and_every_pool_have_a_calibration(answered, of: str) -> None:
    ann, _ = answered
    found = ann.get("/calibration", of=of).json()
    assert (found["of"], found["questions"], found["enough"]) == (of, ENOUGH, True)
    assert 0 < found["brier"] < 0.4


def test_a_calibration_over_time_goes_by_quarters(answered) -> None:
    ann, _ = answered
    periods = ann.get("/calibration/history", of=str(ann.id)).json()["periods"]
    assert [(one["starts_at"], one["ends_at"]) for one in periods] == [
        ("2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2027-01-01T00:00:00Z", "2027-04-01T00:00:00Z"),
    ]
    assert [one["calibration"]["questions"] for one in periods] == [ENOUGH - 1, 1]
    assert not any(one["calibration"]["enough"] for one in periods)
    later = ann.get("/calibration/history", settled_from="2027-01-01T00:00:00Z").json()["periods"]
    assert len(later) == 1
