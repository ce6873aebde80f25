"""Summaries of each forecaster: weight, bias, noise and slope, each with an interval.

========  =====================================================================================
weight    exp(t_w omega) of the pooling model: 1 for a forecaster without any evidence
bias      nats by which their log-odds exceed what the outcomes justify, on average; above 0
          they say yes too readily
noise     nats by which their log-odds scatter around those of the crowd of the same question
slope     of outcomes on their log-odds; below 1 they are overconfident
resolved  resolved questions behind the figures
========  =====================================================================================

All are shrunk towards the population, more strongly with fewer resolved questions. Bias and slope
are partially pooled recalibrations (``forecasting.recalibration``), noise a variance treated by
``moderated``. They are estimated apart from the pool, which uses the weight alone, and the
offset that the posterior holds (``forecasting.forecaster_bias``).

``summarise(panel, posterior).of("ann")`` gives a ``ForecasterSummary``. One call covers all
forecasters, since the population is estimated from all of them. It needs no PyMC, but takes too
long for a request, so it runs with the fit.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecasting.live import LEVEL
from forecasting.panel import Panel
from forecasting.pooling import log_odds
from forecasting.posterior import Posterior, check_level, standard_normal
from forecasting.recalibration import Estimates, once_each, recalibrations
from forecasting.types import FloatArray, IntArray

_LARGEST_PRIOR = 1e6
_STEPS = 50


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the ends of its central credible interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class ForecasterSummary:
    """The summary of one forecaster; see the module for the meaning of the figures.

    ``level`` is the mass of every interval, in (0, 1).
    """

    resolved: int
    weight: Estimate
    bias: Estimate
    noise: Estimate
    slope: Estimate
    level: float


@dataclass(frozen=True, eq=False)
class Summaries:
    """Summaries of all forecasters, one row each; the last row is an unseen forecaster.

    Attributes:
        forecasters: names, those with a forecast on a resolved question, ``(forecaster,)``.
        resolved: resolved questions of each, ``(forecaster + 1,)``.
        weight: medians, ``(forecaster + 1,)``.
        bias: means, in nats.
        noise: standard deviations, in nats, posterior medians.
        slope: means.
        level: mass of every interval.
    """

    forecasters: tuple[str, ...]
    resolved: IntArray
    weight: Estimates
    bias: Estimates
    noise: Estimates
    slope: Estimates
    level: float

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.forecasters)}

    def of(self, name: str) -> ForecasterSummary:
        """Return the summary of a forecaster; for unseen ones, that of the population."""
        row = self._rows.get(name, len(self.forecasters))

        def one(all_of_them: Estimates) -> Estimate:
            ends = (all_of_them.value, all_of_them.lower, all_of_them.upper)
            return Estimate(*(float(values[row]) for values in ends))

        return ForecasterSummary(
            resolved=int(self.resolved[row]),
            weight=one(self.weight),
            bias=one(self.bias),
            noise=one(self.noise),
            slope=one(self.slope),
            level=self.level,
        )


def summarise(panel: Panel, posterior: Posterior, *, level: float = LEVEL) -> Summaries:
    """Summarise every forecaster of a panel's resolved questions, at the snapshots of a fit.

    Args:
        panel: forecasts and outcomes, as a fit takes them.
        posterior: posterior of that fit.
        level: mass of the credible intervals, in (0, 1).

    Raises:
        ValueError: a level outside (0, 1).
    """
    check_level(level)
    shown = panel.snapshots()
    size = shown.end - shown.start
    question, outcome = np.repeat(shown.question, size), np.repeat(shown.outcome, size)
    names = np.array(panel.forecasters, dtype=str)
    who, group = np.unique(shown.forecaster, return_inverse=True)
    lines = recalibrations(shown.probability, outcome, group, question=question)
    weight = once_each(group, question)
    z = log_odds(shown.probability)
    mean = np.bincount(group, weight * z, who.size) / lines.questions
    usual = float(weight @ z / weight.sum()) if z.size else 0.0
    people = tuple(names[who].tolist())
    return Summaries(
        forecasters=people,
        resolved=np.append(lines.questions, 0),
        weight=weights(posterior, people, level=level),
        bias=lines.excess(np.append(mean, usual), level),
        noise=_noise(z, size, group, weight, lines.questions, level),
        slope=lines.slope(level),
        level=level,
    )


def weights(posterior: Posterior, names: tuple[str, ...], *, level: float = LEVEL) -> Estimates:
    """Return the model's weights of forecasters, with an unseen one in the last row.

    The last row's interval is the spread of skill between forecasters.

    Raises:
        ValueError: a level outside (0, 1).
    """
    check_level(level)
    unknown = len(posterior.forecasters)
    rows = [posterior.rows.get(name, unknown) for name in names]
    drawn = np.vstack([posterior.weights[:unknown], _anybody(posterior)])[[*rows, unknown]]
    tails = [(1.0 - level) / 2.0, 0.5, (1.0 + level) / 2.0]
    lower, value, upper = np.quantile(drawn, tails, axis=1)
    value = np.where(np.array([*rows, unknown]) == unknown, 1.0, value)
    return Estimates(value, lower, upper)


def _anybody(posterior: Posterior) -> FloatArray:
    return np.asarray(np.exp(posterior.t_w * standard_normal(posterior.draws)))


def _noise(
    z: FloatArray,
    size: IntArray,
    group: IntArray,
    weight: FloatArray,
    questions: IntArray,
    level: float,
) -> Estimates:
    """Return the standard deviations around the mean log-odds of the crowd, own offset aside.

    Somebody in a crowd of n is a part of the mean, so that distances from it are too short by
    (n - 1) / n in the square: they are stretched by that. A crowd of one says nothing.
    """
    snapshot = np.repeat(np.arange(size.size), size)
    crowd = np.repeat(size, size).astype(np.float64)
    centre = (np.bincount(snapshot, z, size.size) / np.maximum(size, 1))[snapshot]
    company = crowd > 1.0
    away = (z - centre) * np.sqrt(crowd / np.where(company, crowd - 1.0, 1.0))
    counted = weight * company
    total = np.bincount(group, counted, questions.size)
    own = np.bincount(group, counted * away, questions.size) / np.where(total > 0.0, total, 1.0)
    squares = np.bincount(group, counted * (away - own[group]) ** 2, questions.size)
    freedom = np.maximum(total - 1.0, 0.0)
    return moderated(np.append(squares, 0.0), np.append(freedom, 0.0), level=level)


def moderated(squares: FloatArray, freedom: FloatArray, *, level: float = LEVEL) -> Estimates:
    """Return standard deviations shrunk towards the population: medians with intervals.

    A sum of squares is taken as sigma² times chi-squared with so many degrees of freedom, and
    1 / sigma² as Gamma(d / 2, rate d s² / 2) among the things compared, with the d and s² that fit
    the mean and the variance of log(squares / freedom): Smyth (2004), "Linear models and empirical
    Bayes methods for assessing differential expression in microarray experiments", section 6.2,
    doi:10.2202/1544-6115.1027. Without any degree of freedom d and s are 1.

    Args:
        squares: sums of squared deviations, >= 0, ``(thing,)``.
        freedom: degrees of freedom of each, >= 0, ``(thing,)``; 0 means no evidence.
        level: mass of the intervals, in (0, 1).

    Raises:
        ValueError: a level outside (0, 1).
    """
    from scipy import stats  # noqa: PLC0415 - a second of every server's start

    check_level(level)
    usual, prior = _usual_variance(squares, freedom)
    scale = prior * usual + squares
    tails = np.array([0.5, (1.0 - level) / 2.0, (1.0 + level) / 2.0])[:, None]
    value, lower, upper = np.sqrt(scale / stats.chi2.isf(tails, prior + freedom))
    return Estimates(value, lower, upper)


def _usual_variance(squares: FloatArray, freedom: FloatArray) -> tuple[float, float]:
    """Return the prior's variance and its degrees of freedom."""
    from scipy import special  # noqa: PLC0415 - as above

    known = (freedom > 0.0) & (squares > 0.0)
    if not known.any():
        return 1.0, 1.0
    half = freedom[known] / 2.0
    logs = np.log(squares[known] / freedom[known]) - special.digamma(half) + np.log(half)
    spread = float(logs.var(ddof=1)) if logs.size > 1 else np.inf
    excess = spread - float(np.mean(special.polygamma(1, half)))
    prior = 2.0 * _inverse_trigamma(excess) if np.isfinite(excess) else 1.0
    usual = np.exp(logs.mean() + special.digamma(prior / 2.0) - np.log(prior / 2.0))
    return float(usual), prior


def _inverse_trigamma(value: float) -> float:
    """Return x with trigamma(x) = value, by Newton's method on 1 / trigamma, which is convex.

    At most half of _LARGEST_PRIOR: no excess of variance means that all are alike.
    """
    from scipy import special  # noqa: PLC0415 - as above

    if value <= 1.0 / (_LARGEST_PRIOR / 2.0):
        return _LARGEST_PRIOR / 2.0
    found = 0.5 + 1.0 / value
    for _ in range(_STEPS):
        now = float(special.polygamma(1, found))
        found += now * (1.0 - now / value) / float(special.polygamma(2, found))
    return float(found)
