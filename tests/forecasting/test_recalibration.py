"""Partially pooled recalibration: against integrals, against luck shared, and on known truths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.pooling import log_odds, logistic
from forecasting.recalibration import Recalibrations, recalibration, recalibrations
from forecasting.simulate import opinions


def by_grid(said: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of intercept and slope by brute integration."""
    axes = np.linspace(-4.0, 4.0, 401), np.linspace(-3.0, 5.0, 401)
    intercept, slope = np.meshgrid(*axes, indexing="ij")
    log = -(intercept**2) / 2 - (slope - 1.0) ** 2 / 2
    for z, outcome in zip(log_odds(said), truth, strict=True):
        line = intercept + slope * z
        log += outcome * line - np.logaddexp(0.0, line)
    mass = np.exp(log - log.max())
    mass /= mass.sum()
    means = np.array([(mass * grid).sum() for grid in (intercept, slope)])
    squares = np.array([(mass * grid**2).sum() for grid in (intercept, slope)])
    return means, np.sqrt(squares - means**2)


def test_one_group_agrees_with_brute_integration() -> None:
    random = np.random.default_rng(1)
    said = random.uniform(0.05, 0.95, 60)
    truth = (random.random(60) < logistic(0.3 + 0.7 * log_odds(said))).astype(float)
    found = recalibration(said, truth)
    mean, sd = by_grid(said, truth)
    assert found.mean[0] == pytest.approx(mean, abs=0.01)
    assert np.sqrt(np.diag(found.covariance[0])) == pytest.approx(sd, rel=0.03)


def test_nothing_is_the_prior() -> None:
    found = recalibrations([], [], [])
    assert found.mean == pytest.approx(np.array([[0.0, 1.0]]))
    assert found.slope(0.8).lower[0] < 0.0 < found.slope(0.8).upper[0]


def test_people_who_say_one_half_always_have_no_slope_of_their_own() -> None:
    found = recalibrations([0.5] * 40, [1, 0] * 20, ["ann", "bob"] * 20)
    assert np.isfinite(found.mean).all()
    assert found.slope(0.8).value == pytest.approx(1.0)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_a_question_and_its_negation_say_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    said, truth = random.random(30), random.integers(0, 2, 30)
    group, question = random.integers(0, 4, 30), random.integers(0, 12, 30)
    truth = truth[question]
    one = recalibrations(said, truth, group, question=question)
    other = recalibrations(1.0 - said, 1 - truth, group, question=question)
    assert other.mean == pytest.approx(one.mean * [-1.0, 1.0], abs=1e-4)
    order = random.permutation(30)
    again = recalibrations(said[order], truth[order], group[order], question=question[order])
    assert again.mean == pytest.approx(one.mean, abs=1e-6)
    assert again.covariance == pytest.approx(one.covariance, abs=1e-6)


def test_a_forecast_made_a_hundred_times_counts_once() -> None:
    once = recalibrations([0.9, 0.2, 0.6], [0, 0, 1], ["a", "a", "b"], question=[1, 2, 3])
    often = recalibrations(
        [0.9] * 100 + [0.2, 0.6], [0] * 101 + [1], ["a"] * 101 + ["b"], question=[1] * 100 + [2, 3]
    )
    assert often.mean == pytest.approx(once.mean, abs=1e-9)
    assert often.questions.tolist() == once.questions.tolist() == [2, 1]


def test_a_hundred_people_on_ten_questions_are_not_a_thousand_questions() -> None:
    truth = np.array([1, 0, 0, 0, 0, 0, 0, 1, 0, 0], dtype=float)
    said = np.linspace(0.3, 0.8, 10)

    def of_people(number: int) -> Recalibrations:
        return recalibrations(
            np.tile(said, number),
            np.tile(truth, number),
            np.repeat(np.arange(number), 10),
            question=np.tile(np.arange(10), number),
        )

    few, many = of_people(2), of_people(100)
    assert many.covariance[0, 0, 0] > 0.5 * few.covariance[0, 0, 0]
    assert many.mean[0, 0] < -0.3


def test_groups_are_pulled_together_the_more_the_less_is_known_of_them() -> None:
    said = np.full(404, 0.7)
    truth = np.r_[np.tile([1, 1, 1, 0], 100), 0, 0, 0, 0]
    found = recalibrations(said, truth, np.r_[np.repeat(np.arange(4), 100), 9, 9, 9, 9])
    excess = found.excess(np.full(6, 0.85), 0.8)
    assert excess.value[4] > excess.value[0]  # four misses count a little
    assert excess.upper[4] - excess.lower[4] > excess.upper[0] - excess.lower[0]
    assert found.groups.tolist() == [0, 1, 2, 3, 9]


@pytest.mark.parametrize("per_question", [1, 10, 30])
def test_intervals_cover_the_truth_about_as_often_as_they_say(per_question: int) -> None:
    covered = []
    for seed in range(24):
        made = opinions(
            seed=seed, questions=60 * 10 // per_question, forecasters=30, per_question=per_question
        )
        panel = made.panel
        found = recalibrations(
            panel.probability,
            panel.outcome[panel.question],
            panel.forecaster,
            question=panel.question,
        )
        for truth, said in (
            (made.intercept, found.intercept(0.8)),
            (made.slope, found.slope(0.8)),
        ):
            covered.append(((said.lower[:-1] < truth) & (truth < said.upper[:-1])).mean())
    assert 0.68 < np.mean(covered) < 0.92


@pytest.mark.parametrize(
    ("said", "truth", "group"),
    [([0.5], [0.5], ["a"]), ([1.5], [1], ["a"]), ([0.5], [1, 0], ["a"]), ([0.5], [1], ["a", "b"])],
)
def test_bad_input_is_refused(said: list[float], truth: list[float], group: list[str]) -> None:
    with pytest.raises(ValueError, match=r"outside|neither|differ"):
        recalibrations(said, truth, group)


def test_a_level_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        recalibration([0.5], [1]).slope(1.0)
