"""How long a live aggregate and a refit take, beside a plain baseline measured in the same run.

Run ``python -m benchmarks.forecasting`` (live and refit), ``--live`` for the first alone, or
``--pymc`` to add PyMC's own sampler with its defaults.
"""

import argparse
import dataclasses
import time
import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from forecasting.fit import FitRefused, fit
from forecasting.live import Standing, aggregate, aggregate_many
from forecasting.posterior import Posterior
from forecasting.simulate import simulate


def best_of(task: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - start)
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


def measure_refit(*, with_pymc: bool) -> None:
    panel = simulate(seed=1, questions=1000, forecasters=200, per_question=10, updates=2).panel
    print(f"refit of {panel.time.size} forecasts by {len(panel.forecasters)} forecasters")
    plain = best_of(lambda: np.median(panel.probability), 5)
    for label in ("cold", "warm"):
        stages = [("imports", time.perf_counter())]
        try:
            fit(
                panel, seed=1, progress=lambda text, s=stages: s.append((text, time.perf_counter()))
            )
        except FitRefused as refusal:
            print(f"  refused: {refusal.reason}")
        stages.append(("end", time.perf_counter()))
        for (text, start), (_, end) in pairwise(stages):
            seconds = end - start
            print(f"  {label} {text}: {seconds:.1f} s, {seconds / plain:.0f} medians of the panel")
    if with_pymc:
        from forecasting.model import build_model, pm  # noqa: PLC0415 - imports PyMC

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.perf_counter()
            pm.sample(model=build_model(panel), random_seed=1, progressbar=False)
        print(f"  PyMC's own sampler: {time.perf_counter() - start:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--live", action="store_true", help="only the live aggregates")
    parser.add_argument("--pymc", action="store_true", help="also PyMC's own sampler")
    parser.add_argument("--questions", type=int, default=10_000, help="of the mass refresh")
    asked = parser.parse_args()
    measure_live()
    measure_many(asked.questions)
    if not asked.live:
        measure_refit(with_pymc=asked.pymc)


if __name__ == "__main__":
    main()
