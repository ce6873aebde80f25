"""Calibration: ties, the decomposition, the band, and samples of nothing and of one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.calibration import reliability
from forecasting.pooling import logistic

CASES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.29, 0.5, 0.7, 1.0]), st.booleans()),
    min_size=1,
    max_size=40,
)


def by_min_max(points: np.ndarray, yes: np.ndarray, count: np.ndarray) -> list[float]:
    """Isotonic regression by its min-max formula, with no pooling of neighbours."""
    n = points.size
    return [
        max(
            min(yes[low : high + 1].sum() / count[low : high + 1].sum() for high in range(at, n))
            for low in range(at + 1)
        )
        for at in range(n)
    ]


@given(cases=CASES)
def test_frequencies_are_isotonic_with_ties_pooled_and_the_parts_add_up(
    cases: list[tuple[float, bool]],
) -> None:
    said = np.array([value for value, _ in cases])
    truth = np.array([float(outcome) for _, outcome in cases])
    found = reliability(said, truth)
    points = np.unique(said)
    yes = np.array([truth[said == point].sum() for point in points])
    count = np.array([(said == point).sum() for point in points])
    assert found.probability.tolist() == points.tolist()
    assert found.count.tolist() == count.tolist()
    assert found.frequency == pytest.approx(by_min_max(points, yes, count), abs=1e-9)
    assert found.mean_brier == pytest.approx(np.mean((said - truth) ** 2))
    parts = found.miscalibration - found.discrimination + found.uncertainty
    assert parts == pytest.approx(found.mean_brier, abs=1e-12)
    assert found.miscalibration >= -1e-12
    assert found.discrimination >= -1e-12
    assert (found.lower <= found.upper + 1e-12).all()


@given(cases=CASES, seed=st.integers(0, 1000))
def test_the_order_of_forecasts_does_not_matter(cases: list[tuple[float, bool]], seed: int) -> None:
    said, truth = np.array(cases, dtype=float).T
    order = np.random.default_rng(seed).permutation(said.size)
    found, again = reliability(said, truth), reliability(said[order], truth[order])
    assert again.frequency == pytest.approx(found.frequency, abs=1e-12)
    assert again.miscalibration == pytest.approx(found.miscalibration, abs=1e-12)
    assert again.slope == pytest.approx(found.slope, abs=1e-4)


def test_the_decomposition_of_a_worked_example() -> None:
    """0.2 comes true half the time and 0.8 always: MCB .065, DSC .0625, UNC .1875."""
    found = reliability([0.2, 0.2, 0.8, 0.8], [0, 1, 1, 1])
    assert found.mean_brier == pytest.approx(0.19)
    assert found.miscalibration == pytest.approx(0.065)
    assert found.discrimination == pytest.approx(0.0625)
    assert found.uncertainty == pytest.approx(0.1875)
    assert found.expected_calibration_error == pytest.approx(0.25)


def test_nothing_is_nan_and_empty() -> None:
    found = reliability([], [])
    assert found.n == 0
    assert math.isnan(found.mean_brier)
    assert math.isnan(found.slope)
    assert found.probability.size == found.lower.size == 0


def test_one_forecast_is_no_trouble() -> None:
    found = reliability([0.7], [1])
    assert found.n == 1
    assert found.mean_brier == pytest.approx(0.09)
    assert found.frequency.tolist() == [1.0]
    assert found.uncertainty == 0.0
    assert math.isfinite(found.slope)


def test_overconfidence_shows_as_a_slope_below_one() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(0.2, 1.0, 20_000)
    truth = (random.random(logit.size) < logistic(logit)).astype(float)
    honest, loud = reliability(logistic(logit), truth), reliability(logistic(2 * logit), truth)
    assert honest.slope == pytest.approx(1.0, abs=0.05)
    assert honest.intercept == pytest.approx(0.0, abs=0.05)
    assert loud.slope == pytest.approx(0.5, abs=0.05)
    assert loud.miscalibration > 10 * honest.miscalibration
    assert loud.sharpness > honest.sharpness
    assert honest.slope_interval[0] < 1.0 < honest.slope_interval[1]
    assert loud.slope_interval[1] < 0.6
    assert honest.intercept_interval[0] < honest.intercept < honest.intercept_interval[1]


def test_sharpness_runs_from_ignorance_to_certainty() -> None:
    assert reliability([0.5, 0.5], [0, 1]).sharpness == 0.0
    assert reliability([0.0, 1.0], [0, 1]).sharpness == 1.0


def test_a_hundred_updates_of_one_forecast_are_not_a_hundred_forecasts() -> None:
    said = np.tile([0.3, 0.5, 0.7], 100)
    truth = np.tile([0.0, 1.0, 1.0], 100)
    alone = reliability(said, truth)
    together = reliability(said, truth, cluster=np.tile(["a", "b", "c"], 100))
    assert ((together.upper - together.lower) > 2 * (alone.upper - alone.lower)).all()
    assert together.miscalibration == alone.miscalibration
    assert (alone.questions, together.questions) == (300, 3)
    widths = [one.slope_interval[1] - one.slope_interval[0] for one in (alone, together)]
    assert widths[1] > 1.5 * widths[0]


def test_calibrated_forecasts_lie_in_the_band_about_as_often_as_it_says() -> None:
    inside = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        said = random.integers(1, 10, 300) / 10
        truth = (random.random(300) < said).astype(float)
        found = reliability(said, truth, seed=seed)
        inside.append(np.mean((found.lower <= found.frequency) & (found.frequency <= found.upper)))
    assert 0.85 < np.mean(inside) < 0.96


def test_the_seed_decides_the_band() -> None:
    said, truth = np.linspace(0, 1, 50), np.arange(50) % 2
    assert reliability(said, truth, seed=1).lower.tolist() == (
        reliability(said, truth, seed=1).lower.tolist()
    )


@pytest.mark.parametrize(
    ("said", "truth", "cluster"),
    [([0.5], [0.5], None), ([1.5], [1], None), ([0.5], [1, 0], None), ([0.5], [1], ["a", "b"])],
)
def test_bad_input_is_refused(
    said: list[float], truth: list[float], cluster: list[str] | None
) -> None:
    with pytest.raises(ValueError, match=r"outside|neither|differ"):
        reliability(said, truth, cluster=cluster)
