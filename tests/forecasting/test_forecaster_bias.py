"""Offsets: recovered from forecasts alone, against an independent solution, and invariances."""

import dataclasses

import numpy as np
import pytest

from forecasting.forecaster_bias import offsets
from forecasting.live import aggregate
from forecasting.panel import Panel, PanelQuestion
from forecasting.pooling import logistic
from forecasting.posterior import Posterior


def crowd(*, seed: int, people: int = 30, questions: int = 60, each: int = 8) -> tuple[Panel, dict]:
    """Forecasters whose log-odds are the question's, their own offset, and noise of 0.5 nats."""
    random = np.random.default_rng(seed)
    own = random.normal(0.0, 0.6, people)
    rows = []
    for question in range(questions):
        centre = random.normal()
        for who in random.choice(people, each, replace=False):
            said = float(logistic(centre + own[who] + random.normal(0.0, 0.5)))
            rows.append((f"{who:02d}", f"{question:03d}", np.nan, np.inf, said))
    asked = [PanelQuestion(f"{question:03d}") for question in range(questions)]
    return Panel.of(forecasts=rows, questions=asked), {f"{i:02d}": b for i, b in enumerate(own)}


def test_offsets_are_recovered_without_any_outcome() -> None:
    panel, truth = crowd(seed=1)
    assert np.isnan(panel.outcome).all()
    found = offsets(panel, {})
    right = np.array([truth[name] for name in panel.forecasters])
    right -= right.mean()
    assert np.corrcoef(found, right)[0, 1] > 0.93
    assert np.abs(found - right).mean() < 0.2
    assert found.std() < right.std()  # pulled towards 0


def test_offsets_solve_the_mixed_model_equations() -> None:
    """Henderson's equations with fixed questions and random forecasters, solved densely."""
    panel, _ = crowd(seed=2, people=6, questions=12, each=3)
    found = offsets(panel, {})
    z = np.log(panel.probability) - np.log1p(-panel.probability)
    of_question = np.eye(len(panel.questions))[panel.question]
    of_person = np.eye(len(panel.forecasters))[panel.forecaster]
    swept = np.eye(z.size) - of_question @ np.linalg.pinv(of_question)
    left, right = of_person.T @ swept @ of_person @ found, of_person.T @ swept @ z
    # What is left is the ratio of variances times b, and b is found but for one constant.
    ratio, constant = np.polyfit(found, right - left, 1)
    assert ratio > 0.0
    assert right - left == pytest.approx(ratio * found + constant, abs=1e-6)


def test_nothing_is_known_of_one_who_never_forecasts_beside_another() -> None:
    panel, _ = crowd(seed=3, each=1)
    assert offsets(panel, {}).tolist() == [0.0] * len(panel.forecasters)
    empty = Panel.of(forecasts=[], questions=[PanelQuestion("q")])
    assert offsets(empty, {}).size == 0


def test_the_order_of_rows_and_names_does_not_matter_to_the_bit() -> None:
    panel, _ = crowd(seed=4)
    found = dict(zip(panel.forecasters, offsets(panel, {}).tolist(), strict=True))
    shuffle = np.random.default_rng(0).permutation(panel.time.size)
    names = np.array(panel.forecasters)
    rows = zip(
        names[panel.forecaster[shuffle]].tolist(),
        np.array(panel.questions)[panel.question[shuffle]].tolist(),
        panel.time[shuffle].tolist(),
        panel.until[shuffle].tolist(),
        panel.probability[shuffle].tolist(),
        strict=True,
    )
    asked = [PanelQuestion(name) for name in reversed(panel.questions)]
    again = Panel.of(forecasts=list(rows), questions=asked)
    assert dict(zip(again.forecasters, offsets(again, {}).tolist(), strict=True)) == found


def test_a_question_and_its_negation_have_opposite_offsets() -> None:
    panel, _ = crowd(seed=5)
    mirror = dataclasses.replace(panel, probability=1.0 - panel.probability)
    assert offsets(mirror, {}) == pytest.approx(-offsets(panel, {}), abs=1e-8)


def test_an_offset_is_taken_off_before_pooling() -> None:
    """An optimist by one nat who says 0.8 is heard like a neutral who says logistic(ln 4 - 1)."""
    plain = dataclasses.replace(
        Posterior.prior(), omega=np.zeros((400, 1)), forecasters=("optimist",)
    )
    known = dataclasses.replace(plain, offset=[1.0])
    neutral = float(logistic(np.log(4.0) - 1.0))
    assert aggregate(known, ["optimist"], [0.8]).probability == pytest.approx(
        aggregate(plain, ["optimist"], [neutral]).probability, abs=1e-12
    )
    assert Posterior.from_bytes(known.to_bytes()).offset.tolist() == [1.0]
    assert known.fingerprint != plain.fingerprint
