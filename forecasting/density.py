"""The log-density of the pooling model and its gradient, in closed form and compiled by Numba.

``forecasting.model`` defines the model; this module states the same density by hand, and a test
holds it to the graph's own value and gradient. It takes one exponential a forecaster, one a
snapshot and one a distinct rank, where the graph takes one a row, so it is many times faster.
Importing this module imports Numba, which takes a second.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import optimize

from forecasting import kernel
from forecasting.kernel import A0, G0, K0, RHO, SHARED, T_W, V0
from forecasting.posterior import Priors
from forecasting.training import TrainingRows
from forecasting.types import FloatArray, IntArray

_STEP = 1e-4
_FLATTEST = 0.05


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

    Where more forecasters are known than are to be ``sampled`` (None: everybody), those of whom the
    outcomes say least have no value in the point: given t, theirs is taken to be standard normal
    and integrated out by Laplace's method (Tierney and Kadane 1986,
    doi:10.1080/01621459.1986.10478240), the likelihood being that of their mean skill. They come
    last in the order of forecasters.

    Attributes:
        shared: how many parameters do not belong to one forecaster; they come first.
        people: how many forecasters there are.
        sampled: how many of them have a value in the point.
        size: the number of parameters.
        order: index among the rows' forecasters of each here, ``(forecaster,)``.
    """

    def __init__(self, rows: TrainingRows, priors: Priors, sampled: int | None = None) -> None:
        self._domains, self.people = len(rows.domains), len(rows.forecasters)
        self.shared = SHARED + 2 * self._domains
        self.sampled = self.people
        self.size = self.shared + self.sampled
        self.order = np.arange(self.people)
        self._crowd = max(rows.said.size / max(rows.outcome.size, 1), 1.0)
        self._shots = _Shots.of(rows)
        self._prior = np.array(dataclasses.astuple(priors))
        nothing = np.zeros(self.people)
        self._middle, self._factor = np.zeros(self.shared), np.eye(self.shared)
        self._slope, self._information = nothing, nothing
        self._middle = self._find_middle(priors)
        self._factor = self._factor_of_covariance()
        self._slope, self._information = self._expand()
        if sampled is not None and sampled < self.people:
            self._set_apart(sampled)

    def _set_apart(self, sampled: int) -> None:
        """Put the forecasters of whom least is known last, without a value."""
        self.order = np.argsort(-self._information, kind="stable")
        place = np.empty_like(self.order)
        place[self.order] = np.arange(self.people)
        self._shots = dataclasses.replace(self._shots, forecaster=place[self._shots.forecaster])
        self._slope, self._information = self._slope[self.order], self._information[self.order]
        self.sampled = sampled
        self.size = self.shared + sampled

    def buffer(self) -> IntArray:
        """Return all that ``forecasting.kernel`` needs to know."""
        return kernel.packed(
            prior=self._prior,
            middle=self._middle,
            factor=self._factor,
            crowd=self._crowd,
            slope=self._slope,
            information=self._information,
            **self._shots.own_rows(),
        )

    def evaluator(self) -> Callable[[FloatArray], tuple[float, FloatArray]]:
        """Return a function of a point that gives the log-density and its gradient there."""
        buffer = self.buffer()

        def evaluate(point: FloatArray) -> tuple[float, FloatArray]:
            gradient = np.empty(self.size)
            return kernel.log_density(point, gradient, buffer), gradient

        return evaluate

    def start(self, seed: int) -> FloatArray:
        """Return a point near the middle of the posterior, scattered by the seed."""
        random = np.random.default_rng(seed)
        point = random.uniform(-0.5, 0.5, self.size)
        point[T_W] += 0.67 * self._prior[0]
        return np.asarray(point)

    def _find_middle(self, priors: Priors) -> FloatArray:
        """Return the point of greatest density among those at which all forecasters weigh alike."""
        middle = np.zeros(self.shared)
        middle[RHO] = math.log(math.log(2.0) / priors.rho)
        middle[K0] = priors.k0_mean
        middle[V0] = math.log(0.67 * priors.v0)
        middle[G0], middle[A0] = priors.g0_mean, priors.a0_mean
        middle[SHARED : SHARED + self._domains] = priors.g0_mean
        middle[SHARED + self._domains :] = priors.a0_mean
        evaluate = self.evaluator()

        def loss(shared: FloatArray) -> tuple[float, FloatArray]:
            value, slope = evaluate(np.concatenate([[0.0], shared, np.zeros(self.people)]))
            return -value, -slope[1 : self.shared]

        middle[1:] = optimize.minimize(
            loss, middle[1:], jac=True, method="L-BFGS-B", options={"maxiter": 100}
        ).x
        return middle

    def _factor_of_covariance(self) -> FloatArray:
        """Return the lower factor of the covariance of what is shared, 1 in the place of t."""
        evaluate = self.evaluator()
        curvature = np.eye(self.shared)
        for place in range(1, self.shared):
            ends = []
            for step in (_STEP, -_STEP):
                point = np.zeros(self.size)
                point[place] = step
                ends.append(evaluate(point)[1][1 : self.shared])
            curvature[place, 1:] = (ends[1] - ends[0]) / (2.0 * _STEP)
        values, vectors = np.linalg.eigh((curvature + curvature.T) / 2.0)
        covariance = (vectors / np.maximum(values, _FLATTEST)) @ vectors.T
        return np.asarray(np.linalg.cholesky(covariance))

    def _expand(self) -> tuple[FloatArray, FloatArray]:
        """Return slope and information of the likelihood in each log-weight, ``(forecaster,)``."""
        shots, shared = self._shots, self._middle.copy()
        kernel.unbend(shared, self._domains, self._crowd)
        log_rank = np.log(shots.rank)
        weight = np.exp(math.exp(shared[RHO]) * log_rank)
        parts = (weight, weight * shots.z, weight * log_rank, weight * log_rank * shots.z)
        sums = np.array([np.bincount(shots.shot, part, shots.sign.size) for part in parts])
        kernel.outcomes(
            shared,
            np.zeros(self.shared),
            shots.first_shot,
            shots.log_size,
            shots.sign,
            shots.weight,
            sums,
        )
        of_row = weight * (sums[0][shots.shot] + sums[1][shots.shot] * shots.z)
        squares = of_row**2 / shots.weight[shots.shot]
        slope = np.bincount(shots.forecaster, of_row, self.people)
        information = np.bincount(shots.forecaster, squares, self.people)
        return slope.astype(np.float64), information.astype(np.float64)

    def named(self, points: FloatArray) -> dict[str, FloatArray]:
        """Return the parameters at ``points``, of which the shared part ``(..., shared)`` is used.

        They go by their names in ``Posterior``; omega, of which there may be many, is left out.
        """
        shared = self._middle + points[..., : self.shared] @ self._factor.T
        rise = np.log1p(np.exp(shared[..., K0]) / self._crowd)
        log_gamma = shared[..., SHARED : SHARED + self._domains] + rise[..., None]
        return {
            "t_w": np.abs(points[..., T_W]),
            "rho": np.exp(shared[..., RHO]),
            "k0": np.exp(shared[..., K0]),
            "v0": np.exp(shared[..., V0]),
            "g0": shared[..., G0] + rise,
            "a0": shared[..., A0],
            "gamma": np.exp(log_gamma),
            "alpha": shared[..., SHARED + self._domains :],
        }

    def omega(self, t: FloatArray, values: FloatArray, first: int = 0) -> FloatArray:
        """Return omega of a part of the forecasters, ``(..., forecaster)``.

        Args:
            t: the first parameter of each point, ``(...)``.
            values: those of this part, ``(..., forecaster)``.
            first: of them, in the order of this density.
        """
        part = slice(first, first + values.shape[-1])
        size = np.abs(t)[..., None]
        spread = 1.0 + size * size * self._information[part]
        sign = np.where(t < 0.0, -1.0, 1.0)[..., None]
        return np.asarray(size * self._slope[part] / spread + sign * values / np.sqrt(spread))


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class _Shots:
    """Snapshots in the order of domains, equal neighbours as one, rows from the oldest on.

    Attributes:
        first_shot: of each domain, and one past the last, ``(domain + 1,)``.
        sign: 1 for yes, -1 for no, ``(shot,)``.
        weight: ``(shot,)``.
        log_size: log of the number of rows, ``(shot,)``.
        parent: an earlier snapshot whose rows are the first ones here, or itself, ``(shot,)``.
        shot: index of the snapshot, ``(row,)``.
        forecaster: index, ``(row,)``.
        rank: as in ``forecasting.pooling``, ``(row,)``.
        z: ``TrainingRows.said``, ``(row,)``.
        own: whether the row is none of the parent's, ``(row,)``.
    """

    first_shot: IntArray
    sign: FloatArray
    weight: FloatArray
    log_size: FloatArray
    parent: IntArray
    shot: IntArray
    forecaster: IntArray
    rank: FloatArray
    z: FloatArray
    own: Any

    @classmethod
    def of(cls, rows: TrainingRows) -> "_Shots":
        """Arrange the snapshots so that later ones share the sums of earlier ones."""
        size = rows.end - rows.start
        shot = np.repeat(np.arange(size.size), size)
        rank = np.rint(size[shot] * np.exp(-rows.stale))
        order = np.lexsort((rows.forecaster, rank, shot))
        forecaster, rank, z = rows.forecaster[order], rank[order], rows.said[order]
        # A snapshot rests on the one before it if it begins with all of that one's rows.
        before = np.maximum(np.arange(size.size) - 1, 0)
        place = np.arange(z.size) - rows.start[shot]
        within = place < size[before][shot]
        other = (rows.start[before][shot] + place)[within]
        same = np.zeros(z.size, dtype=bool)
        same[within] = (
            (forecaster[other] == forecaster[within])
            & (rank[other] == rank[within])
            & (z[other] == z[within])
        )
        rests = np.bincount(shot, same, size.size) == size[before]
        rests &= rows.domain == rows.domain[before]
        rests[0] = False
        repeats = rests & (size == size[before]) & (rows.outcome == rows.outcome[before])
        kept = np.flatnonzero(~repeats)
        by_domain = kept[np.argsort(rows.domain[kept], kind="stable")]
        now = np.zeros(size.size, dtype=np.int64)
        now[by_domain] = np.arange(by_domain.size)
        heir = now[kept[np.cumsum(~repeats) - 1]]  # of every snapshot, where it is now
        parent = np.where(rests, heir[before], heir)
        row_order = np.argsort(now[shot], kind="stable")
        row_order = row_order[~repeats[shot[row_order]]]
        return cls(
            first_shot=np.searchsorted(rows.domain[by_domain], np.arange(len(rows.domains) + 1)),
            sign=2.0 * rows.outcome[by_domain] - 1.0,
            weight=np.bincount(heir, rows.weight).astype(np.float64),
            log_size=np.log(size[by_domain]),
            parent=parent[by_domain],
            shot=now[shot[row_order]],
            forecaster=forecaster[row_order],
            rank=rank[row_order],
            z=z[row_order],
            own=~(rests[shot] & within)[row_order],
        )

    def own_rows(self) -> dict[str, Any]:
        """Return the parts of ``kernel.packed`` that depend on snapshots."""
        own = self.own
        levels, level = np.unique(self.rank[own], return_inverse=True)
        return {
            "log_rank": np.log(levels),
            "z": self.z[own],
            "log_size": self.log_size,
            "sign": self.sign,
            "weight": self.weight,
            "forecaster": self.forecaster[own],
            "level": level,
            "first_row": np.searchsorted(self.shot[own], np.arange(self.sign.size + 1)),
            "parent": self.parent,
            "first_shot": self.first_shot,
        }
