"""Dependence between resolved questions, and the share of independent evidence of each.

Questions share shocks: horizons of one question, quarters of one recession. Treating them as
independent overstates the evidence. The dependence is estimated from the outcomes' standardised
residuals from a recalibrated mean of the log-odds, and the likelihood of each question is raised to
a compensating power, as in Ribatet, Cooley and Davison (2012), "Bayesian inference from composite
likelihoods", doi:10.5705/ss.2009.248, with the design effects of survey sampling (Kish 1965,
"Survey Sampling", section 5.4) and of a first-order autoregression:

    share = 1 / (1 + (m - 1) r) * (1 - f) / (1 + f)

m is the number of resolved questions whose names agree up to a ``|``, r the correlation of their
residuals, f that of neighbours in the order in which a domain's questions resolved.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecasting.pooling import logistic
from forecasting.trained_pools import logistic_regression
from forecasting.types import FloatArray, IntArray

_LIKELIEST = 0.97
_WITHIN, _WITHIN_WEIGHT = 0.3, 5.0
_NEIGHBOURS_WEIGHT = 10.0
_MOST = 0.9


@dataclass(frozen=True, eq=False, slots=True)
class Dependence:
    """Dependence of the residuals of a panel's resolved questions.

    Attributes:
        share: share of independent evidence of each question, in (0, 1], ``(question,)``.
        within: correlation within a cluster, in [0, 1], pulled towards 0.3 as if by 5 questions.
        neighbours: correlation of neighbours in time, in [0, 0.9], pulled towards 0 as if by 10.
    """

    share: FloatArray
    within: float
    neighbours: float


def cluster(question: str) -> str:
    """Return the part of a question's name before a ``|``, common to all its horizons.

    Examples:
        >>> cluster("gold-price|2025-07-01")
        'gold-price'
    """
    return question.split("|", maxsplit=1)[0]


def dependence(
    *,
    names: NDArray[np.str_],
    domain: IntArray,
    resolved: FloatArray,
    question: IntArray,
    centre: FloatArray,
    outcome: FloatArray,
    weight: FloatArray,
) -> Dependence:
    """Measure the dependence of resolved questions.

    Args:
        names: of the questions, sorted, ``(question,)``.
        domain: of each, ``(question,)``.
        resolved: when each outcome became known, ``(question,)``; with any nan, times are ignored.
        question: of each snapshot, ``(snapshot,)``.
        centre: mean log-odds of each snapshot, ``(snapshot,)``.
        outcome: 0 or 1, ``(snapshot,)``.
        weight: of each snapshot; those of a question add up to 1, ``(snapshot,)``.
    """
    design = np.column_stack([np.ones(centre.size), centre])
    line = logistic_regression(design, outcome, weight, np.array([0.0, 1.0]))
    chance = np.clip(logistic(design @ line), 1.0 - _LIKELIEST, _LIKELIEST)
    residual = (outcome - chance) / np.sqrt(chance * (1.0 - chance))
    own = np.bincount(question, weight * residual, names.size).astype(np.float64)

    groups, group = np.unique([cluster(name) for name in names], return_inverse=True)
    size = np.bincount(group, minlength=groups.size)
    total = np.bincount(group, own, groups.size)
    squares = np.bincount(group, own * own, groups.size)
    typical = max(float(squares.sum()) / max(names.size, 1), 1e-9)
    # The products of m questions' pairs, counted as m - 1 of them.
    pairs = (total * total - squares) / (size * typical)
    within = (float(pairs.sum()) + _WITHIN * _WITHIN_WEIGHT) / (
        float((size - 1).sum()) + _WITHIN_WEIGHT
    )
    within = float(np.clip(within, 0.0, 1.0))
    share = np.asarray(1.0 / (1.0 + (size[group] - 1.0) * within))

    neighbours = 0.0
    if groups.size and np.isfinite(resolved).all():
        mean = total / size
        last = np.full(groups.size, -np.inf)
        np.maximum.at(last, group, resolved)
        place = np.zeros(groups.size, dtype=np.int64)
        place[group] = domain
        order = np.lexsort((np.arange(groups.size), last, place))
        beside = place[order][1:] == place[order][:-1]
        products = float((mean[order][1:] * mean[order][:-1])[beside].sum())
        usual = max(float(mean @ mean) / groups.size, 1e-9)
        neighbours = products / usual / (float(beside.sum()) + _NEIGHBOURS_WEIGHT)
        neighbours = float(np.clip(neighbours, 0.0, _MOST))
        share *= (1.0 - neighbours) / (1.0 + neighbours)
    return Dependence(share, within, neighbours)
