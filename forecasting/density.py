"""The log-density of the pooling model and its gradient, in closed form and compiled by Numba.

``forecasting.model`` defines the model; this module states the same density by hand, and a test
holds it to the graph's own value and gradient. It takes one exponential a forecaster and one a
distinct staleness, where the graph takes one a row, so it is several times faster. Importing this
module imports Numba, which takes a second.
"""

import math
from collections.abc import Callable
from typing import Any

import numba  # type: ignore[import-untyped]  # it ships no types
import numpy as np
from scipy import optimize

from forecasting.arrays import FloatArray, IntArray
from forecasting.posterior import Priors
from forecasting.training import TrainingRows

_MACKAY = math.pi / 8.0
_LOG_TAU = math.log(2.0 * math.pi)
_LARGE = 1e300
_SHARED = 6
_T_W, _RHO, _K0, _V0, _G0, _A0 = range(_SHARED)


class Density:
    """The posterior's log-density, over unconstrained parameters.

    A point is one array: t with t_w = abs(t), the logs of rho, k0 and v0, then g0 and a0, then log
    gamma and alpha by domain, then one value a forecaster, from which omega is unfolded::

        omega sign(t) = t b / (1 + t² c) + value / sqrt(1 + t² c)

    where b and c are slope and information of the likelihood in the forecaster's log-weight, taken
    once where all weigh the same. Given t, a value is then about standard normal whether a
    forecaster has three forecasts or three thousand. The sign of t
    means nothing, but lets it pass through 0, where its logarithm would linger.

    Attributes:
        size: the number of parameters.
    """

    def __init__(self, rows: TrainingRows, priors: Priors) -> None:
        levels, level = np.unique(rows.stale, return_inverse=True)
        self._domains, self._people = len(rows.domains), len(rows.forecasters)
        self.size = _SHARED + 2 * self._domains + self._people
        self._priors = priors
        self._levels = levels
        # Unsigned, so that no index needs a look at its sign.
        self._rows = (rows.forecaster.astype(np.uint32), level.astype(np.uint32), rows.z)
        ends = (rows.start.astype(np.uint64), rows.end.astype(np.uint64))
        self._ends = ends
        self._outcome = rows.outcome
        self._snapshots = (rows.domain, rows.outcome, rows.weight)
        nothing = np.zeros(self._people)
        self._slope, self._information = nothing, nothing
        self._middle = self._find_middle()
        self._slope, self._information = self._expand_around(self._middle)

    def evaluator(self) -> Callable[[FloatArray], tuple[float, FloatArray]]:
        """Return a function of a point that gives the log-density and its gradient there.

        It reuses its memory: one thread, one evaluator.
        """
        priors = self._priors
        prior = np.array(
            [
                priors.t_w,
                priors.rho,
                priors.k0_mean,
                priors.k0_sd,
                priors.v0,
                priors.g0_mean,
                priors.g0_sd,
                priors.a0_mean,
                priors.a0_sd,
                priors.gamma_sd,
                priors.alpha_sd,
            ]
        )

        sums = np.empty((2, self._outcome.size))

        def evaluate(point: FloatArray) -> tuple[float, FloatArray]:
            slope = np.zeros(self.size)
            place = _SHARED + 2 * self._domains
            unfolded = point.copy()
            _unfold(point, self._slope, self._information, unfolded[place:])
            value: float = _prior(unfolded, slope, self._domains, prior)
            value += self._likelihood(unfolded, slope, sums)
            value += _fold(point, self._slope, self._information, place, slope)
            return value, slope

        return evaluate

    def _likelihood(self, point: FloatArray, slope: FloatArray, sums: FloatArray) -> float:
        """Return the log-likelihood of the outcomes, adding to its slope; sums is memory."""
        people = _SHARED + 2 * self._domains
        omega, of_omega = point[people:], slope[people:]
        # A step too far overflows, and the sampler takes a density of nan for a divergence.
        with np.errstate(over="ignore", invalid="ignore"):
            t, rho = point[_T_W], np.exp(point[_RHO])
            skill, fresh = np.exp(t * omega), np.exp(-rho * self._levels)
        of_skill = np.zeros(self._people)
        _pool(skill, fresh, *self._rows, *self._ends, sums)
        value = _answer(point, slope, self._domains, *self._snapshots, sums)
        of_rho = _share(skill, fresh, self._levels, *self._rows, *self._ends, sums, of_skill)
        with np.errstate(over="ignore", invalid="ignore"):
            slope[_RHO] += rho * of_rho
            slope[_T_W] += omega @ of_skill
            of_omega += t * of_skill
        return float(value)

    def start(self, seed: int) -> FloatArray:
        """Return a point near the middle of the posterior, scattered by the seed."""
        random = np.random.default_rng(seed)
        return np.asarray(self._middle + random.uniform(-0.5, 0.5, self.size))

    def _find_middle(self) -> FloatArray:
        """Return the point of greatest density among those at which all forecasters weigh alike."""
        priors = self._priors
        middle = np.zeros(self.size)
        middle[_T_W] = 0.67 * priors.t_w
        middle[_RHO] = math.log(math.log(2.0) / priors.rho)
        middle[_K0] = priors.k0_mean
        middle[_V0] = math.log(0.67 * priors.v0)
        middle[_G0], middle[_A0] = priors.g0_mean, priors.a0_mean
        people = _SHARED + 2 * self._domains
        middle[_SHARED : _SHARED + self._domains] = priors.g0_mean
        middle[_SHARED + self._domains : people] = priors.a0_mean
        evaluate = self.evaluator()

        def loss(free: FloatArray) -> tuple[float, FloatArray]:
            point = middle.copy()
            point[_RHO:people] = free
            value, slope = evaluate(point)
            return -value, -slope[_RHO:people]

        middle[_RHO:people] = optimize.minimize(
            loss, middle[_RHO:people], jac=True, method="L-BFGS-B", options={"maxiter": 50}
        ).x
        return middle

    def _expand_around(self, point: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return slope and information of the likelihood in each log-weight, ``(forecaster,)``."""
        sums = np.empty((2, self._outcome.size))
        fresh = np.exp(-np.exp(point[_RHO]) * self._levels)
        skill, slope = np.ones(self._people), np.zeros(self._people)
        _pool(skill, fresh, *self._rows, *self._ends, sums)
        _answer(point, np.zeros(self.size), self._domains, *self._snapshots, sums)
        _share(skill, fresh, self._levels, *self._rows, *self._ends, sums, slope)
        # The expected squared slope is the information.
        information = np.zeros(self._people)
        _inform(fresh, *self._rows, *self._ends, self._snapshots[2], sums, information)
        return slope, information

    def named(self, points: FloatArray) -> dict[str, FloatArray]:
        """Return the parameters at points ``(..., size)`` by their names in ``Posterior``."""
        domains = points[..., _SHARED : _SHARED + 2 * self._domains]
        t_w = np.abs(points[..., _T_W])
        spread = 1.0 + (t_w * t_w)[..., None] * self._information
        sign = np.where(points[..., _T_W] < 0.0, -1.0, 1.0)[..., None]
        values = points[..., _SHARED + 2 * self._domains :]
        return {
            "t_w": t_w,
            "rho": np.exp(points[..., _RHO]),
            "k0": np.exp(points[..., _K0]),
            "v0": np.exp(points[..., _V0]),
            "g0": points[..., _G0],
            "a0": points[..., _A0],
            "gamma": np.exp(domains[..., : self._domains]),
            "alpha": domains[..., self._domains :],
            "omega": t_w[..., None] * self._slope / spread + sign * values / np.sqrt(spread),
        }


def _prior_in_python(
    point: FloatArray, slope: FloatArray, domains: int, prior: FloatArray
) -> float:
    """Return the log-density of the priors on the unconstrained scale, adding to its slope."""
    t_w, rho, k0_mean, k0_sd, v0, g0_mean, g0_sd, a0_mean, a0_sd, gamma_sd, alpha_sd = prior
    value = 0.0
    value += math.log(2.0 / t_w) - 0.5 * _LOG_TAU - 0.5 * (point[_T_W] / t_w) ** 2
    slope[_T_W] -= point[_T_W] / t_w**2
    square = (math.exp(point[_V0]) / v0) ** 2
    value += math.log(2.0 / v0) - 0.5 * _LOG_TAU - 0.5 * square + point[_V0]
    slope[_V0] += 1.0 - square
    drop = rho * math.exp(point[_RHO])
    value += math.log(rho) - drop + point[_RHO]
    slope[_RHO] += 1.0 - drop
    for place, centre, scale in (
        (_K0, k0_mean, k0_sd),
        (_G0, g0_mean, g0_sd),
        (_A0, a0_mean, a0_sd),
    ):
        off = (point[place] - centre) / scale
        value -= 0.5 * off * off + math.log(scale) + 0.5 * _LOG_TAU
        slope[place] -= off / scale
    for common, first, scale in (
        (_G0, _SHARED, gamma_sd),
        (_A0, _SHARED + domains, alpha_sd),
    ):
        for place in range(first, first + domains):
            off = (point[place] - point[common]) / scale
            value -= 0.5 * off * off + math.log(scale) + 0.5 * _LOG_TAU
            slope[place] -= off / scale
            slope[common] += off / scale
    for place in range(_SHARED + 2 * domains, point.size):
        value -= 0.5 * (point[place] ** 2 + _LOG_TAU)
        slope[place] -= point[place]
    return float(value)


def _pool_in_python(
    skill: FloatArray,
    fresh: FloatArray,
    forecaster: IntArray,
    level: IntArray,
    z: FloatArray,
    start: IntArray,
    end: IntArray,
    sums: FloatArray,
) -> None:
    """Fill in the sums of w and of w z, ``(2, snapshot)``."""
    for shot in range(start.size):
        total, pull = 0.0, 0.0
        for row in range(start[shot], end[shot]):
            weight = skill[forecaster[row]] * fresh[level[row]]
            total += weight
            pull += weight * z[row]
        sums[0, shot], sums[1, shot] = total, pull


def _answer_in_python(
    point: FloatArray,
    slope: FloatArray,
    domains: int,
    domain: IntArray,
    outcome: FloatArray,
    weight: FloatArray,
    sums: FloatArray,
) -> float:
    """Return the log-likelihood, adding to its slope, and put the slopes by the sums in place.

    The equations are those of ``forecasting.live``, followed by their derivatives.
    """
    k0, v0 = math.exp(point[_K0]), math.exp(point[_V0])
    gamma = np.exp(point[_SHARED : _SHARED + domains])
    value, of_k0, of_log_v0 = 0.0, 0.0, 0.0
    shared, product = 0.0, 1.0
    for shot in range(domain.size):
        group = domain[shot]
        inverse = 1.0 / (sums[0, shot] + k0)
        pooled = gamma[group] * sums[1, shot] * inverse
        variance = v0 * gamma[group] * gamma[group] * inverse
        narrowing = 1.0 / (1.0 + _MACKAY * variance)
        root = math.sqrt(narrowing)
        centre = point[_SHARED + domains + group] + pooled
        logit = centre * root
        far = abs(logit)
        small = math.exp(-far)
        chance = 0.5 + math.copysign(1.0 / (1.0 + small) - 0.5, logit)
        value += weight[shot] * (outcome[shot] * logit - 0.5 * (logit + far))
        # One logarithm for many snapshots of one weight: most of the time here was logarithms.
        if weight[shot] != shared or product > _LARGE:
            value -= shared * math.log(product)
            shared, product = weight[shot], 1.0
        product *= 1.0 + small

        of_centre = weight[shot] * (outcome[shot] - chance) * root
        of_log_variance = -0.5 * _MACKAY * of_centre * centre * narrowing * variance
        of_total = -(of_centre * pooled + of_log_variance) * inverse
        slope[_SHARED + group] += of_centre * pooled + 2.0 * of_log_variance
        slope[_SHARED + domains + group] += of_centre
        of_log_v0 += of_log_variance
        of_k0 += of_total
        sums[0, shot], sums[1, shot] = of_total, of_centre * gamma[group] * inverse
    slope[_V0] += of_log_v0
    slope[_K0] += k0 * of_k0
    return value - shared * math.log(product)


def _share_in_python(
    skill: FloatArray,
    fresh: FloatArray,
    levels: FloatArray,
    forecaster: IntArray,
    level: IntArray,
    z: FloatArray,
    start: IntArray,
    end: IntArray,
    of_sums: FloatArray,
    of_skill: FloatArray,
) -> float:
    """Add the slopes by each forecaster's log-weight and return the slope by rho."""
    of_rho = 0.0
    for shot in range(start.size):
        of_total, of_pull = of_sums[0, shot], of_sums[1, shot]
        for row in range(start[shot], end[shot]):
            who, step = forecaster[row], level[row]
            part = skill[who] * fresh[step] * (of_total + of_pull * z[row])
            of_skill[who] += part
            of_rho -= part * levels[step]
    return of_rho


def _inform_in_python(
    fresh: FloatArray,
    forecaster: IntArray,
    level: IntArray,
    z: FloatArray,
    start: IntArray,
    end: IntArray,
    weight: FloatArray,
    of_sums: FloatArray,
    information: FloatArray,
) -> None:
    """Add the squared slopes by each forecaster's log-weight where all weigh the same."""
    for shot in range(start.size):
        of_total, of_pull = of_sums[0, shot], of_sums[1, shot]
        for row in range(start[shot], end[shot]):
            part = fresh[level[row]] * (of_total + of_pull * z[row])
            information[forecaster[row]] += part * part / weight[shot]


def _unfold_in_python(
    point: FloatArray, slope: FloatArray, information: FloatArray, value: FloatArray
) -> None:
    """Turn the last values of a point into omega, in place."""
    t = point[_T_W]
    for who in range(value.size):
        spread = 1.0 + t * t * information[who]
        value[who] = t * slope[who] / spread + value[who] / math.sqrt(spread)


def _fold_in_python(
    point: FloatArray, slope: FloatArray, information: FloatArray, people: int, of_point: FloatArray
) -> float:
    """Turn slopes by omega into slopes by the values; return the log of the Jacobian."""
    t = point[_T_W]
    log_jacobian = 0.0
    for who in range(slope.size):
        known = t * t * information[who]
        spread = 1.0 + known
        root = math.sqrt(spread)
        log_jacobian -= 0.5 * math.log(spread)
        moved = slope[who] * (1.0 - 2.0 * known / spread) / spread
        moved -= point[people + who] * t * information[who] / (spread * root)
        of_point[_T_W] += of_point[people + who] * moved - t * information[who] / spread
        of_point[people + who] /= root
    return log_jacobian


_unfold: Any = numba.njit(nogil=True, error_model="numpy")(_unfold_in_python)
_fold: Any = numba.njit(nogil=True, error_model="numpy")(_fold_in_python)
_inform: Any = numba.njit(nogil=True, error_model="numpy")(_inform_in_python)
_prior: Any = numba.njit(nogil=True)(_prior_in_python)
_pool: Any = numba.njit(nogil=True)(_pool_in_python)
_answer: Any = numba.njit(nogil=True, error_model="numpy")(_answer_in_python)
_share: Any = numba.njit(nogil=True)(_share_in_python)
