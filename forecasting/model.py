"""The pooling model as a PyMC graph. Importing this module imports PyMC, which takes seconds.

The graph is that of ``forecasting.live`` with a likelihood: the outcome of every resolved question,
weighted so that each question counts once however often it is shown. Parameters have a fixed
capacity and data arrays are free, so that a graph that has been compiled once takes any panel that
fits in.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.arrays import FloatArray, IntArray
from forecasting.panel import Panel
from forecasting.pooling import log_odds, staleness
from forecasting.posterior import PRIORS, Priors

with warnings.catch_warnings():
    # ArviZ announces its own refactoring on every import.
    warnings.simplefilter("ignore", FutureWarning)
    import pymc as pm
    import pytensor.tensor

pt: Any = pytensor.tensor  # most of its functions carry no types
FORECASTERS = (64, 512, 2048, 16384)
DOMAINS = (8, 64, 512)


@dataclass(frozen=True, eq=False, slots=True)
class TrainingRows:
    """A panel's snapshots as the model takes them, in an order set by names alone.

    Attributes:
        forecasters: names, those with a forecast in some snapshot, sorted.
        domains: names, those with a resolved question, sorted.
        forecaster: index, ``(row,)``.
        z: clipped log-odds in nats, ``(row,)``.
        stale: log(n / rank), ``(row,)``.
        start: first row of each snapshot, ``(snapshot,)``.
        end: one past its last row, ``(snapshot,)``.
        domain: index, ``(snapshot,)``.
        outcome: 0 or 1, ``(snapshot,)``.
        weight: one over the number of the question's snapshots, ``(snapshot,)``.
        questions: how many questions there are.
    """

    forecasters: tuple[str, ...]
    domains: tuple[str, ...]
    forecaster: IntArray
    z: FloatArray
    stale: FloatArray
    start: IntArray
    end: IntArray
    domain: IntArray
    outcome: FloatArray
    weight: FloatArray
    questions: int

    @classmethod
    def of(cls, panel: Panel) -> "TrainingRows":
        """Take the resolved questions of a panel."""
        shown = panel.snapshots()
        names = np.array(panel.questions, dtype=str)[shown.question]
        order = np.argsort(names, kind="stable")
        people, domains = np.array(panel.forecasters, dtype=str), np.array(panel.domains, dtype=str)
        rows, stale = [], []
        for snapshot in order:
            part = np.arange(shown.start[snapshot], shown.end[snapshot])
            part = part[np.argsort(people[shown.forecaster[part]])]
            time = shown.time[part]
            rows.append(part)
            stale.append(staleness(None if np.isnan(time).any() else time, time.size))
        taken = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        known, forecaster = np.unique(people[shown.forecaster[taken]], return_inverse=True)
        groups, domain = np.unique(
            domains[panel.domain[shown.question[order]]], return_inverse=True
        )
        end = np.cumsum([part.size for part in rows], dtype=np.int64)
        return cls(
            forecasters=tuple(known.tolist()),
            domains=tuple(groups.tolist()),
            forecaster=forecaster.astype(np.int64),
            z=log_odds(shown.probability[taken]),
            stale=np.concatenate(stale) if stale else np.empty(0),
            start=np.concatenate([[0], end]).astype(np.int64)[: end.size],
            end=end,
            domain=domain.astype(np.int64),
            outcome=shown.outcome[order],
            weight=shown.weight[order],
            questions=int(np.unique(shown.question).size),
        )

    @classmethod
    def blank(cls, capacity: tuple[int, int]) -> "TrainingRows":
        """Return no snapshots but names that fill a capacity: what a graph is compiled on.

        The sampler's starting points are set when a graph is compiled, so compiling on a panel's
        own rows would make every later fit depend on which panel came first.
        """
        forecasters, domains = capacity
        nothing = np.empty(0)
        no_index = np.empty(0, dtype=np.int64)
        return cls(
            forecasters=tuple(map(str, range(forecasters))),
            domains=tuple(map(str, range(domains))),
            forecaster=no_index,
            z=nothing,
            stale=nothing,
            start=no_index,
            end=no_index,
            domain=no_index,
            outcome=nothing,
            weight=nothing,
            questions=0,
        )

    @property
    def capacity(self) -> tuple[int, int]:
        """The numbers of forecasters and domains for which a graph must have room."""
        return _room(len(self.forecasters), FORECASTERS), _room(len(self.domains), DOMAINS)

    def data(self) -> dict[str, Any]:
        """Return the arrays of the graph by name."""
        return {
            "forecaster": self.forecaster,
            "z": self.z,
            "stale": self.stale,
            "start": self.start,
            "end": self.end,
            "domain": self.domain,
            "outcome": self.outcome,
            "weight": self.weight,
            "used": (np.arange(self.capacity[1]) < len(self.domains)).astype(np.float64),
        }


def build_model(rows: TrainingRows | Panel, priors: Priors = PRIORS) -> pm.Model:
    """Build the graph over a panel's resolved questions.

    Free variables: ``t_w``, ``rho``, ``k0``, ``v0``, ``g0``, ``a0``, ``log_gamma`` and ``alpha`` by
    domain, ``omega`` by forecaster; the last three have room for more than there are, and what is
    not used keeps its prior. Domains are centred on g0 and a0, which mixes better than offsets as
    soon as a domain has a few dozen resolved questions.
    """
    rows = TrainingRows.of(rows) if isinstance(rows, Panel) else rows
    forecasters, domains = rows.capacity
    with pm.Model() as model:
        data = {name: pm.Data(name, values) for name, values in rows.data().items()}
        t_w = pm.HalfNormal("t_w", priors.t_w)
        rho = pm.Exponential("rho", priors.rho)
        k0 = pm.LogNormal("k0", priors.k0_mean, priors.k0_sd)
        v0 = pm.HalfNormal("v0", priors.v0)
        g0 = pm.Normal("g0", priors.g0_mean, priors.g0_sd)
        a0 = pm.Normal("a0", priors.a0_mean, priors.a0_sd)
        used = data["used"]
        log_gamma = pm.Normal("log_gamma", g0 * used, priors.gamma_sd, shape=domains)
        alpha = pm.Normal("alpha", a0 * used, priors.alpha_sd, shape=domains)
        omega = pm.Normal("omega", shape=forecasters)

        weight = pt.exp(t_w * omega[data["forecaster"]] - rho * data["stale"])
        total = _by_snapshot(weight, data) + k0
        pooled = _by_snapshot(weight * data["z"], data) / total
        slope = pt.exp(log_gamma[data["domain"]])
        centre = alpha[data["domain"]] + slope * pooled
        variance = v0 * slope**2 / total
        logit = centre / pt.sqrt(1.0 + (math.pi / 8.0) * variance)
        likelihood = data["outcome"] * logit - pt.softplus(logit)
        pm.Potential("outcomes", pt.sum(data["weight"] * likelihood))
    return model


def _by_snapshot(values: Any, data: dict[str, Any]) -> Any:
    """Return the sums of rows by snapshot; a snapshot's rows are adjacent."""
    running = pt.concatenate([pt.zeros(1), pt.cumsum(values)])
    return running[data["end"]] - running[data["start"]]


def _room(size: int, steps: tuple[int, ...]) -> int:
    fitting = [step for step in steps if step >= size]
    return fitting[0] if fitting else 1 << (size - 1).bit_length()
