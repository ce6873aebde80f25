"""The pooling model as a PyMC graph. Importing this module imports PyMC, which takes seconds.

The graph is that of ``forecasting.live`` with a likelihood: the outcome of every resolved question,
weighted so that each question counts once however often it is shown. It is the model's definition;
a fit samples the same density from ``forecasting.density``, where it is written out by hand.
"""

import math
import warnings
from typing import Any

from forecasting.panel import Panel
from forecasting.pooling import GENERATOR
from forecasting.posterior import PRIORS, Priors
from forecasting.training import TrainingRows

with warnings.catch_warnings():
    # ArviZ announces its own refactoring on every import.
    warnings.simplefilter("ignore", FutureWarning)
    import pymc as pm
    import pytensor.tensor

pt: Any = pytensor.tensor  # most of its functions carry no types
_DATA = ("forecaster", "said", "stale", "start", "end", "domain", "outcome", "weight")


def build_model(rows: TrainingRows | Panel, priors: Priors = PRIORS) -> pm.Model:
    """Build the graph over a panel's resolved questions.

    Free variables: ``t_w``, ``rho``, ``k0``, ``v0``, ``g0``, ``a0``, ``log_gamma`` and ``alpha`` by
    domain, ``omega`` by forecaster; the last three have room for more than there are, and what is
    not used keeps its prior. Domains are centred on g0 and a0, which mixes better than offsets as
    soon as a domain has a few dozen resolved questions.
    """
    rows = TrainingRows.of(rows) if isinstance(rows, Panel) else rows
    with pm.Model(
        coords={"forecaster_name": rows.forecasters, "domain_name": rows.domains}
    ) as model:
        data = {name: pm.Data(name, getattr(rows, name)) for name in _DATA}
        t_w = pm.HalfNormal("t_w", priors.t_w)
        rho = pm.Exponential("rho", priors.rho)
        k0 = pm.LogNormal("k0", priors.k0_mean, priors.k0_sd)
        v0 = pm.HalfNormal("v0", priors.v0)
        g0 = pm.Normal("g0", priors.g0_mean, priors.g0_sd)
        a0 = pm.Normal("a0", priors.a0_mean, priors.a0_sd)
        log_gamma = pm.Normal("log_gamma", g0, priors.gamma_sd, dims="domain_name")
        alpha = pm.Normal("alpha", a0, priors.alpha_sd, dims="domain_name")
        omega = pm.Normal("omega", dims="forecaster_name")

        weight = pt.exp(t_w * omega[data["forecaster"]] - rho * data["stale"])
        total = _by_snapshot(weight, data) + k0
        pooled = pt.arctanh(_by_snapshot(weight * data["said"], data) / total) / GENERATOR
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
