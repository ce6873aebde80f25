"""The log-density of the pooling model and its gradient, in closed form and compiled by Numba.

``forecasting.model`` defines the model; this module states the same density by hand, and a test
holds it to the graph's own value and gradient. It takes one exponential a forecaster and one a
distinct staleness, where the graph takes one a row, so it is several times faster. Importing this
module imports Numba, which takes a second.
"""

import dataclasses
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
_STEP = 1e-4
_FLATTEST = 0.05
_SHARED = 6
_T_W, _RHO, _K0, _V0, _G0, _A0 = range(_SHARED)


class Density:
    """The posterior's log-density, over unconstrained parameters.

    A point is one array: t with t_w = abs(t), whitened coordinates of what all share (the logs of
    rho, k0 and v0, then g0 and a0, then log gamma and alpha by domain), then one value a
    forecaster, from which omega is unfolded::

        shared = middle + factor coordinates
        g0 += log(1 + k0 / crowd), log gamma += log(1 + k0 / crowd)
        omega sign(t) = t b / (1 + t² c) + value / sqrt(1 + t² c)

    The factor is that of the covariance which the curvature at the middle implies while all weigh
    the same. Pull and slopes make up for each other, along a bent ridge on which the sampler would
    creep: the second line takes the pull, at the mean size of a crowd, out of the slopes and so
    straightens the ridge, and whitening makes it round. b and c are slope and information of the
    likelihood in the forecaster's log-weight, taken there too. Given t, a value is then about
    standard normal whether a forecaster has three forecasts or three thousand. The sign of t means
    nothing, but lets it pass through 0, where its logarithm would linger.

    Attributes:
        size: the number of parameters.
    """

    def __init__(self, rows: TrainingRows, priors: Priors) -> None:
        levels, level = np.unique(rows.stale, return_inverse=True)
        self._domains, self._people = len(rows.domains), len(rows.forecasters)
        self._shared = _SHARED + 2 * self._domains
        self.size = self._shared + self._people
        self._prior = np.array(dataclasses.astuple(priors))
        # Unsigned, so that no index needs a look at its sign.
        self._data = (
            levels,
            rows.forecaster.astype(np.uint32),
            level.astype(np.uint32),
            rows.z,
            rows.start.astype(np.uint64),
            rows.end.astype(np.uint64),
            rows.domain,
            rows.outcome,
            rows.weight,
        )
        self._crowd = max(rows.z.size / max(rows.outcome.size, 1), 1.0)
        nothing = np.zeros(self._people)
        self._middle, self._factor = np.zeros(self._shared), np.eye(self._shared)
        self._slope, self._information = nothing, nothing
        self._middle = self._find_middle(priors)
        self._factor = self._factor_of_covariance()
        self._slope, self._information = self._expand()

    def evaluator(self) -> Callable[[FloatArray], tuple[float, FloatArray]]:
        """Return a function of a point that gives the log-density and its gradient there."""
        around = (self._middle, self._factor, self._crowd, self._slope, self._information)

        def evaluate(point: FloatArray) -> tuple[float, FloatArray]:
            gradient = np.zeros(self.size)
            value = _log_density(point, gradient, self._domains, self._prior, *around, *self._data)
            return value, gradient

        return evaluate

    def start(self, seed: int) -> FloatArray:
        """Return a point near the middle of the posterior, scattered by the seed."""
        random = np.random.default_rng(seed)
        point = random.uniform(-0.5, 0.5, self.size)
        point[_T_W] += 0.67 * self._prior[0]
        return np.asarray(point)

    def _find_middle(self, priors: Priors) -> FloatArray:
        """Return the point of greatest density among those at which all forecasters weigh alike."""
        middle = np.zeros(self._shared)
        middle[_RHO] = math.log(math.log(2.0) / priors.rho)
        middle[_K0] = priors.k0_mean
        middle[_V0] = math.log(0.67 * priors.v0)
        middle[_G0], middle[_A0] = priors.g0_mean, priors.a0_mean
        middle[_SHARED : _SHARED + self._domains] = priors.g0_mean
        middle[_SHARED + self._domains :] = priors.a0_mean
        evaluate = self.evaluator()

        def loss(shared: FloatArray) -> tuple[float, FloatArray]:
            value, slope = evaluate(np.concatenate([[0.0], shared, np.zeros(self._people)]))
            return -value, -slope[1 : self._shared]

        middle[1:] = optimize.minimize(
            loss, middle[1:], jac=True, method="L-BFGS-B", options={"maxiter": 100}
        ).x
        return middle

    def _factor_of_covariance(self) -> FloatArray:
        """Return the lower factor of the covariance of what is shared, 1 in the place of t."""
        evaluate = self.evaluator()
        curvature = np.eye(self._shared)
        for place in range(1, self._shared):
            ends = []
            for step in (_STEP, -_STEP):
                point = np.zeros(self.size)
                point[place] = step
                ends.append(evaluate(point)[1][1 : self._shared])
            curvature[place, 1:] = (ends[1] - ends[0]) / (2.0 * _STEP)
        values, vectors = np.linalg.eigh((curvature + curvature.T) / 2.0)
        covariance = (vectors / np.maximum(values, _FLATTEST)) @ vectors.T
        return np.asarray(np.linalg.cholesky(covariance))

    def _expand(self) -> tuple[FloatArray, FloatArray]:
        """Return slope and information of the likelihood in each log-weight, ``(forecaster,)``."""
        slope, information = np.zeros(self._people), np.zeros(self._people)
        point = np.concatenate([self._middle, slope])
        _unbend(point, self._shared, self._crowd)
        _outcomes(point, np.zeros(self.size), self._domains, slope, information, *self._data)
        return slope, information

    def named(self, points: FloatArray) -> dict[str, FloatArray]:
        """Return the parameters at points ``(..., size)`` by their names in ``Posterior``."""
        shared = self._middle + points[..., : self._shared] @ self._factor.T
        rise = np.log1p(np.exp(shared[..., _K0]) / self._crowd)
        log_gamma = shared[..., _SHARED : _SHARED + self._domains] + rise[..., None]
        t_w = np.abs(points[..., _T_W])
        spread = 1.0 + (t_w * t_w)[..., None] * self._information
        sign = np.where(points[..., _T_W] < 0.0, -1.0, 1.0)[..., None]
        values = points[..., self._shared :]
        return {
            "t_w": t_w,
            "rho": np.exp(shared[..., _RHO]),
            "k0": np.exp(shared[..., _K0]),
            "v0": np.exp(shared[..., _V0]),
            "g0": shared[..., _G0] + rise,
            "a0": shared[..., _A0],
            "gamma": np.exp(log_gamma),
            "alpha": shared[..., _SHARED + self._domains :],
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


def _outcomes_in_python(
    point: FloatArray,
    slope: FloatArray,
    domains: int,
    of_weight: FloatArray,
    information: FloatArray,
    levels: FloatArray,
    forecaster: IntArray,
    level: IntArray,
    z: FloatArray,
    start: IntArray,
    end: IntArray,
    domain: IntArray,
    outcome: FloatArray,
    weight: FloatArray,
) -> float:
    """Return the log-likelihood of the outcomes, adding to its slope.

    Adds to ``of_weight`` the slopes by each forecaster's log-weight, and to ``information``, unless
    it is empty, their squares: their expectation is the information. The equations are those of
    ``forecasting.live``, followed by their derivatives.
    """
    people = _SHARED + 2 * domains
    t, rho = point[_T_W], math.exp(point[_RHO])
    k0, v0 = math.exp(point[_K0]), math.exp(point[_V0])
    gamma = np.exp(point[_SHARED : _SHARED + domains])
    skill, fresh = np.exp(t * point[people:]), np.exp(-rho * levels)
    value, of_k0, of_log_v0, of_rho = 0.0, 0.0, 0.0, 0.0
    shared, product = 0.0, 1.0
    for shot in range(domain.size):
        total, pull = 0.0, 0.0
        for row in range(start[shot], end[shot]):
            part = skill[forecaster[row]] * fresh[level[row]]
            total += part
            pull += part * z[row]
        group = domain[shot]
        inverse = 1.0 / (total + k0)
        pooled = gamma[group] * pull * inverse
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
        of_pull = of_centre * gamma[group] * inverse
        slope[_SHARED + group] += of_centre * pooled + 2.0 * of_log_variance
        slope[_SHARED + domains + group] += of_centre
        of_log_v0 += of_log_variance
        of_k0 += of_total
        for row in range(start[shot], end[shot]):
            who, step = forecaster[row], level[row]
            part = skill[who] * fresh[step] * (of_total + of_pull * z[row])
            of_weight[who] += part
            of_rho -= part * levels[step]
            if information.size:
                information[who] += part * part / weight[shot]
    slope[_V0] += of_log_v0
    slope[_K0] += k0 * of_k0
    slope[_RHO] += rho * of_rho
    for who in range(of_weight.size):
        slope[_T_W] += point[people + who] * of_weight[who]
        slope[people + who] += t * of_weight[who]
    return value - shared * math.log(product)


def _unbend_in_python(point: FloatArray, people: int, crowd: float) -> float:
    """Raise g0 and log gamma by log(1 + k0 / crowd), in place; return its derivative by log k0."""
    k0 = math.exp(point[_K0])
    rise = math.log1p(k0 / crowd)
    point[_G0] += rise
    for place in range(_SHARED, _SHARED + (people - _SHARED) // 2):
        point[place] += rise
    return k0 / (crowd + k0)


def _unfold_in_python(
    point: FloatArray, slope: FloatArray, information: FloatArray, people: int
) -> None:
    """Turn the values at the end of a point into omega, in place."""
    t = point[_T_W]
    for who in range(slope.size):
        spread = 1.0 + t * t * information[who]
        root = math.sqrt(spread)
        point[people + who] = t * slope[who] / spread + point[people + who] / root


def _fold_in_python(
    point: FloatArray, slope: FloatArray, information: FloatArray, people: int, of_point: FloatArray
) -> float:
    """Turn slopes by omega into slopes by the values; return the log of the Jacobian."""
    t = point[_T_W]
    log_jacobian, product = 0.0, 1.0
    for who in range(slope.size):
        known = t * t * information[who]
        spread = 1.0 + known
        root = math.sqrt(spread)
        product *= spread
        if product > _LARGE:
            log_jacobian -= 0.5 * math.log(product)
            product = 1.0
        moved = slope[who] * (1.0 - 2.0 * known / spread) / spread
        moved -= point[people + who] * t * information[who] / (spread * root)
        of_point[_T_W] += of_point[people + who] * moved - t * information[who] / spread
        of_point[people + who] /= root
    return log_jacobian - 0.5 * math.log(product)


def _log_density_in_python(
    point: FloatArray,
    gradient: FloatArray,
    domains: int,
    prior: FloatArray,
    middle: FloatArray,
    factor: FloatArray,
    crowd: float,
    slope: FloatArray,
    information: FloatArray,
    levels: FloatArray,
    forecaster: IntArray,
    level: IntArray,
    z: FloatArray,
    start: IntArray,
    end: IntArray,
    domain: IntArray,
    outcome: FloatArray,
    weight: FloatArray,
) -> float:
    """Return the log-density at a point, and fill in its gradient, which starts at zeros."""
    shared = middle.size
    unfolded = point.copy()
    for place in range(1, shared):
        unfolded[place] = middle[place]
        for other in range(1, place + 1):
            unfolded[place] += factor[place, other] * point[other]
    bend = _unbend(unfolded, shared, crowd)
    _unfold(unfolded, slope, information, shared)
    value = _prior(unfolded, gradient, domains, prior)
    value += _outcomes(
        unfolded,
        gradient,
        domains,
        np.zeros(slope.size),
        np.zeros(0),
        levels,
        forecaster,
        level,
        z,
        start,
        end,
        domain,
        outcome,
        weight,
    )
    value += _fold(point, slope, information, shared, gradient)
    gradient[_K0] += bend * (gradient[_G0] + gradient[_SHARED : _SHARED + domains].sum())
    for place in range(1, shared):
        value += math.log(factor[place, place])
        gradient[place] *= factor[place, place]
        for later in range(place + 1, shared):
            gradient[place] += factor[later, place] * gradient[later]
    return float(value)


_compiled: Any = numba.njit(nogil=True, error_model="numpy")
_unfold: Any = _compiled(_unfold_in_python)
_unbend: Any = _compiled(_unbend_in_python)
_fold: Any = _compiled(_fold_in_python)
_prior: Any = _compiled(_prior_in_python)
_outcomes: Any = _compiled(_outcomes_in_python)
_log_density: Any = _compiled(_log_density_in_python)
