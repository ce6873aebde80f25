"""Skill of forecasters with uncertainty: ranks with credible intervals from mean scores.

The score that forecaster i earned on a question, weighted by w (the share of it that they covered),
is their skill plus luck; skills differ between forecasters::

    score ~ N(theta_i, sigma² / w)     theta_i ~ N(mu, tau²)     mu flat

sigma² is the variance within forecasters, pooled over them. k = sigma² / tau² is after how many
questions luck weighs as much as the difference between people: a priori about 10, log k ~
N(log 10, 2²), learned with its uncertainty. Given k the skill of i has mean (total_i + k mu) /
(weight_i + k): a mean shrunk by k pseudo-questions. This is the normal model of Efron and Morris
(1975), "Data analysis using Stein's estimator and its generalizations",
doi:10.1080/01621459.1975.10479864, with unequal variances and with k integrated on a grid.

Luck is assumed independent between forecasters. Relative scores (peer) come close to that; with
others, a question that is hard for all makes ranks look less certain than they are.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from forecasting.live import LEVEL
from forecasting.posterior import check_level
from forecasting.types import BoolArray, FloatArray, IntArray

DRAWS = 2000
_MOST_DRAWN = 4_000_000
_LEAST_VARIANCE = 1e-12
_PRIOR = NormalDist(math.log(10.0), 2.0)
_GRID = np.exp([_PRIOR.inv_cdf((step + 0.5) / 40) for step in range(40)])
"""Values of k, equally likely a priori."""


@dataclass(frozen=True, eq=False, slots=True)
class Skill:
    """The skills of n forecasters, in the order in which they were given.

    Attributes:
        mean: posterior mean of the score of one fully covered question, ``(n,)``.
        lower: lower end of its central credible interval, ``(n,)``.
        upper: upper end.
        rank: by ``mean``, 1 the best, ties in the order given, ``(n,)``.
        rank_lower: the best rank of the interval of ranks, ``(n,)``: the shortest that holds the
            rank shown and has at least the mass ``level``, so the two never contradict each other.
        rank_upper: the worst.
        first: probability of being the best of all, adding up to 1, ``(n,)``.
        pseudo_questions: posterior median of k.
        level: mass of the intervals.
    """

    mean: FloatArray
    lower: FloatArray
    upper: FloatArray
    rank: IntArray
    rank_lower: IntArray
    rank_upper: IntArray
    first: FloatArray
    pseudo_questions: float
    level: float
    _given: "_Given"

    def better(self, one: int, other: int) -> float:
        """Return the probability that one forecaster is better than another, in [0, 1]."""
        if one == other:
            return 0.5
        return self._given.better(one, other)


@dataclass(frozen=True, eq=False, slots=True)
class _Given:
    """The skills given each k of the grid: ``share`` is k's probability, ``(k,)``.

    Given mu and k a skill is N(pull mu + own, variance), ``(k, n)``; mu is N(centre, width), and
    ``sign`` is -1 where a low score is good.
    """

    share: FloatArray
    pull: FloatArray
    own: FloatArray
    variance: FloatArray
    centre: FloatArray
    width: FloatArray
    sign: float

    def better(self, one: int, other: int) -> float:
        away = (self.pull[:, one] - self.pull[:, other]) * self.centre
        away += self.own[:, one] - self.own[:, other]
        spread = self.variance[:, one] + self.variance[:, other]
        spread += (self.pull[:, one] - self.pull[:, other]) ** 2 * self.width
        ratio = self.sign * away / np.sqrt(2.0 * spread)
        return float(self.share @ [(1.0 + math.erf(value)) / 2.0 for value in ratio])

    def draw(self, draws: int, seed: int) -> FloatArray:
        """Return draws of every skill, ``(draw, n)``."""
        random = np.random.default_rng(seed)
        which = random.choice(self.share.size, draws, p=self.share)
        mu = self.centre[which] + np.sqrt(self.width[which]) * random.standard_normal(draws)
        noise = random.standard_normal((draws, self.own.shape[1]))
        drawn = self.pull[which] * mu[:, None] + self.own[which]
        return np.asarray(drawn + np.sqrt(self.variance[which]) * noise)


def skill(
    total: ArrayLike,
    weight: ArrayLike,
    squares: ArrayLike,
    questions: ArrayLike,
    *,
    higher_is_better: bool,
    in_field: ArrayLike | None = None,
    shown: ArrayLike | None = None,
    level: float = LEVEL,
    seed: int = 0,
) -> Skill:
    """Estimate the skill of n forecasters from sums over their scored questions.

    Args:
        total: sum of w x, x the score of a question per unit of its weight w: of a score that is an
            integral over the covered time, the integral over the coverage, ``(n,)``.
        weight: sum of w, positive, ``(n,)``.
        squares: sum of w x², ``(n,)``.
        questions: how many, at least 1, ``(n,)``.
        higher_is_better: whether rank 1 is the highest score.
        in_field: whether mu, k and luck are estimated from a forecaster, booleans ``(n,)``; all by
            default. Pools are ranked with forecasters but excluded here, since they carry no
            evidence of differences between forecasters.
        shown: the ranks beside which the intervals of ranks stand, from 1 to n, such as those by
            another estimate of the same skill; ``rank`` by default, ``(n,)``.
        level: mass of the intervals, in (0, 1).
        seed: of the draws behind ranks and intervals; ``mean`` and ``better`` are exact.

    With one question each, luck cannot be estimated, and all are treated as equally skilled.

    Raises:
        ValueError: shapes that differ, a weight that is not positive, a number of questions below
            1, sums that are not finite, a level outside (0, 1), a rank shown that is outside 1 to
            n, or some to rank but none in the field.

    Examples:
        >>> found = skill([8.0, 6.0, 0.5], [20.0, 20.0, 1.0], [4.0, 3.0, 0.3], [20, 20, 1],
        ...               higher_is_better=True)
        >>> found.rank.tolist(), found.better(0, 1) > 0.5
        ([1, 3, 2], True)
    """
    check_level(level)
    given = [np.asarray(values, dtype=np.float64) for values in (total, weight, squares, questions)]
    sums, covered, second, count = given
    if sums.ndim != 1 or any(values.shape != sums.shape for values in given):
        raise ValueError(f"shapes differ: {', '.join(str(values.shape) for values in given)}")
    if not all(np.isfinite(values).all() for values in given):
        raise ValueError("a sum is not finite")
    if (covered <= 0.0).any() or (count < 1.0).any():
        raise ValueError("a weight is not positive, or a forecaster has no question")
    field = np.ones(sums.shape, dtype=bool) if in_field is None else np.asarray(in_field, bool)
    if field.shape != sums.shape or (sums.size and not field.any()):
        raise ValueError(f"the field has shape {field.shape} and {field.sum()} members")
    sign = 1.0 if higher_is_better else -1.0
    found = _conditional(sums, covered, second, count, field, sign)
    middle = found.share @ (found.pull * found.centre[:, None] + found.own)
    size = sums.size
    drawn = found.draw(max(2, min(DRAWS, _MOST_DRAWN // max(size, 1))), seed)
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    lower, upper = np.quantile(drawn, tails, axis=0) if size else np.empty((2, 0))
    places = _ranks(-found.sign * drawn)
    rank = _ranks(-found.sign * middle[None])[0]
    beside = rank if shown is None else np.asarray(shown, dtype=np.int64)
    if beside.shape != sums.shape or not ((beside >= 1) & (beside <= size)).all():
        raise ValueError(f"a rank shown is outside 1 to {size}")
    best, worst = _around(beside, places, level) if size else np.empty((2, 0), dtype=np.int64)
    return Skill(
        mean=middle,
        lower=lower,
        upper=upper,
        rank=rank,
        rank_lower=best,
        rank_upper=worst,
        first=np.mean(places == 1, axis=0),
        pseudo_questions=float(_GRID[np.searchsorted(np.cumsum(found.share), 0.5)]),
        level=level,
        _given=found,
    )


def _conditional(
    total: FloatArray,
    weight: FloatArray,
    squares: FloatArray,
    questions: FloatArray,
    field: BoolArray,
    sign: float,
) -> _Given:
    """Return the skills given each k, and what the field's scores say of k, mu integrated out."""
    own = (total / weight)[field]
    freedom = float((questions[field] - 1.0).sum())
    within = float(np.maximum(squares[field] - total[field] * own, 0.0).sum())
    luck = within / freedom if freedom else float(own.var()) if own.size else 0.0
    luck = max(luck, _LEAST_VARIANCE)
    k = _GRID[:, None]
    precision = 1.0 / (luck / weight[field] + luck / k)
    known = precision.sum(axis=1)
    centre = (precision @ own) / np.where(known > 0.0, known, 1.0)
    misfit = (precision * (own - centre[:, None]) ** 2).sum(axis=1)
    evidence = 0.5 * (np.log(precision).sum(axis=1) - misfit - np.log(np.maximum(known, 1e-300)))
    share = np.exp(evidence - evidence.max())
    return _Given(
        share=share / share.sum(),
        pull=k / (weight + k),
        own=total / (weight + k),
        variance=luck / (weight + k),
        centre=centre,
        width=1.0 / np.maximum(known, 1e-300),
        sign=sign,
    )


def _around(shown: IntArray, drawn: IntArray, level: float) -> tuple[IntArray, IntArray]:
    """Return the ends of the shortest intervals of drawn ranks that hold the ranks shown.

    Of equally short ones it is that which leaves out the most equal tails.
    """
    draws = drawn.shape[0]
    inside = math.ceil(level * draws)
    ordered = np.sort(drawn, axis=0)
    lower = np.minimum(ordered[: draws - inside + 1], shown)
    upper = np.maximum(ordered[inside - 1 :], shown)
    below = np.arange(draws - inside + 1)[:, None]
    unequal = np.abs(2 * below - (draws - inside)) / (2 * draws)
    shortest = np.argmin(upper - lower + unequal, axis=0)[None]
    return (
        np.take_along_axis(lower, shortest, axis=0)[0],
        np.take_along_axis(upper, shortest, axis=0)[0],
    )


def _ranks(badness: FloatArray) -> IntArray:
    """Return ranks along the last axis, 1 for the least, ties in their order."""
    order = np.argsort(badness, axis=-1, kind="stable")
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(1, badness.shape[-1] + 1)[None], axis=-1)
    return places.astype(np.int64)
