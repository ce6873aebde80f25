"""Dependence: found where there is some, not invented where there is none."""

from typing import Any

import numpy as np
import pytest

from forecasting.dependence import Dependence, dependence
from forecasting.pooling import logistic


def measured(outcome: np.ndarray, centre: np.ndarray, **given: Any) -> Dependence:
    size = outcome.size
    return dependence(
        **{
            "names": np.array([f"{index:04d}" for index in range(size)]),
            "domain": np.zeros(size, dtype=np.int64),
            "resolved": np.full(size, np.nan),
            "question": np.arange(size),
            "centre": centre,
            "outcome": outcome,
            "weight": np.ones(size),
        }
        | given
    )


def shocked(seed: int, size: int, *, shocks: float, period: int) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes whose log-odds are moved by a shock that a period of questions shares."""
    random = np.random.default_rng(seed)
    centre = random.normal(0.0, 1.0, size)
    shock = np.repeat(random.normal(0.0, shocks, -(-size // period)), period)[:size]
    return (random.random(size) < logistic(centre + shock)).astype(float), centre


def test_independent_questions_keep_their_evidence() -> None:
    kept = []
    for seed in range(40):
        outcome, centre = shocked(seed, 120, shocks=0.0, period=1)
        kept.append(measured(outcome, centre, resolved=np.arange(120.0)).share[0])
    assert np.mean(kept) > 0.88
    assert measured(outcome, centre).share.tolist() == [1.0] * 120  # without times nothing is said


def test_shared_shocks_leave_less() -> None:
    outcome, centre = shocked(1, 400, shocks=3.0, period=8)
    found = measured(outcome, centre, resolved=np.arange(400.0))
    assert found.neighbours > 0.25
    assert found.share[0] == pytest.approx((1 - found.neighbours) / (1 + found.neighbours))
    assert measured(outcome, centre, resolved=np.random.default_rng(0).random(400)).neighbours < 0.1


def test_horizons_of_one_question_count_about_once() -> None:
    """Ten horizons that always agree teach little more than one; the design effect is Kish's."""
    random = np.random.default_rng(2)
    outcome = np.repeat((random.random(50) < 0.5).astype(float), 10)
    names = np.array([f"{question:03d}|{step}" for question in range(50) for step in range(10)])
    found = measured(outcome, random.normal(0.0, 0.1, 500), names=names)
    assert found.within > 0.9
    assert found.share == pytest.approx(np.full(500, 1.0 / (1.0 + 9.0 * found.within)))
    assert found.share.sum() < 60.0


def test_one_question_is_enough_to_be_asked() -> None:
    found = measured(np.array([1.0]), np.array([0.3]), resolved=np.array([5.0]))
    assert found.share.tolist() == [1.0]
