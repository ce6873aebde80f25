"""The time of a live aggregate and of a refit, with a plain baseline in the same run.

Run ``python benchmarks/model.py`` (live, mass refresh, refits of 20,000 forecasts, their growth,
and PyMC's own sampler with its defaults beside a refit of the same data), ``--live`` for the first
two, ``--large`` for a refit of a million forecasts alone (minutes, gigabytes), after a smaller one
that says how far its method is off.
"""

import argparse
import dataclasses
import resource
import tempfile
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from forecasting.fit import FitRefused, fit
from forecasting.live import Standing, aggregate, aggregate_many
from forecasting.panel import Panel
from forecasting.posterior import Posterior
from forecasting.simulate import simulate
from forecasting.trained_pools import Crowd


def best_of(task: Callable[[], object], repeats: int) -> float:
    """Return the CPU seconds of the fastest run, as on an idle core."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        task()
        seconds.append(time.process_time() - start)
    return min(seconds)


def crowded(forecasters: int) -> Posterior:
    random = np.random.default_rng(0)
    prior = Posterior.prior()
    return dataclasses.replace(
        prior,
        omega=random.normal(size=(prior.draws, forecasters)),
        forecasters=tuple(f"f{index}" for index in range(forecasters)),
    )


def measure_live() -> None:
    random = np.random.default_rng(1)
    print("forecasters  aggregate ms  np.median us  ratio")
    for size in (10, 100, 300, 1000):
        posterior = crowded(size)
        said, at = random.random(size), random.random(size)
        names = posterior.forecasters
        live = best_of(lambda p=posterior, n=names, s=said, a=at: aggregate(p, n, s, a), 30)
        plain = best_of(lambda s=said: np.median(s), 30)
        print(f"{size:11d}  {live * 1e3:12.2f}  {plain * 1e6:12.1f}  {live / plain:5.0f}")


def measure_many(questions: int) -> None:
    random = np.random.default_rng(2)
    posterior = crowded(1000)
    crowds = []
    for _ in range(questions):
        names = [f"f{index}" for index in random.choice(1000, 100, replace=False)]
        crowds.append(Standing(names, random.random(100), random.random(100)))
    seconds = best_of(lambda: aggregate_many(posterior, crowds), 1)
    plain = best_of(lambda: [np.median(np.asarray(crowd.probability)) for crowd in crowds], 1)
    print(
        f"{questions} questions of 100 forecasters: {seconds:.1f} s, "
        f"{seconds / plain:.0f} times their medians"
    )


def measure_refit(panel: Panel, label: str) -> tuple[float, Posterior | None]:
    """Print a warm refit by stage; return its CPU seconds and the accepted posterior."""
    people, questions = len(panel.forecasters), len(panel.questions)
    print(
        f"refit, {label}: {panel.time.size} forecasts, {people} forecasters, {questions} questions"
    )
    plain = best_of(lambda: np.median(panel.probability), 5)
    stages = [("rows", time.process_time(), time.perf_counter())]

    def note(text: str) -> None:
        stages.append((text, time.process_time(), time.perf_counter()))
        print(f"  {text}", flush=True)

    found = None
    try:
        found = fit(panel, seed=1, progress=note)
        diagnostics = found.metadata["diagnostics"]
    except FitRefused as refusal:
        diagnostics = f"refused: {refusal.reason}"
    note("end")
    for (text, cpu, wall), (_, cpu_end, wall_end) in pairwise(stages):
        print(
            f"  {text}: {cpu_end - cpu:.1f} CPU s, {wall_end - wall:.1f} s, "
            f"{(cpu_end - cpu) / plain:.0f} medians of the panel"
        )
    seconds = stages[-1][1] - stages[0][1]
    print(
        f"  in all: {seconds:.1f} CPU s, {stages[-1][2] - stages[0][2]:.1f} s; "
        f"most memory so far {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"
    )
    print(f"  {diagnostics}", flush=True)
    return seconds, found


def measure_growth() -> None:
    """Print the slope of log CPU seconds on log forecasts: 1 is linear growth."""
    sizes, seconds = [], []
    for questions, forecasters in ((550, 375), (1100, 750), (2200, 1500), (4400, 3000)):
        panel = crowd_of(questions, forecasters, seed=2)
        sizes.append(panel.time.size)
        seconds.append(measure_refit(without_times(panel), "growth")[0])
    slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    print(f"growth over {', '.join(map(str, sizes))} forecasts: slope {slope:.2f}", flush=True)


def measure_integrated_out() -> None:
    """Print the error of aggregates if most skills are integrated out instead of sampled."""
    panel = simulate(
        seed=1, questions=1000, forecasters=10_000, per_question=100, updates=1, domains=5
    ).panel
    last = panel.snapshots(())
    said = []
    for sampled in (10_000, 10_000, 2_000):
        start = time.process_time()
        posterior = fit(panel, seed=len(said), sampled=sampled)
        seconds = time.process_time() - start
        crowds = [Crowd.of(panel, last, snapshot) for snapshot in range(last.question.size)]
        answers = [
            aggregate(posterior, crowd.forecasters, crowd.probability, crowd.time).probability
            for crowd in crowds
        ]
        said.append(np.array(answers))
        print(
            f"{sampled} of {len(panel.forecasters)} skills sampled: {seconds:.0f} CPU s, "
            f"t_w {posterior.t_w.mean():.3f} ± {posterior.t_w.std():.3f}, "
            f"k0 {posterior.k0.mean():.2f} ± {posterior.k0.std():.2f}",
            flush=True,
        )
    for words, other in (("another seed", said[1]), ("most integrated out", said[2])):
        off = np.abs(other - said[0])
        print(f"off with {words}: median {np.median(off):.4f}, most {off.max():.4f}")


def measure_large() -> None:
    """Print a refit of a million forecasts by a hundred thousand forecasters, and its storage."""
    panel = simulate(
        seed=1,
        questions=10_000,
        forecasters=100_000,
        per_question=100,
        updates=1,
        domains=5,
    ).panel
    posterior = measure_refit(panel, "large")[1]
    if posterior is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "posterior"
        saved = best_of(lambda: posterior.save(path), 1)
        loaded = best_of(lambda: Posterior.load(path), 1)
        size = path.stat().st_size / 2**20
    print(f"  stored: {size:.0f} MiB, {saved:.1f} CPU s to save, {loaded:.1f} CPU s to load")


def measure_pymc() -> None:
    """Print a warm refit beside PyMC's own sampler, end to end, on the same model and data."""
    from forecasting.model import build_model, pm  # noqa: PLC0415 - imports PyMC

    panel = crowd_of(200, 100, seed=3)
    start = time.perf_counter()
    fit(panel, seed=1)
    ours = time.perf_counter() - start
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        pm.sample(model=build_model(panel), random_seed=1, progressbar=False)
    theirs = time.perf_counter() - start
    print(
        f"{panel.time.size} forecasts: refit {ours:.1f} s, PyMC's own sampler {theirs:.1f} s, "
        f"{theirs / ours:.1f} times as long",
        flush=True,
    )


def crowd_of(questions: int, forecasters: int, *, seed: int) -> Panel:
    return simulate(
        seed=seed,
        questions=questions,
        forecasters=forecasters,
        per_question=9,
        updates=1,
        domains=5,
    ).panel


def without_times(panel: Panel) -> Panel:
    unknown = np.full(len(panel.questions), np.nan)
    return dataclasses.replace(
        panel,
        time=np.full(panel.time.size, np.nan),
        opens=unknown,
        closes=unknown,
        resolved=unknown,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--live", action="store_true", help="only the live aggregates")
    parser.add_argument("--large", action="store_true", help="only the refit of a million")
    parser.add_argument("--questions", type=int, default=10_000, help="of the mass refresh")
    asked = parser.parse_args()
    if asked.large:
        measure_integrated_out()
        measure_large()
        return
    measure_live()
    measure_many(asked.questions)
    if not asked.live:
        fit(simulate(seed=1).panel, seed=1)  # imports and compiles
        measure_pymc()
        panel = crowd_of(2200, 1500, seed=1)
        measure_refit(without_times(panel), "untimed")
        measure_refit(panel, "timed")
        measure_growth()


if __name__ == "__main__":
    main()
