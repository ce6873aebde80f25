"""Fitting the pooling model, and refusing fits that fail their diagnostics.

Importing this module is cheap; calling ``fit`` imports nutpie and Numba.
"""

import dataclasses
import os
import platform
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from forecasting.diagnostics import diagnose
from forecasting.live import aggregate
from forecasting.panel import Panel
from forecasting.posterior import DRAWS, PRIORS, Posterior, Priors
from forecasting.requirements import require_worker
from forecasting.thinning import representative
from forecasting.trained_pools import Crowd
from forecasting.training import TrainingRows
from forecasting.types import FloatArray

if TYPE_CHECKING:
    from forecasting.density import Density

MAX_R_HAT = 1.01
MIN_ESS = 400
TUNE = 300
KEPT = 1000
SAMPLED = 20_000

_ASKED = 100
"""Maximum number of snapshots for estimating the simulation error."""

_TOGETHER = 256
"""Number of forecasters whose draws are diagnosed at once."""

_ATTEMPTS = ((1, 0.9, 5), (2, 0.95, 10))
"""How many times the draws, what acceptance, and how deep a trajectory's doubling, in each try."""


class FitRefused(Exception):  # noqa: N818 - a refusal is a verdict on a fit, not a fault of the program
    """A fit that must not be used.

    Attributes:
        reason: the reason as one sentence.
        diagnostics: the decisive diagnostics, by name.
    """

    def __init__(self, reason: str, diagnostics: dict[str, Any]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.diagnostics = diagnostics


def fit(
    panel: Panel,
    *,
    seed: int,
    chains: int = 4,
    draws: int = KEPT,
    tune: int = TUNE,
    progress: Callable[[str], None] | None = None,
    drawn: Callable[[int, int], None] | None = None,
    priors: Priors = PRIORS,
    sampled: int = SAMPLED,
) -> Posterior:
    """Fit the pooling model to the resolved questions of a panel.

    The same data, seed and library versions give the same fingerprint, regardless of the order of
    the rows. Without resolved questions the result is the prior. A fit that fails its diagnostics
    is repeated once with twice the draws and smaller steps.

    Args:
        panel: forecasts and outcomes known at the time of the fit.
        seed: seed of the sampler.
        chains: number of independent chains; at least two, as R-hat requires.
        draws: draws kept per chain; about 400 in total are stored.
        tune: tuning draws per chain, discarded.
        progress: called with a short description of each stage.
        drawn: called twice a second, by another thread, with the number of sampled transitions and
            their total: tuning and draws of all chains of the current attempt.
        priors: priors of the parameters.
        sampled: maximum number of forecasters whose skill is sampled; for the others, with the
            least evidence, it is integrated out and drawn afterwards.

    Raises:
        FitRefused: R-hat above 1.01, fewer than 400 effective draws in bulk or tail, divergences,
            or a sampler that failed, after the second try.
        ValueError: fewer than two chains or no draws.
        WorkerNotInstalled: the extra ``worker`` is not installed.
    """
    if chains < 2 or draws < 1 or tune < 1:  # noqa: PLR2004 - one chain cannot disagree
        raise ValueError(f"{chains} chains of {tune} + {draws}: at least 2 of 1 + 1 are needed")
    require_worker()
    tell = progress or (lambda _: None)
    rows = TrainingRows.of(panel)
    made_of = {
        "data_hash": panel.data_hash,
        "seed": seed,
        "priors": dataclasses.asdict(priors),
        "versions": _versions(),
        "questions": rows.questions,
        "snapshots": int(rows.outcome.size),
        "dependence": {
            "within": round(rows.within, 4),
            "neighbours": round(rows.neighbours, 4),
        },
    }
    if not rows.outcome.size:
        prior = Posterior.prior(seed=seed).with_metadata(**made_of)
        return dataclasses.replace(prior, copies=rows.copies)

    tell("compiling")
    from forecasting.density import Density  # noqa: PLC0415 - imports Numba

    density = Density(rows, priors, sampled)
    if density.sampled < density.people:
        made_of["integrated_out"] = density.people - density.sampled
    density.evaluator()(density.start(seed))
    diagnostics: dict[str, Any] = {}
    reason = ""
    for attempt, (length, accept, depth) in enumerate(_ATTEMPTS, start=1):
        tell(f"sampling, attempt {attempt}")
        sample = _sample(
            density,
            drawn,
            seed=seed,
            chains=chains,
            draws=length * draws,
            tune=length * tune,
            target_accept=accept,
            maxdepth=depth,
        )
        tell("checking")
        diagnostics = _diagnose(density, sample) | {"attempt": attempt}
        reason = _fault(diagnostics)
        if not reason:
            posterior = _stored(density, sample, rows, made_of)
            diagnostics["monte_carlo_error"] = round(_monte_carlo_error(posterior, panel), 5)
            return posterior.with_metadata(diagnostics=diagnostics)
        del sample  # the next one needs the room
        tell(f"attempt {attempt} refused: {reason}")
    raise FitRefused(reason, diagnostics)


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class _Sample:
    """Draws of all chains; see ``forecasting.density`` for shared parameters and values.

    Attributes:
        shared: ``(chain, draw, parameter)``.
        values: of each chain, single precision, ``(draw, forecaster)``.
        divergences: how many transitions diverged.
    """

    shared: FloatArray
    values: list[Any]
    divergences: int


def _sample(
    density: "Density",
    drawn: Callable[[int, int], None] | None,
    *,
    seed: int,
    chains: int,
    draws: int,
    **settings: Any,
) -> _Sample:
    with warnings.catch_warnings():
        # ArviZ, which nutpie imports, announces its own refactoring on every import.
        warnings.simplefilter("ignore", FutureWarning)
        import nutpie  # noqa: PLC0415 - takes seconds

        from forecasting.native import BY_DRAWS, NativeModel  # noqa: PLC0415 - imports nutpie

    seeds = np.random.SeedSequence(seed).generate_state(chains, np.uint64)
    finished = [0] * chains

    def chain(number: int) -> tuple[FloatArray, Any, int]:
        def tell(done: int, of: int) -> None:
            finished[number] = done
            if drawn is not None:
                drawn(sum(finished), chains * of)

        # One call a chain: what it holds while it runs is many times what is kept of it.
        trace: Any = nutpie.sample(
            NativeModel({}, density, tell if drawn else None),
            chains=1,
            cores=1,
            draws=draws,
            seed=int(seeds[number]),
            progress_bar=False,
            return_raw_trace=True,
            store_unconstrained=True,
            **BY_DRAWS,
            **settings,
        )
        ((statistics,),) = trace.get_arrow_trace()[1:]
        return _kept(statistics, density.shared)

    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            kept = list(pool.map(chain, range(chains)))
    except Exception as error:
        raise FitRefused(f"the sampler failed: {error}", {}) from error
    except BaseException as error:
        # A panic of the sampler's own language is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise FitRefused(f"the sampler failed: {error}", {}) from error
    found = [shared.shape[0] for shared, _, _ in kept]
    if found != [draws] * chains:
        raise FitRefused(
            f"the sampler stopped after {len(found)} chains of {min(found, default=0)} draws; "
            f"{chains} of {draws} were asked for",
            {},
        )
    return _Sample(
        shared=np.stack([shared for shared, _, _ in kept]),
        values=[values for _, values, _ in kept],
        divergences=sum(diverged for _, _, diverged in kept),
    )


def _kept(statistics: Any, shared: int) -> tuple[FloatArray, Any, int]:
    """Return a chain's draws after tuning, shared and values, and how many of them diverged."""
    import pyarrow as pa  # noqa: PLC0415 - only fits pay for this import

    tuning = pa.array(statistics.column("tuning")).to_numpy(zero_copy_only=False)
    diverged = pa.array(statistics.column("diverging")).to_numpy(zero_copy_only=False)
    points = pa.array(statistics.column("unconstrained_draw")).flatten().to_numpy()
    points = points.reshape(tuning.size, -1)[int(tuning.sum()) :]
    return (
        points[:, :shared].copy(),
        points[:, shared:].astype(np.float32),
        int(diverged[~tuning].sum()),
    )


def _diagnose(density: "Density", sample: _Sample) -> dict[str, Any]:
    chains, draws = sample.shared.shape[:2]
    named = density.named(sample.shared)
    found = {name: [diagnose(values.reshape(chains, draws, -1))] for name, values in named.items()}
    t = sample.shared[..., 0]

    def of_part(first: int) -> dict[str, FloatArray]:
        part = slice(first, first + _TOGETHER)
        values = np.stack([each[:, part] for each in sample.values])
        return diagnose(density.omega(t, values, first))

    with ThreadPoolExecutor() as pool:
        found["omega"] = list(pool.map(of_part, range(0, density.sampled, _TOGETHER)))
    figures: dict[str, Any] = {}
    for name, key, worst in (
        ("max_r_hat", "r_hat", np.max),
        ("min_ess_bulk", "ess_bulk", np.min),
        ("min_ess_tail", "ess_tail", np.min),
    ):
        by_parameter = {
            parameter: float(worst(np.concatenate([each[key] for each in parts])))
            for parameter, parts in found.items()
        }
        choose = max if worst is np.max else min
        # A figure that is no number (draws that never moved) is the worst of all.
        bad = [parameter for parameter, value in by_parameter.items() if np.isnan(value)]
        parameter = bad[0] if bad else choose(by_parameter, key=by_parameter.__getitem__)
        figures[name] = None if bad else round(by_parameter[parameter], 4)
        figures[f"{name}_of"] = parameter
    return figures | {"divergences": sample.divergences}


def _fault(figures: dict[str, Any]) -> str:
    """Return the reason for refusing the fit, or ""."""
    if figures["divergences"]:
        return f"{figures['divergences']} divergent transitions; none are allowed"
    r_hat = figures["max_r_hat"]
    if r_hat is None or r_hat > MAX_R_HAT:
        return f"R-hat of {figures['max_r_hat_of']} is {r_hat}; at most {MAX_R_HAT} is allowed"
    for part in ("bulk", "tail"):
        size = figures[f"min_ess_{part}"]
        if size is None or size < MIN_ESS:
            of = figures[f"min_ess_{part}_of"]
            return f"{part} effective draws of {of} are {size}; at least {MIN_ESS} are needed"
    return ""


def _stored(
    density: "Density", sample: _Sample, rows: TrainingRows, metadata: dict[str, Any]
) -> Posterior:
    """Keep about DRAWS of the draws, as many of each chain, skill in single precision."""
    chains = len(sample.values)
    # The sign of the first parameter means nothing.
    points = np.concatenate([np.abs(sample.shared[..., :1]), sample.shared[..., 1:]], axis=-1)
    kept = np.stack([representative(of_chain, max(DRAWS // chains, 1)) for of_chain in points])
    shared = np.take_along_axis(sample.shared, kept[..., None], axis=1).reshape(-1, density.shared)
    omega: Any = np.empty((shared.shape[0], density.people), dtype=np.float32)
    random = np.random.default_rng(metadata["seed"])
    for chain, values in enumerate(sample.values):
        part = slice(chain * kept.shape[1], (chain + 1) * kept.shape[1])
        # A standard normal value each for those who were integrated out.
        others = random.standard_normal(
            (kept.shape[1], density.people - density.sampled), dtype=np.float32
        )
        drawn = density.omega(shared[part, 0], np.hstack([values[kept[chain]], others]))
        omega[part, density.order] = drawn
    return Posterior(
        **density.named(shared),
        omega=omega,
        forecasters=rows.forecasters,
        domains=rows.domains,
        copies=rows.copies,
        offset=rows.offset,
        metadata={"kind": "fit", "chains": chains} | metadata,
    )


def _monte_carlo_error(posterior: Posterior, panel: Panel) -> float:
    """Return how far aggregates are off because draws are finite: a root mean square, in [0, 1].

    An aggregate is about the mean of what the draws of each chain say alone, and chains are
    independent: their variance over their number is that of the mean. Averaged over at most
    ``_ASKED`` of the snapshots that were learned from.
    """
    shown = panel.snapshots()
    chosen = np.linspace(0, shown.question.size - 1, min(shown.question.size, _ASKED))
    crowds = [Crowd.of(panel, shown, snapshot) for snapshot in chosen.round().astype(int).tolist()]
    said = [
        [
            aggregate(
                chain, one.forecasters, one.probability, one.time, domain=one.domain
            ).probability
            for one in crowds
        ]
        for chain in map(posterior.chain, range(posterior.chains))
    ]
    return float(np.sqrt(np.var(said, axis=0, ddof=1).mean() / posterior.chains))


def _versions() -> dict[str, str]:
    libraries = ("numpy", "scipy", "pymc", "nutpie", "numba", "arviz")
    return {"python": platform.python_version()} | {name: version(name) for name in libraries}
