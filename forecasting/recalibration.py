"""Logistic recalibration of forecasts with partial pooling between groups.

Every group g of forecasts (a forecaster, a domain, a quarter) has its own line on log-odds z::

    P(YES) = logistic(a_g + b_g z)         (a_g, b_g) ~ N(mu, diag(s²))
    mu ~ N((0, 1), I)                      log s ~ N(log 0.4, 0.6²), intercepts and slopes apart

A slope b below 1 is overconfidence; an intercept a above 0 means that probabilities of yes are too
low. A group with few resolved questions is shrunk towards the others; a single group has mu's
prior. A question has weight 1 in a group, however many forecasts the group made on it.

Groups that forecast the same questions share their luck: had a doubtful question come out the
other way, all their lines would have moved together. The error of line g is therefore taken as
e + d_g, the luck e common to all with the covariance that the errors of two groups have on average,
which follows from the questions that they share. So a hundred people on ten questions do not make
a thousand questions, and yet they can be told apart.

The computation is deterministic: each group's likelihood is replaced by the Gaussian that gives the
group's line the mean and the covariance of its posterior (expectation propagation, Minka 2001,
arXiv:1301.2294; a Gaussian at the mode would pull slopes down, as Breslow and Lin 1995 found,
doi:10.1093/biomet/82.1.81). mu and e are integrated out exactly, and s on a grid. The cost is
linear in the forecasts.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecasting.pooling import log_odds, logistic, probabilities
from forecasting.types import FloatArray, IntArray

SPREAD = 0.4
"""Median of the standard deviation between groups a priori, in nats (slopes: without unit)."""
_SPREAD_SD = 0.6  # of its logarithm
_STEPS = 5
_ROUNDS = 50
_LONGEST_STEP = 1.0
_CLOSE = 1e-6
_PASSES = 2
_COMMON_AT_MOST = 0.95
_LEAST_PRECISION = 0.05
_CENTRE = np.array([0.0, 1.0])
_IDENTITY = np.eye(2)
_NODE, _WEIGHT = np.polynomial.hermite_e.hermegauss(5)
_NODES = np.stack(np.meshgrid(_NODE, _NODE, indexing="ij"), axis=-1).reshape(-1, 2)
_NODE_WEIGHTS = np.outer(_WEIGHT, _WEIGHT).ravel()


@dataclass(frozen=True, eq=False, slots=True)
class Estimates:
    """Estimates of several quantities, with central credible intervals.

    Attributes:
        value: posterior means or medians, ``(thing,)``.
        lower: lower ends, ``(thing,)``.
        upper: upper ends, ``(thing,)``.
    """

    value: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class Recalibrations:
    """The line of every group; the last row is an unseen group.

    Attributes:
        groups: distinct, sorted, ``(group,)``.
        questions: distinct questions of each, ``(group,)``.
        mean: of intercept (nats) and slope, ``(group + 1, 2)``.
        covariance: of the same, ``(group + 1, 2, 2)``.
        spread: posterior mean of s, ``(2,)``.
    """

    groups: NDArray[np.generic]
    questions: IntArray
    mean: FloatArray
    covariance: FloatArray
    spread: FloatArray

    def intercept(self, level: float) -> Estimates:
        """Return the intercepts in nats, ``(group + 1,)``; above 0, forecasts are too low."""
        return self.linear(np.array([1.0, 0.0]), level=level)

    def slope(self, level: float) -> Estimates:
        """Return the slopes, ``(group + 1,)``; below 1 is overconfident."""
        return self.linear(np.array([0.0, 1.0]), level=level)

    def excess(self, z: FloatArray, level: float) -> Estimates:
        """Return z - (a + b z) at log-odds z, ``(group + 1,)``: the excess over the outcomes.

        In nats; above 0, a group's probabilities of yes are too high.
        """
        return self.linear(np.stack([-np.ones(z.size), -z], axis=1), level=level, constant=z)

    def linear(
        self, direction: FloatArray, *, level: float, constant: float | FloatArray = 0.0
    ) -> Estimates:
        """Return constant + direction · (a, b), the direction ``(2,)`` or ``(group + 1, 2)``.

        Raises:
            ValueError: a level outside (0, 1).
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"level {level} is outside (0, 1)")
        along = np.broadcast_to(direction, self.mean.shape)
        value = constant + np.einsum("gi,gi->g", along, self.mean)
        variance = np.einsum("gi,gij,gj->g", along, self.covariance, along)
        reach = NormalDist().inv_cdf((1.0 + level) / 2.0) * np.sqrt(variance)
        return Estimates(value, value - reach, value + reach)


def recalibrations(
    probability: ArrayLike,
    outcome: ArrayLike,
    group: Sequence[object] | NDArray[np.generic],
    *,
    question: Sequence[object] | NDArray[np.generic] | None = None,
) -> Recalibrations:
    """Recalibrate every group, with more shrinkage towards the others for less evidence.

    Args:
        probability: in [0, 1], clipped to [0.01, 0.99], shape ``(n,)``; n may be 0.
        outcome: 0 or 1, ``(n,)``.
        group: group of each forecast, such as its forecaster, ``(n,)``.
        question: question of each forecast, ``(n,)``; by default each has its own.

    Raises:
        ValueError: shapes that differ, a probability outside [0, 1] or an outcome other than 0, 1.

    Examples:
        >>> found = recalibrations([0.9] * 40 + [0.6], [1, 0] * 20 + [1], ["ann"] * 40 + ["bob"])
        >>> found.groups.tolist(), found.slope(0.8).value.round(1).tolist()
        (['ann', 'bob'], [0.1, 0.3, 0.3])
    """
    prior = NormalDist(math.log(SPREAD), _SPREAD_SD)
    levels = [math.exp(prior.inv_cdf((step + 0.5) / _STEPS)) for step in range(_STEPS)]
    grid = np.array([(intercept, slope) for intercept in levels for slope in levels])
    return _recalibrations(probability, outcome, group, question, grid)


def recalibration(
    probability: ArrayLike,
    outcome: ArrayLike,
    *,
    question: Sequence[object] | NDArray[np.generic] | None = None,
) -> Recalibrations:
    """Recalibrate all forecasts as one group under N((0, 1), I); see ``recalibrations``.

    Without forecasts the result is the prior: rows 0 and 1 are then equal.
    """
    alone = np.zeros(np.asarray(probability).size, dtype=np.int64)
    return _recalibrations(probability, outcome, alone, question, np.zeros((1, 2)))


def once_each(group: NDArray[np.generic], question: NDArray[np.generic]) -> FloatArray:
    """Return weights ``(n,)`` that add up to 1 for each question of a group."""
    pair, count = _pairs(
        np.unique(group, return_inverse=True)[1], np.unique(question, return_inverse=True)[1]
    )
    return np.asarray(1.0 / count[pair])


def _pairs(group: IntArray, question: IntArray) -> tuple[IntArray, IntArray]:
    """Return the number of each row's pair of group and question, and how often each occurs."""
    _, pair, count = np.unique(
        group * question.size + question, return_inverse=True, return_counts=True
    )
    return pair, count.astype(np.int64)


def _recalibrations(
    probability: ArrayLike,
    outcome: ArrayLike,
    group: Sequence[object] | NDArray[np.generic],
    question: Sequence[object] | NDArray[np.generic] | None,
    grid: FloatArray,
) -> Recalibrations:
    values = probabilities(probability)
    truth = np.asarray(outcome, dtype=np.float64)
    label = np.asarray(group)
    asked = np.arange(values.size) if question is None else np.asarray(question)
    if not values.shape == truth.shape == label.shape == asked.shape:
        raise ValueError(
            f"shapes differ: probability {values.shape}, outcome {truth.shape}, "
            f"group {label.shape}, question {asked.shape}"
        )
    if not ((truth == 0.0) | (truth == 1.0)).all():
        raise ValueError("an outcome is neither 0 nor 1")
    rows = _Rows.of(label, asked, log_odds(values), truth)
    seen = rows.evidence(grid)
    found = _averaged(*rows.apart(seen), grid)
    return Recalibrations(
        np.unique(label),
        np.rint(rows.questions).astype(np.int64),
        found.mean,
        found.covariance,
        found.spread,
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Evidence:
    """The evidence of the outcomes about every line, as Gaussians.

    ``precision`` is ``(group, 2, 2)``, ``product`` precision times estimate, ``(group, 2)``;
    ``lines`` are the estimates pulled together, ``(group, 2)``.
    """

    precision: FloatArray
    product: FloatArray
    lines: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class _Rows:
    """The forecasts, how much each counts in its group, and how many questions each group has.

    ``pair`` numbers the distinct pairs of group and question.
    """

    group: IntArray
    question: IntArray
    pair: IntArray
    z: FloatArray
    outcome: FloatArray
    weight: FloatArray
    questions: FloatArray

    @classmethod
    def of(
        cls,
        label: NDArray[np.generic],
        asked: NDArray[np.generic],
        z: FloatArray,
        outcome: FloatArray,
    ) -> "_Rows":
        groups, group = np.unique(label, return_inverse=True)
        _, question = np.unique(asked, return_inverse=True)
        pair, count = _pairs(group, question)
        weight = 1.0 / count[pair]
        questions = np.bincount(group, weight, groups.size).astype(np.float64)
        return cls(group, question, pair, z, outcome, weight, questions)

    def evidence(self, grid: FloatArray) -> _Evidence:
        """Return the Gaussians that agree with the likelihoods where the lines are.

        First to second order at the mode, then in mean and covariance: expectation propagation.
        """
        lines = np.tile(_CENTRE, (self.questions.size, 1))
        seen = self._expanded(lines)
        for _ in range(_ROUNDS):
            found = _averaged(seen.precision, seen.product, np.zeros((2, 2)), grid)
            step = np.clip(found.mean[:-1] - lines, -_LONGEST_STEP, _LONGEST_STEP)
            if not step.size or np.abs(step).max() < _CLOSE:
                break
            lines = lines + step
            seen = self._expanded(lines)
        for _ in range(_PASSES):
            found = _averaged(seen.precision, seen.product, np.zeros((2, 2)), grid)
            seen = self._matched(seen, found)
        return seen

    def _expanded(self, lines: FloatArray) -> _Evidence:
        chance = logistic(lines[self.group, 0] + lines[self.group, 1] * self.z)
        information = self._information(chance * (1.0 - chance))
        short = self.weight * (self.outcome - chance)
        gradient = np.stack([self._total(short), self._total(short * self.z)], axis=1)
        return _Evidence(information, _times(information, lines) + gradient, lines)

    def _matched(self, seen: _Evidence, found: "_Lines") -> _Evidence:
        """Return the Gaussians that would give every line its own posterior's mean and covariance.

        What is believed of a line without its own outcomes is what is believed of it, less what
        they said; the product of that and the likelihood is integrated on a grid around ``found``.
        """
        mean, covariance = found.mean[:-1], found.covariance[:-1]
        believed = np.linalg.inv(covariance)
        without = _no_less(believed - seen.precision, _LEAST_PRECISION)
        towards = _times(believed, mean) - seen.product
        root = np.linalg.cholesky(covariance)
        log = np.empty((len(_NODES), len(mean)))
        nodes = mean + np.einsum("gij,kj->kgi", root, _NODES)
        for node, out in zip(nodes, log, strict=True):
            line = node[self.group, 0] + node[self.group, 1] * self.z
            likely = self._total(self.weight * (self.outcome * line - np.logaddexp(0.0, line)))
            prior = np.einsum("gi,gi->g", node, towards - _times(without, node) / 2.0)
            out[:] = likely + prior
        log += (np.log(_NODE_WEIGHTS) + (_NODES**2).sum(axis=1) / 2.0)[:, None]
        mass = np.exp(log - log.max(axis=0))
        mass /= mass.sum(axis=0)
        centre = np.einsum("kg,kgi->gi", mass, nodes)
        away = nodes - centre
        posterior = np.linalg.inv(np.einsum("kg,kgi,kgj->gij", mass, away, away))
        precision = _no_less(posterior - without, 0.0)
        return _Evidence(precision, _times(posterior, centre) - towards, centre)

    def apart(self, seen: _Evidence) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return precision and product of every line through its own luck, and the common luck's.

        Of the variance of a line's error the common part is taken out, but never all of it.
        """
        size, axes = np.linalg.eigh(seen.precision)
        root = np.sqrt(np.maximum(size, 0.0))
        luck = self._luck(seen)
        up = axes * root[:, None, :]  # precision is up up'
        share, direction = np.linalg.eigh(up.transpose(0, 2, 1) @ luck @ up)
        left = 1.0 / (1.0 - np.clip(share, 0.0, _COMMON_AT_MOST))
        more = np.einsum("gij,gj,gkj->gik", direction, left, direction)
        inverse = np.where(root > _CLOSE, 1.0 / np.maximum(root, _CLOSE), 0.0)
        down = axes * inverse[:, None, :]
        precision = up @ more @ up.transpose(0, 2, 1)
        product = _times(up @ more @ down.transpose(0, 2, 1), seen.product)
        return precision, product, luck

    def _luck(self, seen: _Evidence) -> FloatArray:
        """Return the mean covariance between the errors of two groups, ``(2, 2)``.

        Groups g and h have scores with covariance sum of x_g x_h' sqrt(v_g v_h) over the questions
        that they share, x = (1, z) and v the variance of the outcome.
        """
        total = self.questions.sum()
        pairs = total**2 - (self.questions**2).sum()
        if pairs < 1.0:
            return np.zeros((2, 2))
        chance = logistic(seen.lines[self.group, 0] + seen.lines[self.group, 1] * self.z)
        scale = self.weight * np.sqrt(chance * (1.0 - chance))
        rows = [scale, scale * self.z]
        together = np.stack([np.bincount(self.question, row) for row in rows])
        alone = np.stack([np.bincount(self.pair, row) for row in rows])
        typical = np.linalg.pinv(seen.precision.sum(axis=0) / total, hermitian=True)
        found = typical @ (together @ together.T - alone @ alone.T) @ typical / pairs
        size, axes = np.linalg.eigh((found + found.T) / 2.0)
        return np.asarray((axes * np.maximum(size, 0.0)) @ axes.T)

    def _information(self, variance: FloatArray) -> FloatArray:
        flat, tilted, square = (
            self._total(self.weight * variance * self.z**power) for power in (0, 1, 2)
        )
        return np.stack([flat, tilted, tilted, square], axis=1).reshape(-1, 2, 2)

    def _total(self, values: FloatArray) -> FloatArray:
        return np.bincount(self.group, values, self.questions.size).astype(np.float64)


@dataclass(frozen=True, eq=False, slots=True)
class _Lines:
    """Means and covariances of the lines, of a line never seen in the last row.

    ``spread`` is s and ``evidence`` the log of its marginal likelihood.
    """

    mean: FloatArray
    covariance: FloatArray
    spread: FloatArray
    evidence: float = 0.0


def _pooled(
    precision: FloatArray, product: FloatArray, luck: FloatArray, spread: FloatArray
) -> _Lines:
    """Return the lines given s, the common luck ``luck`` integrated out; s may be zero."""
    between = np.diag(spread**2)
    prior = np.linalg.inv(_IDENTITY + luck)  # precision of the mean line, luck included
    keep = np.linalg.inv(_IDENTITY + between @ precision)
    towards = np.einsum("gji,gj->gi", keep, product)
    inner = prior + (precision @ keep).sum(axis=0)
    pulled = prior @ _CENTRE + towards.sum(axis=0)
    covariance = np.linalg.inv(inner)
    centre = covariance @ pulled

    keep, own = np.concatenate([keep, [_IDENTITY]]), np.concatenate([product, [[0.0, 0.0]]])
    line = _times(keep, centre + own @ between)
    lucky = luck @ prior
    tilt = keep - lucky
    return _Lines(
        mean=line - lucky @ (centre - _CENTRE),
        covariance=keep @ between
        + (luck - lucky @ luck)
        + tilt @ covariance @ tilt.transpose(0, 2, 1),
        spread=spread,
        evidence=0.5
        * float(
            np.log(np.linalg.det(keep)).sum()
            + np.einsum("gi,gij,jk,gk->", own, keep, between, own)
            + np.log(np.linalg.det(prior @ covariance))
            + pulled @ centre
            - _CENTRE @ prior @ _CENTRE
        ),
    )


def _averaged(
    precision: FloatArray, product: FloatArray, luck: FloatArray, grid: FloatArray
) -> _Lines:
    """Return the lines averaged over the grid of s, each point as likely a priori."""
    found = [_pooled(precision, product, luck, spread) for spread in grid]
    evidence = np.array([one.evidence for one in found])
    share = np.exp(evidence - evidence.max())
    share /= share.sum()

    def average(parts: Iterable[FloatArray]) -> FloatArray:
        return np.asarray(sum(weight * part for weight, part in zip(share, parts, strict=True)))

    mean = average(one.mean for one in found)
    away = [one.mean - mean for one in found]
    return _Lines(
        mean=mean,
        covariance=average(one.covariance for one in found)
        + average(np.einsum("gi,gj->gij", one, one) for one in away),
        spread=share @ grid,
    )


def _no_less(matrices: NDArray[Any], least: float) -> FloatArray:
    """Return symmetric matrices with their eigenvalues raised to at least so much."""
    size, axes = np.linalg.eigh((matrices + matrices.transpose(0, 2, 1)) / 2.0)
    return np.asarray(np.einsum("gij,gj,gkj->gik", axes, np.maximum(size, least), axes))


def _times(matrices: NDArray[Any], vectors: NDArray[Any]) -> FloatArray:
    return np.asarray(np.einsum("gij,gj->gi", matrices, vectors))
