"""Pools trained on resolved questions: fitted to a panel, then applied to one crowd.

Each of LEARNED takes a panel and returns a function of a ``Crowd``. Backtests compare the pooling
model with them.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from forecasting.panel import Panel, Snapshots
from forecasting.pooling import log_odds, logistic
from forecasting.scores import score_question
from forecasting.types import FloatArray, IntArray

COVERAGE = 30.0
"""Coverage, in questions, at which a reputation has half its weight."""
SHRINKAGE = 5.0
"""Pseudo-questions with the crowd's Brier score that every forecaster starts with."""
_LEAST = 1e-6
_POWER = 6.0
_STEPS = 30


@dataclass(frozen=True, eq=False, slots=True)
class Crowd:
    """The latest active forecasts on one question at one moment.

    Attributes:
        forecasters: distinct names, n of them.
        probability: in [0, 1], ``(n,)``.
        time: when each was made, ``(n,)``, or None when unknown.
        domain: the question's domain.
        age: age of each forecast at that moment, as a share of [opens, closes], ``(n,)``; 0 if
            unknown.
    """

    forecasters: Sequence[str]
    probability: FloatArray
    time: FloatArray | None
    domain: str
    age: FloatArray

    @classmethod
    def of(cls, panel: Panel, shown: Snapshots, snapshot: int) -> "Crowd":
        """Take a snapshot of a panel."""
        rows = slice(shown.start[snapshot], shown.end[snapshot])
        question, at = shown.question[snapshot], shown.at[snapshot]
        time = shown.time[rows]
        life = panel.closes[question] - panel.opens[question]
        known = np.isfinite(at) and life > 0.0 and not panel.rounds
        return cls(
            forecasters=[panel.forecasters[who] for who in shown.forecaster[rows]],
            probability=shown.probability[rows],
            time=None if np.isnan(time).any() else time,
            domain=panel.domains[panel.domain[question]],
            age=np.asarray((at - time) / life) if known else np.zeros(time.size),
        )


Learned: TypeAlias = Callable[[Crowd], float]


def extremised(panel: Panel) -> Learned:
    """Learn one factor on the mean log-odds, a priori N(1, 1).

    Satopää et al. (2014), doi:10.1016/j.ijforecast.2013.09.009, with a weak prior.
    """
    features, outcome, weight = _means(panel)
    slope = logistic_regression(features[:, None], outcome, weight, np.ones(1))[0]
    return lambda crowd: float(logistic(slope * np.mean(log_odds(crowd.probability))))


def recalibrated(panel: Panel) -> Learned:
    """Learn an intercept, a priori N(0, 1), and a slope, N(1, 1), on the mean log-odds.

    Platt scaling of the geometric mean of odds.
    """
    features, outcome, weight = _means(panel)
    design = np.column_stack([np.ones(features.size), features])
    shift, slope = logistic_regression(design, outcome, weight, np.array([0.0, 1.0]))
    return lambda crowd: float(logistic(shift + slope * np.mean(log_odds(crowd.probability))))


def reputation_weighted(panel: Panel) -> Learned:
    """Weigh by recency and reputation, as the single aggregation of Metaculus does.

    The mean of the probabilities under weights (recency^½ reputation^½)^6: recency is exp(-age),
    the age a share of the question's scheduled life; reputation is a forecaster's summed peer score
    over 30 plus the summed coverage, at least 1e-6.
    """
    peer, coverage = np.zeros((2, len(panel.forecasters)))
    timed = not panel.rounds and not np.isnan(panel.time).any()
    for rows, ends in _intervals(panel):
        question = panel.question[rows[0]]
        if np.isnan(panel.outcome[question]):
            continue
        found = score_question(
            forecaster=panel.forecaster[rows],
            start=panel.time[rows],
            end=ends,
            probability=panel.probability[rows],
            outcome=float(panel.outcome[question]),
            opens=float(panel.opens[question]) if timed else math.nan,
            closes=float(panel.closes[question]),
            ends=float(panel.resolved[question]),
        )
        who = found.forecasters.astype(np.int64)
        peer[who] += found.peer
        coverage[who] += found.coverage
    reputation = np.maximum(peer / (COVERAGE + coverage), _LEAST)
    known = dict(zip(panel.forecasters, reputation.tolist(), strict=True))

    def answer(crowd: Crowd) -> float:
        own = np.array([known.get(name, _LEAST) for name in crowd.forecasters])
        power = _POWER / 2.0 * (np.log(own) - crowd.age)
        return _weighted_mean(crowd.probability, np.exp(power - power.max()))

    return answer


def brier_weighted(panel: Panel) -> Learned:
    """Weigh the probabilities by one over the past Brier score.

    A forecaster's score is shrunk towards the crowd's by five questions' worth of it.
    """
    shown = panel.snapshots()
    size = shown.end - shown.start
    error = (shown.probability - np.repeat(shown.outcome, size)) ** 2
    weight = np.repeat(shown.weight, size)
    people = len(panel.forecasters)
    count = np.bincount(shown.forecaster, weight, people)
    total = np.bincount(shown.forecaster, weight * error, people)
    typical = float(total.sum() / count.sum()) if count.any() else 0.25
    score = (total + SHRINKAGE * typical) / (count + SHRINKAGE)
    known = dict(zip(panel.forecasters, score.tolist(), strict=True))

    def answer(crowd: Crowd) -> float:
        own = np.array([known.get(name, typical) for name in crowd.forecasters])
        return _weighted_mean(crowd.probability, 1.0 / np.maximum(own, _LEAST))

    return answer


LEARNED: Mapping[str, Callable[[Panel], Learned]] = MappingProxyType(
    {
        "learned_extremising": extremised,
        "recalibrated_log_odds": recalibrated,
        "reputation_weighted": reputation_weighted,
        "brier_weighted": brier_weighted,
    }
)
"""The trained pools by name."""


def _means(panel: Panel) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean log-odds, outcome and weight of every snapshot."""
    shown = panel.snapshots()
    running = np.concatenate([[0.0], np.cumsum(log_odds(shown.probability))])
    sums = running[shown.end] - running[shown.start]
    return sums / (shown.end - shown.start), shown.outcome, shown.weight


def _weighted_mean(probability: FloatArray, weight: FloatArray) -> float:
    return min(float(weight @ probability / weight.sum()), 1.0)


def logistic_regression(
    design: FloatArray, outcome: FloatArray, weight: FloatArray, mean: FloatArray
) -> FloatArray:
    """Return the maximum a posteriori coefficients under N(mean, 1), by Newton's method.

    Args:
        design: ``(row, coefficient)``.
        outcome: 0 or 1, ``(row,)``.
        weight: of each row, >= 0, ``(row,)``.
        mean: of the prior, ``(coefficient,)``.
    """
    found = mean.copy()
    for _ in range(_STEPS):
        chance = logistic(design @ found)
        gradient = design.T @ (weight * (outcome - chance)) - (found - mean)
        curvature = (design.T * (weight * chance * (1.0 - chance))) @ design + np.eye(mean.size)
        found = found + np.linalg.solve(curvature, gradient)
    return found


def _intervals(panel: Panel) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield the forecasts on each question with any, and when each ceased to stand."""
    order = np.lexsort((panel.time, panel.forecaster, panel.question))
    who, question, time = panel.forecaster[order], panel.question[order], panel.time[order]
    followed = np.flatnonzero((who[1:] == who[:-1]) & (question[1:] == question[:-1]))
    ends = panel.until[order].copy()
    ends[followed] = np.fmin(ends[followed], time[followed + 1])
    cuts = np.flatnonzero(np.diff(question)) + 1
    for part in np.split(np.arange(order.size), cuts) if order.size else ():
        yield order[part], ends[part]
