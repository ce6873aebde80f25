"""The classic pools: one probability from the latest forecasts on one question.

A pool takes the probabilities of the active forecasters, shape ``(n,)``, and the times at which
they were made, shape ``(n,)`` or None, and returns a number in [0, 1], or nan when nobody has
forecast. Pools of odds work on log-odds, clipped to [0.01, 0.99], so that a thousand certain
forecasters neither overflow nor silence everyone else.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from forecasting.arrays import FloatArray, IntArray

CLIP = 0.01
TRIM = 0.1
EXTREMISING = 1.5
GENERATOR = 0.35
"""The pooling model's: 0 would pool log-odds, 0.5 probabilities; see ``bounded``."""
_BETA_SHAPE = 6.0
_EQUAL_WEIGHTS_UP_TO = 2

Pool: TypeAlias = Callable[[FloatArray, FloatArray | None], float]


def log_odds(probability: ArrayLike, clip: float = CLIP) -> FloatArray:
    """Return the log-odds in nats of probabilities clipped to [clip, 1 - clip]; any shape.

    >>> log_odds([0.0, 0.5, 1.0]).round(3).tolist()
    [-4.595, 0.0, 4.595]
    """
    inside = np.clip(np.asarray(probability, dtype=np.float64), clip, 1.0 - clip)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def logistic(log_odds: ArrayLike) -> FloatArray:
    """Return the probabilities of log-odds in nats; any shape."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * np.asarray(log_odds, dtype=np.float64)))


def bounded(log_odds: ArrayLike) -> FloatArray:
    """Return tanh(0.35 z) of log-odds z in nats, in (-1, 1); any shape.

    Its mean, turned back by ``unbounded``, is a quasi-arithmetic mean between the two common pools:
    tanh(z / 2) would give the mean of the probabilities, a factor towards 0 that of the log-odds.

    >>> unbounded(bounded([-2.0, 0.0, 3.0])).round(6).tolist()
    [-2.0, 0.0, 3.0]
    """
    return np.asarray(np.tanh(GENERATOR * np.asarray(log_odds, dtype=np.float64)))


def unbounded(mean: ArrayLike) -> FloatArray:
    """Return the log-odds in nats of what ``bounded`` gives, in (-1, 1); any shape."""
    return np.asarray(np.arctanh(np.asarray(mean, dtype=np.float64)) / GENERATOR)


def ranks(time: FloatArray) -> IntArray:
    """Return the number of forecasts made no later than each, ``(n,)``: ties share the largest.

    >>> ranks(np.array([10.0, 20.0, 20.0])).tolist()
    [1, 3, 3]
    """
    return np.searchsorted(np.sort(time), time, side="right").astype(np.int64)


def staleness(time: FloatArray | None, size: int) -> FloatArray:
    """Return log(n / rank) of each forecast, shape ``(n,)``, from log(n) (oldest) to 0 (newest).

    Without times nothing is stale.

    >>> staleness(np.array([10.0, 20.0, 20.0]), 3).round(3).tolist()
    [1.099, 0.0, 0.0]
    """
    if time is None:
        return np.zeros(size)
    return np.asarray(np.log(size) - np.log(ranks(time)))


def one_voice(
    voice: IntArray, z: FloatArray, time: FloatArray | None
) -> tuple[IntArray, FloatArray, FloatArray | None]:
    """Return the distinct voices in order, the mean of each one's log-odds, and its latest time.

    Args:
        voice: a number for each forecast, ``(n,)``; copies have the same.
        z: log-odds, ``(n,)``.
        time: when each was made, ``(n,)``, or None when unknown.
    """
    order = np.lexsort((z, voice))  # so that the mean is the same to the bit in any order
    distinct, index = np.unique(voice[order], return_inverse=True)
    mean_z = np.bincount(index, z[order]) / np.bincount(index)
    if time is None:
        return distinct, mean_z, None
    latest = np.full(distinct.size, -np.inf)
    np.maximum.at(latest, index, time[order])
    return distinct, mean_z, latest


def mean(probability: FloatArray, time: FloatArray | None = None) -> float:
    """Return the arithmetic mean."""
    del time
    return float(np.mean(probability))


def median(probability: FloatArray, time: FloatArray | None = None) -> float:
    """Return the median; the middle of the two middle ones for an even number."""
    del time
    return float(np.median(probability))


def trimmed_mean(probability: FloatArray, time: FloatArray | None = None) -> float:
    """Return the mean after leaving out the lowest and the highest tenth, rounded down."""
    del time
    cut = int(TRIM * probability.size)
    return float(np.mean(np.sort(probability)[cut : probability.size - cut]))


def geometric_mean_odds(probability: FloatArray, time: FloatArray | None = None) -> float:
    """Return the probability whose log-odds are the mean of the log-odds."""
    del time
    return float(logistic(np.mean(log_odds(probability))))


def neyman_roughgarden(probability: FloatArray, time: FloatArray | None = None) -> float:
    """Return the mean log-odds extremised by a factor that grows with n from 1 to √3.

    The factor is n (√(3n² - 3n + 1) - 2) / (n² - n - 1): Neyman and Roughgarden (2022), "Are you
    smarter than a random expert? The robust aggregation of substitutable signals",
    doi:10.1145/3490486.3538243.
    """
    del time
    n = probability.size
    factor = n * (np.sqrt(3.0 * n * n - 3.0 * n + 1.0) - 2.0) / (n * n - n - 1.0)
    return float(logistic(factor * np.mean(log_odds(probability))))


def extremised(probability: FloatArray, time: FloatArray | None = None) -> float:
    """Return the mean log-odds times 1.5.

    A fixed extremising of the kind of Baron et al. (2014), doi:10.1287/deca.2014.0293.
    """
    del time
    return float(logistic(EXTREMISING * np.mean(log_odds(probability))))


def recency_weighted_median(probability: FloatArray, time: FloatArray | None = None) -> float:
    """Return the median weighted by exp(√rank - √n), rank 1 the oldest of n forecasts.

    The recency weighting of Metaculus (https://www.metaculus.com/help/scores-faq/): equal weights
    for one or two forecasts. Ties share their largest rank; without times all weights are equal.
    """
    n = probability.size
    weight = np.ones(n)
    if n > _EQUAL_WEIGHTS_UP_TO and time is not None:
        weight = np.exp(np.sqrt(ranks(time)) - np.sqrt(n))
    return _weighted_median(probability, weight)


def beta_transformed_mean(probability: FloatArray, time: FloatArray | None = None) -> float:
    """Return the mean pushed outwards by the distribution function of Beta(6, 6).

    The beta-transformed linear pool of Ranjan and Gneiting (2010),
    doi:10.1111/j.1467-9868.2009.00726.x, with fixed shapes.
    """
    del time
    from scipy import special  # noqa: PLC0415 - half a second of every server's start

    return float(special.betainc(_BETA_SHAPE, _BETA_SHAPE, np.mean(probability)))


def _weighted_median(values: FloatArray, weight: FloatArray) -> float:
    order = np.argsort(values, kind="stable")
    ordered, cumulative = values[order], np.cumsum(weight[order])
    half = cumulative[-1] / 2.0
    low = int(np.searchsorted(cumulative, half * (1.0 - 1e-12)))
    high = int(np.searchsorted(cumulative, half * (1.0 + 1e-12), side="right"))
    return float((ordered[low] + ordered[min(high, values.size - 1)]) / 2.0)


POOLS: Mapping[str, Pool] = MappingProxyType(
    {
        "mean": mean,
        "median": median,
        "trimmed_mean": trimmed_mean,
        "geometric_mean_odds": geometric_mean_odds,
        "neyman_roughgarden": neyman_roughgarden,
        "extremised": extremised,
        "recency_weighted_median": recency_weighted_median,
        "beta_transformed_mean": beta_transformed_mean,
    }
)
"""The pools by name."""


def pool(name: str, probability: ArrayLike, time: ArrayLike | None = None) -> float:
    """Pool the latest forecasts of one question by a named rule.

    Args:
        name: a key of POOLS.
        probability: each forecaster's latest probability, shape ``(n,)``.
        time: when each was made (any unit that orders them), shape ``(n,)``; None or
            all nan when unknown.

    Returns:
        The pooled probability, nan when n = 0.

    Raises:
        ValueError: an unknown name, a probability outside [0, 1], shapes that differ, or times for
            only some forecasts.

    >>> round(pool("geometric_mean_odds", [0.2, 0.5]), 4)
    0.3333
    """
    if name not in POOLS:
        raise ValueError(f"there is no pool {name!r}: use one of {', '.join(POOLS)}")
    values = probabilities(probability)
    moments = times(time, values.size)
    return POOLS[name](values, moments) if values.size else float("nan")


def pool_all(probability: ArrayLike, time: ArrayLike | None = None) -> dict[str, float]:
    """Pool the latest forecasts of one question by every rule; see ``pool``, which takes the same.

    >>> pooled = pool_all([0.2, 0.5])
    >>> pooled["mean"], pooled["median"]
    (0.35, 0.35)
    """
    values = probabilities(probability)
    moments = times(time, values.size)
    if not values.size:
        return dict.fromkeys(POOLS, float("nan"))
    return {name: rule(values, moments) for name, rule in POOLS.items()}


def probabilities(values: ArrayLike) -> FloatArray:
    """Return ``values`` as an array of shape ``(n,)``.

    Raises:
        ValueError: not one axis, or a value that is nan or outside [0, 1].
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"probabilities have one axis, not {array.ndim}")
    inside = (array >= 0.0) & (array <= 1.0)
    if not inside.all():
        position = int(np.argmin(inside))
        raise ValueError(f"probability {array[position]} at {position} is outside [0, 1]")
    return array


def times(values: ArrayLike | None, size: int) -> FloatArray | None:
    """Return when each of ``size`` forecasts was made, shape ``(n,)``, or None when unknown.

    Raises:
        ValueError: another shape, or times that are known for only some forecasts.
    """
    if values is None:
        return None
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (size,):
        raise ValueError(f"{size} probabilities but times of shape {array.shape}")
    unknown = np.isnan(array)
    if unknown.all():
        return None
    if unknown.any():
        raise ValueError("times for only some forecasts: give all of them or none")
    return array
