"""The live aggregate: the pooling model's probability in closed form, from stored draws.

For draw after draw, with z the clipped log-odds of the active forecasts less their forecasters'
offsets, a their staleness, and f = tanh(0.35 z)::

    w = exp(t_w omega - rho a)      S = sum of w      m = inverse f of (sum of w f(z) / (S + k0))
    mu = alpha + gamma m            v = v0 gamma^2 / (S + k0)
    P(YES) = mean over draws of logistic(mu / sqrt(1 + pi v / 8))

and the credible interval is that of logistic(mu + sqrt(v) xi), xi standard normal and fixed. The
approximation of the logistic-normal mean is that of MacKay (1992), doi:10.1162/neco.1992.4.5.720.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from forecasting.pooling import (
    bounded,
    log_odds,
    logistic,
    one_voice,
    probabilities,
    ranks,
    times,
    unbounded,
)
from forecasting.posterior import Posterior, check_level, standard_normal
from forecasting.types import FloatArray, IntArray

LEVEL = 0.8
ALGORITHM = 1
"""Version of this computation: raise it when the same inputs give different results."""

PART = 512


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The aggregate of one question.

    Attributes:
        probability: of YES, in (0, 1).
        lower: lower end of the central credible interval of the question's own probability.
        upper: its upper end.
        level: mass of the interval, in (0, 1).
        forecasters: number of pooled forecasts, including copies.
    """

    probability: float
    lower: float
    upper: float
    level: float
    forecasters: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The active forecasts of one question, for ``aggregate_many``; see ``aggregate``."""

    forecasters: Sequence[str]
    probability: ArrayLike
    time: ArrayLike | None = None
    domain: str = ""


def aggregate(
    posterior: Posterior,
    forecasters: Sequence[str],
    probability: ArrayLike,
    time: ArrayLike | None = None,
    *,
    domain: str = "",
    level: float = LEVEL,
) -> Aggregate:
    """Pool the latest active forecast of each forecaster of one question.

    A forecaster unknown to the posterior has the median weight of the population, and an unknown
    domain has the parameters of the centre of the domains. Known copies count as one forecaster,
    with the mean of their log-odds and the time of the latest one. Without forecasts the result is
    the prior's.

    Args:
        posterior: draws from a fit, or from the priors.
        forecasters: distinct names, n of them.
        probability: in [0, 1], shape ``(n,)``; clipped to [0.01, 0.99] inside.
        time: when each was made, shape ``(n,)``, in any unit that orders them; None or all nan
            when unknown.
        domain: the question's domain.
        level: mass of the credible interval, in (0, 1).

    Raises:
        ValueError: lengths that differ, a forecaster twice, a probability outside [0, 1], times
            for only some forecasts, or a level outside (0, 1).

    Examples:
        >>> crowd = aggregate(Posterior.prior(), ["ann", "bob", "eve"], [0.7, 0.8, 0.9])
        >>> crowd.lower < crowd.probability < crowd.upper, crowd.forecasters
        (True, 3)
    """
    check_level(level)
    values, moments = _checked(forecasters, probability, time)
    voices, z, moments = _heard(posterior, forecasters, log_odds(values), moments)
    rows = posterior.rows_of(voices)
    said = np.vstack([np.ones(z.size), bounded(z - posterior.offsets[rows])])
    sums = np.zeros((2, posterior.draws))
    for part, weight in _weights(posterior, rows, moments):
        sums += said[:, part] @ weight
    if moments is not None and z.size:
        sums /= posterior.rank_powers(z.size)[z.size - 1]
    total, pull = sums[0] + posterior.k0, sums[1]
    pooled = unbounded(pull / total)
    slope, shift = posterior.slope_and_shift(domain)
    centre = shift + slope * pooled
    variance = posterior.v0 * slope * slope / total
    chance = logistic(centre / np.sqrt(1.0 + (math.pi / 8.0) * variance)).mean()
    spread = centre + np.sqrt(variance) * standard_normal(posterior.draws)
    ends = logistic(np.quantile(spread, [(1.0 - level) / 2.0, (1.0 + level) / 2.0]))
    return Aggregate(float(chance), float(ends[0]), float(ends[1]), level, len(forecasters))


def aggregate_many(
    posterior: Posterior, questions: Iterable[Standing], *, level: float = LEVEL
) -> list[Aggregate]:
    """Return the aggregate of each question, in their order; see ``aggregate``."""
    return [
        aggregate(
            posterior,
            question.forecasters,
            question.probability,
            question.time,
            domain=question.domain,
            level=level,
        )
        for question in questions
    ]


def influence(
    posterior: Posterior,
    forecasters: Sequence[str],
    probability: ArrayLike,
    time: ArrayLike | None = None,
    *,
    domain: str = "",
) -> FloatArray:
    """Return each forecaster's share of the weight, shape ``(n,)``, with sum 1.

    It is the mean over draws of w / Σ w, without the share of the pull towards even odds; copies
    divide the share of their common voice. The domain has no effect; it is accepted for symmetry
    with ``aggregate``.

    Raises:
        ValueError: as ``aggregate``.
    """
    del domain
    values, moments = _checked(forecasters, probability, time)
    if not len(forecasters):
        return np.empty(0)
    voices, _, moments = _heard(posterior, forecasters, log_odds(values), moments)
    parts = _weights(posterior, posterior.rows_of(voices), moments)
    weight = np.vstack([weight for _, weight in parts])
    shares = dict(zip(voices, (weight / weight.sum(axis=0)).mean(axis=1), strict=True))
    speakers = [posterior.copies.get(name, name) for name in forecasters]
    many = Counter(speakers)
    return np.array([shares[name] / many[name] for name in speakers])


def _checked(
    forecasters: Sequence[str], probability: ArrayLike, time: ArrayLike | None
) -> tuple[FloatArray, FloatArray | None]:
    values = probabilities(probability)
    if values.size != len(forecasters):
        raise ValueError(f"{len(forecasters)} forecasters but {values.size} probabilities")
    if len(set(forecasters)) != len(forecasters):
        raise ValueError("a forecaster appears twice: give only the latest forecast of each")
    return values, times(time, values.size)


def _heard(
    posterior: Posterior, forecasters: Sequence[str], z: FloatArray, time: FloatArray | None
) -> tuple[Sequence[str], FloatArray, FloatArray | None]:
    """Return the distinct voices with their log-odds and times; see ``Posterior.copies``."""
    if posterior.copies.keys().isdisjoint(forecasters):
        return forecasters, z, time
    speakers = [posterior.copies.get(name, name) for name in forecasters]
    names = list(dict.fromkeys(speakers))
    if len(names) == len(speakers):
        return names, z, time
    place = {name: index for index, name in enumerate(names)}
    _, z, time = one_voice(np.array([place[name] for name in speakers]), z, time)
    return names, z, time


def _weights(
    posterior: Posterior, rows: IntArray, time: FloatArray | None
) -> Iterator[tuple[slice, FloatArray]]:
    """Give w n^rho of as many voices at a time as fit into the cache, ``(PART, draw)``.

    The factor, which all share, is 1 where no times are known.
    """
    rank = None if time is None else ranks(time)
    powers = posterior.rank_powers(rows.size)
    for start in range(0, rows.size, PART):
        part = slice(start, start + PART)
        weight = posterior.weights[rows[part]]
        if rank is not None:
            weight *= powers[rank[part] - 1]
        yield part, weight
