"""Calibration: do things called 70% likely happen 70% of the time?

Reliability is estimated by isotonic regression, which needs no bins: Dimitriadis, Gneiting and
Jordan (2021), "Stable reliability diagrams for probabilistic classifiers",
doi:10.1073/pnas.2016191118. Equal probabilities are pooled first, since people's forecasts tie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecasting.pooling import probabilities
from forecasting.recalibration import recalibration
from forecasting.types import FloatArray, IntArray

BAND = 0.9
RESAMPLES = 500


@dataclass(frozen=True, eq=False, slots=True)
class Reliability:
    """Reliability of forecasts: calibration measures with uncertainty.

    The figures are nan, and the arrays empty, when there are no forecasts.

    Attributes:
        n: number of forecasts.
        questions: distinct clusters among them: how much evidence there is.
        mean_brier: mean squared error, in [0, 1], lower better; exactly
            ``miscalibration - discrimination + uncertainty``.
        miscalibration: reduction of the Brier score by recalibration, >= 0, lower better.
        discrimination: reduction of the Brier score by distinguishing cases, >= 0, higher better.
        uncertainty: mean squared error of always forecasting the base rate.
        base_rate: share of outcomes that were yes.
        sharpness: mean of (2 p - 1)², from 0 (always one half) to 1 (always certain); desirable if
            miscalibration is low.
        slope: slope of logistic recalibration on log-odds, with weight 1 per cluster and weak
            priors (see ``recalibration``); below 1 is overconfident.
        slope_interval: its central credible interval of mass ``level``.
        intercept: intercept of the same, in nats; above 0, probabilities of yes are too low.
        intercept_interval: likewise.
        expected_calibration_error: mean distance from forecast to calibrated frequency, in [0, 1].
        probability: distinct forecasts, ascending, ``(point,)``.
        count: forecasts at each, ``(point,)``.
        frequency: calibrated frequency at each, non-decreasing, ``(point,)``.
        lower: lower end of the consistency band at each: where ``frequency`` would lie, pointwise,
            were the forecasts calibrated.
        upper: its upper end.
        level: mass of the band and of the intervals.
    """

    n: int
    questions: int
    mean_brier: float
    miscalibration: float
    discrimination: float
    uncertainty: float
    base_rate: float
    sharpness: float
    slope: float
    slope_interval: tuple[float, float]
    intercept: float
    intercept_interval: tuple[float, float]
    expected_calibration_error: float
    probability: FloatArray
    count: IntArray
    frequency: FloatArray
    lower: FloatArray
    upper: FloatArray
    level: float


def reliability(
    probability: ArrayLike,
    outcome: ArrayLike,
    *,
    cluster: Sequence[object] | NDArray[np.generic] | None = None,
    seed: int = 0,
) -> Reliability:
    """Measure the calibration of forecasts, with a consistency band for chance variation.

    The band resamples outcomes for whole clusters: forecasts on one question share its outcome, so
    a hundred updates of one forecast are not a hundred independent observations.

    Args:
        probability: in [0, 1], shape ``(n,)``; n may be 0.
        outcome: 0 or 1, shape ``(n,)``.
        cluster: cluster of each forecast, such as its question, shape ``(n,)``; by default each
            forecast is its own cluster.
        seed: of the drawn outcomes.

    Raises:
        ValueError: shapes that differ, a probability outside [0, 1] or an outcome other than 0, 1.

    Examples:
        >>> found = reliability([0.2, 0.2, 0.8, 0.8], [0, 1, 1, 1])
        >>> found.frequency.tolist(), round(found.mean_brier, 2)
        ([0.5, 1.0], 0.19)
    """
    values = probabilities(probability)
    truth = np.asarray(outcome, dtype=np.float64)
    groups = np.arange(values.size) if cluster is None else np.asarray(cluster)
    if not values.shape == truth.shape == groups.shape:
        raise ValueError(
            f"shapes differ: probability {values.shape}, outcome {truth.shape}, "
            f"cluster {groups.shape}"
        )
    if not ((truth == 0.0) | (truth == 1.0)).all():
        raise ValueError("an outcome is neither 0 nor 1")
    if not values.size:
        return _NOTHING

    points, place, count = np.unique(values, return_inverse=True, return_counts=True)
    yes = np.bincount(place, truth)
    frequency = _isotonic(yes, count)
    fitted = frequency[place]
    base_rate = float(truth.mean())
    mean_brier = float(np.mean((values - truth) ** 2))
    recalibrated_brier = float(np.mean((fitted - truth) ** 2))
    uncertainty = base_rate * (1.0 - base_rate)
    line = recalibration(values, truth, question=groups)
    intercept, slope = line.intercept(BAND), line.slope(BAND)
    lower, upper = _consistency_band(points, place, groups, seed)
    return Reliability(
        n=values.size,
        questions=int(line.questions[0]),
        mean_brier=mean_brier,
        miscalibration=mean_brier - recalibrated_brier,
        discrimination=uncertainty - recalibrated_brier,
        uncertainty=uncertainty,
        base_rate=base_rate,
        sharpness=float(np.mean((2.0 * values - 1.0) ** 2)),
        slope=float(slope.value[0]),
        slope_interval=(float(slope.lower[0]), float(slope.upper[0])),
        intercept=float(intercept.value[0]),
        intercept_interval=(float(intercept.lower[0]), float(intercept.upper[0])),
        expected_calibration_error=float(np.mean(np.abs(values - fitted))),
        probability=points,
        count=count.astype(np.int64),
        frequency=frequency,
        lower=lower,
        upper=upper,
        level=BAND,
    )


def _isotonic(yes: NDArray[Any], count: NDArray[Any]) -> FloatArray:
    """Return the non-decreasing frequencies closest to ``yes / count``, weighted by ``count``."""
    from scipy import optimize  # noqa: PLC0415 - a second of every server's start

    found = optimize.isotonic_regression(yes / count, weights=count.astype(np.float64))
    return np.clip(np.asarray(found.x, dtype=np.float64), 0.0, 1.0)


def _consistency_band(
    points: FloatArray, place: IntArray, groups: NDArray[np.generic], seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return the pointwise band of calibrated frequencies under calibrated forecasts.

    Forecasts of one cluster share a uniform draw: those above it come true.
    """
    random = np.random.default_rng(seed)
    _, group = np.unique(groups, return_inverse=True)
    clusters, count = int(group.max()) + 1, np.bincount(place)
    curves = np.empty((RESAMPLES, points.size))
    for curve in curves:
        came_true = random.random(clusters)[group] < points[place]
        curve[:] = _isotonic(np.bincount(place, came_true), count)
    tails = [(1.0 - BAND) / 2.0, (1.0 + BAND) / 2.0]
    lower, upper = np.quantile(curves, tails, axis=0)
    return lower, upper


_NAN = float("nan")
_NOTHING = Reliability(
    n=0,
    questions=0,
    mean_brier=_NAN,
    miscalibration=_NAN,
    discrimination=_NAN,
    uncertainty=_NAN,
    base_rate=_NAN,
    sharpness=_NAN,
    slope=_NAN,
    slope_interval=(_NAN, _NAN),
    intercept=_NAN,
    intercept_interval=(_NAN, _NAN),
    expected_calibration_error=_NAN,
    probability=np.empty(0),
    count=np.empty(0, dtype=np.int64),
    frequency=np.empty(0),
    lower=np.empty(0),
    upper=np.empty(0),
    level=BAND,
)
