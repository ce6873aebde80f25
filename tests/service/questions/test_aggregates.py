"""The aggregate: the model's closed form on the forecasts that count, now and as known at."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import time_machine
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from forecasting import live, pooling
from forecasting.posterior import Posterior
from service.fits.fits import Sampled
from service.models import FitStatus

DAY = timedelta(days=1)
OPENS = datetime(2026, 11, 1, tzinfo=UTC)


def test_without_a_fit_the_prior_pools_what_people_say(account, question) -> None:
    people = [account(name) for name in ("ann", "bob", "eve")]
    rain = question()
    for person, probability in zip(people, (0.7, 0.8, 0.95), strict=True):
        answer = person.forecast(rain, probability).json()["aggregate"]
    expected = live.aggregate(
        Posterior.prior(),
        [str(person.id) for person in people],
        [0.7, 0.8, 0.95],
        [1.0, 2.0, 3.0],
        domain="weather",
    )
    assert answer["fit_id"] is None
    assert answer["fingerprint"] == Posterior.prior().fingerprint
    for name in ("probability", "lower", "upper"):
        assert answer[name] == pytest.approx(getattr(expected, name), abs=1e-12)


@pytest.mark.parametrize("method", sorted(pooling.POOLS))
def test_every_classic_pool_is_there_by_name(account, question, method: str) -> None:
    rain = question()
    for name, probability in (("ann", 0.2), ("bob", 0.4), ("eve", 0.9)):
        caller = account(name)
        empty = caller.get(f"/questions/{question(name)}/aggregate", method=method).json()
        caller.forecast(rain, probability)
    assert (empty["probability"], empty["forecasters"]) == (None, 0)
    answer = caller.get(f"/questions/{rain}/aggregate", method=method).json()
    expected = pooling.pool(method, [0.2, 0.4, 0.9], [1.0, 2.0, 3.0])
    assert answer["probability"] == pytest.approx(expected)
    assert (answer["method"], answer["lower"], answer["forecasters"]) == (method, None, 3)


def test_an_unknown_method_or_moment_is_refused(account, question, refused) -> None:
    ann, rain = account("ann"), question()
    path = f"/questions/{rain}/aggregate"
    refused(ann.get(path, method="votes"), 422, "bayes, mean", field="method")
    refused(ann.get(path, as_of="2099-01-01T00:00:00Z"), 422, field="as_of")
    refused(ann.get(path, as_of="2026-11-05"), 422, field="as_of")
    refused(ann.get(path, as_of="2000-01-01T00:00:00Z"), 404, "did not exist")


def test_the_history_is_what_was_published_and_ends_at_the_present(account, question) -> None:
    ann, bob, rain = account("ann"), account("bob"), question()
    published = [
        who.forecast(rain, probability).json()["aggregate"]
        for who, probability in ((ann, 0.2), (bob, 0.4), (ann, 0.6))
    ]
    page = ann.get(f"/questions/{rain}/aggregate/history", limit=2).json()
    rest = ann.get(f"/questions/{rain}/aggregate/history", cursor=page["next"]).json()
    points = page["items"] + rest["items"]
    assert [point["probability"] for point in points] == [
        answer["probability"] for answer in published
    ]
    assert [point["cause"] for point in points] == ["forecast"] * 3


STEP = st.tuples(
    st.sampled_from(["forecast", "withdraw", "expiring", "resolve", "unresolve"]),
    st.integers(0, 2),
    st.floats(0, 1),
)


@examples(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # shrinking would take many minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEP, min_size=4, max_size=9))
def test_later_facts_never_change_an_earlier_answer(
    account, curator, question, steps: list[tuple[str, int, float]]
) -> None:
    """After each step the answers are noted; asked for as of then at the end, they hold."""
    suffix = np.random.default_rng().integers(1 << 60)
    people = [account(f"{name}{suffix}") for name in ("ann", "bob", "eve")]
    with time_machine.travel(OPENS, tick=False):
        rain = question(in_set=f"set{suffix}", closes_at=OPENS + 60 * DAY)
    noted = []
    for number, (step, who, probability) in enumerate(steps):
        with time_machine.travel(OPENS + DAY * (number + 1), tick=False):
            _take(step, people[who], curator, rain, probability)
        moment = OPENS + DAY * (number + 1) + DAY / 2
        with time_machine.travel(moment, tick=False):
            noted.append((moment, _answers(curator, rain, f"set{suffix}")))
    with time_machine.travel(OPENS + 50 * DAY, tick=False):
        for moment, answers in noted:
            at = {"as_of": moment.isoformat()}
            assert _answers(curator, rain, f"set{suffix}", **at) == answers


def _take(step: str, person: Any, curator: Any, question_id: int, probability: float) -> None:
    if step == "forecast":
        person.forecast(question_id, probability)
    elif step == "expiring":
        soon = datetime.now(UTC) + 2 * DAY
        person.forecast(question_id, probability, expires_at=soon.isoformat())
    elif step == "withdraw":
        person("DELETE", f"/questions/{question_id}/forecasts/current")
    elif step == "resolve":
        curator.resolve(question_id, "yes" if probability > 0.5 else "no")
    else:
        curator("DELETE", f"/questions/{question_id}/resolution")


def _answers(caller: Any, question_id: int, set_slug: str, **params: str) -> list[Any]:
    path = f"/questions/{question_id}/aggregate"
    readings = [
        caller.get(path, method=method, **params).json()
        for method in ("bayes", "median", "recency_weighted_median")
    ]
    figures = [
        [reading[name] for name in ("probability", "lower", "upper", "forecasters", "fit_id")]
        for reading in readings
    ]
    boards = caller.get("/leaderboard", set=set_slug, **params).json()["items"]
    history = caller.get(f"{path}/history", **params).json()["items"]
    return [figures, boards, len(history)]


def test_questions_that_nobody_forecast_are_answered_by_the_fit_in_force(
    account, question, record, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = account("ann")
    for number in range(5):
        question(f"q{number}")
    asked, aggregate = [], live.aggregate

    def counted(*arguments: Any, **options: Any) -> live.Aggregate:
        asked.append(arguments)
        return aggregate(*arguments, **options)

    monkeypatch.setattr(live, "aggregate", counted)

    def listed() -> set[tuple[float, int | None]]:
        items = ann.get("/questions").json()["items"]
        return {(one["aggregate"]["probability"], one["aggregate"]["fit_id"]) for one in items}

    assert listed() == listed()
    assert [(round(probability, 9), told) for probability, told in listed()] == [(0.5, None)]
    assert len(asked) == 1
    bold = dataclasses.replace(Posterior.prior(), a0=Posterior.prior().a0 + 1.0)
    fit_id = record(Sampled(FitStatus.accepted, posterior=bold)).id
    ((probability, told),) = listed()
    assert told == fit_id
    assert probability > 0.6
