"""The classic pools: one probability from the latest forecasts on one question.

A pool takes the probabilities of the active forecasters and their times, at one time or at many
(``Crowds``), and returns a number in [0, 1] for each; without forecasters it is nan. Pools of odds
work on log-odds of probabilities clipped to [0.01, 0.99], so that extreme forecasts neither
overflow nor dominate.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from forecasting.types import BoolArray, FloatArray, IntArray

CLIP = 0.01
TRIM = 0.1
EXTREMISING = 1.5
GENERATOR = 0.35
"""The pooling model's: 0 would pool log-odds, 0.5 probabilities; see ``bounded``."""
_BETA_SHAPE = 6.0
_EQUAL_WEIGHTS_UP_TO = 2
_CELLS = 2**17
"""Maximum number of forecasts processed together, over all times, to bound memory."""

Pool: TypeAlias = Callable[["Crowds"], FloatArray]


def log_odds(probability: ArrayLike, clip: float = CLIP) -> FloatArray:
    """Return the log-odds in nats of probabilities clipped to [clip, 1 - clip]; any shape.

    Examples:
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

    Its mean, inverted by ``unbounded``, is a quasi-arithmetic mean between the two common pools:
    tanh(z / 2) would give the mean of the probabilities, a factor towards 0 that of the log-odds.

    Examples:
        >>> unbounded(bounded([-2.0, 0.0, 3.0])).round(6).tolist()
        [-2.0, 0.0, 3.0]
    """
    return np.asarray(np.tanh(GENERATOR * np.asarray(log_odds, dtype=np.float64)))


def unbounded(mean: ArrayLike) -> FloatArray:
    """Return the log-odds in nats of values of ``bounded`` in (-1, 1), its inverse; any shape."""
    return np.asarray(np.arctanh(np.asarray(mean, dtype=np.float64)) / GENERATOR)


def ranks(time: FloatArray) -> IntArray:
    """Return the number of forecasts made no later than each, ``(n,)``: ties share the largest.

    Examples:
        >>> ranks(np.array([10.0, 20.0, 20.0])).tolist()
        [1, 3, 3]
    """
    return np.searchsorted(np.sort(time), time, side="right").astype(np.int64)


def staleness(time: FloatArray | None, size: int) -> FloatArray:
    """Return log(n / rank) of each forecast, shape ``(n,)``, from log(n) (oldest) to 0 (newest).

    Without times all values are 0.

    Examples:
        >>> staleness(np.array([10.0, 20.0, 20.0]), 3).round(3).tolist()
        [1.099, 0.0, 0.0]
    """
    if time is None:
        return np.zeros(size)
    return np.asarray(np.log(size) - np.log(ranks(time)))


def one_voice(
    voice: IntArray, z: FloatArray, time: FloatArray | None
) -> tuple[IntArray, FloatArray, FloatArray | None]:
    """Return the distinct voices in order, with the mean of their log-odds and their latest times.

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


class Crowds:
    """Forecasts on one question as they stood together: each row is a crowd of at least one.

    The rules below take many crowds at once, since scores need their values after every forecast.
    The value of one crowd does not depend on the others, to the bit.

    Args:
        probability: of every forecast, in [0, 1], ``(n,)``.
        time: when each was made, ``(n,)``, or None when unknown.
        standing: which are of each crowd, ``(row, n)``.
    """

    def __init__(
        self, probability: FloatArray, time: FloatArray | None, standing: BoolArray
    ) -> None:
        self.probability, self.time, self.standing = probability, time, standing
        self.size: IntArray = standing.sum(axis=1)
        self._first: IntArray = np.cumsum(self.size) - self.size

    @cached_property
    def mean(self) -> FloatArray:
        """The arithmetic mean of each crowd, ``(row,)``."""
        return self._sums(self.probability[self._who], self.size) / self.size

    @cached_property
    def mean_log_odds(self) -> FloatArray:
        """The mean of the log-odds of each crowd, ``(row,)``."""
        return self._sums(log_odds(self.probability)[self._who], self.size) / self.size

    def trimmed_mean(self, share: float) -> FloatArray:
        """The mean without the lowest and highest share of each crowd, rounded down."""
        cut = (share * self.size).astype(np.int64)
        row, place = self._sorted[:2]
        kept = (cut[row] <= place) & (place < (self.size - cut)[row])
        left = self.size - 2 * cut
        return self._sums(self._values[kept], left) / left

    def median(self) -> FloatArray:
        """The median of each crowd; the middle of the two middle ones for an even number."""
        low, high = (self.size - 1) // 2, self.size // 2
        return self._middle(low, high)

    def weighted_median(self, weight: FloatArray) -> FloatArray:
        """The median of each crowd under weights, aligned to ``ranked``."""
        row, place = self._sorted[:2]
        cumulative = np.zeros((self.size.size, int(self.size.max(initial=0))))
        cumulative[row, place] = weight
        np.cumsum(cumulative, axis=1, out=cumulative)
        half = cumulative[:, -1:] / 2.0
        low = (cumulative < half * (1.0 - 1e-12)).sum(axis=1)
        high = (cumulative <= half * (1.0 + 1e-12)).sum(axis=1)
        return self._middle(low, np.minimum(high, self.size - 1))

    def _middle(self, low: IntArray, high: IntArray) -> FloatArray:
        """Half-way between two places of each crowd by value."""
        values = self._values[self._first + low] + self._values[self._first + high]
        return np.asarray(values / 2.0)

    @property
    def ranked(self) -> tuple[IntArray, IntArray]:
        """For each forecast in each crowd, the crowd's size and the forecast's rank by time.

        The rank is that of ``ranks``; without times it is the size.
        """
        row, _, who = self._sorted
        size = self.size[row]
        if self.time is None:
            return size, size
        order = np.argsort(self.time, kind="stable")
        made = np.cumsum(self.standing[:, order], axis=1, dtype=np.int32)
        last = np.searchsorted(self.time[order], self.time, side="right") - 1
        return size, made[row, last[who]].astype(np.int64)

    @cached_property
    def _who(self) -> IntArray:
        """The forecasts of the first crowd, then those of the second, and so on."""
        return np.nonzero(self.standing)[1]

    @cached_property
    def _sorted(self) -> tuple[IntArray, IntArray, IntArray]:
        """The forecasts crowd by crowd by value: the row, the place in it, which it is."""
        order = np.argsort(self.probability, kind="stable")
        row, column = np.nonzero(self.standing[:, order])
        return row, np.arange(row.size) - self._first[row], order[column]

    @cached_property
    def _values(self) -> FloatArray:
        return self.probability[self._sorted[2]]

    @staticmethod
    def _sums(values: FloatArray, sizes: IntArray) -> FloatArray:
        """The sums of consecutive groups of values.

        Each starts from 0, so that NumPy adds in the same order as where it sums the group alone.
        """
        first = np.cumsum(sizes) - sizes
        grown = np.insert(values, first, 0.0)
        return np.add.reduceat(grown, first + np.arange(first.size))


def mean(crowds: Crowds) -> FloatArray:
    """Return the arithmetic mean."""
    return crowds.mean


def median(crowds: Crowds) -> FloatArray:
    """Return the median; the middle of the two middle ones for an even number."""
    return crowds.median()


def trimmed_mean(crowds: Crowds) -> FloatArray:
    """Return the mean without the lowest and highest tenth, rounded down."""
    return crowds.trimmed_mean(TRIM)


def geometric_mean_odds(crowds: Crowds) -> FloatArray:
    """Return the probability whose log-odds are the mean of the log-odds."""
    return logistic(crowds.mean_log_odds)


def neyman_roughgarden(crowds: Crowds) -> FloatArray:
    """Return the mean log-odds extremised by a factor that grows with n from 1 to √3.

    The factor is n (√(3n² - 3n + 1) - 2) / (n² - n - 1): Neyman and Roughgarden (2022), "Are you
    smarter than a random expert? The robust aggregation of substitutable signals",
    doi:10.1145/3490486.3538243.
    """
    n = crowds.size
    factor = n * (np.sqrt(3.0 * n * n - 3.0 * n + 1.0) - 2.0) / (n * n - n - 1.0)
    return logistic(factor * crowds.mean_log_odds)


def extremised(crowds: Crowds) -> FloatArray:
    """Return the mean log-odds times 1.5.

    A fixed extremising of the kind of Baron et al. (2014), doi:10.1287/deca.2014.0293.
    """
    return logistic(EXTREMISING * crowds.mean_log_odds)


def recency_weighted_median(crowds: Crowds) -> FloatArray:
    """Return the median weighted by exp(√rank - √n), rank 1 the oldest of n forecasts.

    The recency weighting of Metaculus (https://www.metaculus.com/help/scores-faq/): equal weights
    for one or two forecasts. Ties share their largest rank; without times all weights are equal.
    """
    n, rank = crowds.ranked
    weight = np.exp(np.sqrt(rank) - np.sqrt(n))
    return crowds.weighted_median(np.where(n > _EQUAL_WEIGHTS_UP_TO, weight, 1.0))


def beta_transformed_mean(crowds: Crowds) -> FloatArray:
    """Return the mean pushed outwards by the distribution function of Beta(6, 6).

    The beta-transformed linear pool of Ranjan and Gneiting (2010),
    doi:10.1111/j.1467-9868.2009.00726.x, with fixed shapes.
    """
    from scipy import special  # noqa: PLC0415 - half a second of every server's start

    return np.asarray(special.betainc(_BETA_SHAPE, _BETA_SHAPE, crowds.mean))


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

    Examples:
        >>> round(pool("geometric_mean_odds", [0.2, 0.5]), 4)
        0.3333
    """
    if name not in POOLS:
        raise ValueError(f"unknown pool {name!r}: use one of {', '.join(POOLS)}")
    values = probabilities(probability)
    moments = times(time, values.size)
    if not values.size:
        return float("nan")
    everyone = np.ones((1, values.size), dtype=bool)
    return float(POOLS[name](Crowds(values, moments, everyone))[0])


def pool_through(
    probability: ArrayLike, start: ArrayLike, end: ArrayLike, moments: ArrayLike
) -> dict[str, FloatArray]:
    """Pool the standing forecasts on one question by every rule at each of many times.

    Args:
        probability: of every forecast, shape ``(n,)``.
        start: when each was made, shape ``(n,)``.
        end: when it ceased to stand, shape ``(n,)``; inf if never.
        moments: in order, shape ``(moment,)``.

    Returns:
        The value of each rule of POOLS, shape ``(moment,)``: identical to ``pool``, nan without
        standing forecasts.

    Raises:
        ValueError: as ``pool``.

    Examples:
        >>> pool_through([0.2, 0.5], [1, 2], [3, 4], [0, 1, 2, 3, 4])["mean"].tolist()
        [nan, 0.2, 0.35, 0.5, nan]
    """
    values = probabilities(probability)
    first, last = times(start, values.size), np.asarray(end, dtype=np.float64)
    asked = np.asarray(moments, dtype=np.float64)
    said = {name: np.full(asked.shape, np.nan) for name in POOLS}
    if first is None:
        return said
    step = max(1, _CELLS // values.size)
    for row in range(0, asked.size, step):
        at = asked[row : row + step]
        near = (first <= at[-1]) & (at[0] < last)
        standing = (first[near] <= at[:, None]) & (at[:, None] < last[near])
        someone = standing.any(axis=1)
        if someone.any():
            crowds = Crowds(values[near], first[near], standing[someone])
            for name, rule in POOLS.items():
                said[name][row : row + step][someone] = rule(crowds)
    return said


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
