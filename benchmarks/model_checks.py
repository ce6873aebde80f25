"""Calibration of the model's draws and intervals on panels simulated from the model.

Run ``python benchmarks/model_checks.py`` for 100 panels (many minutes), ``--panels 5`` for a look;
``--plots FOLDER`` says where the pictures go. Parameters are drawn from the priors, outcomes from
the model given them, and the fit to those outcomes is held against the parameters: their ranks
among the draws should be uniform (Talts et al. 2018, arXiv:1804.06788), and 80% of the intervals of
open questions should cover.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats

from forecasting import charts
from forecasting.fit import FitRefused, fit
from forecasting.live import LEVEL, aggregate
from forecasting.posterior import Posterior
from forecasting.simulate import Check, check


def prior_predictive() -> None:
    print("prior predictive of a question's own probability: deciles for a crowd of 8")
    prior = Posterior.prior(draws=4000)
    names = [f"f{index}" for index in range(8)]
    for belief in (0.5, 0.7, 0.9):
        deciles = [
            aggregate(prior, names, np.full(8, belief), level=abs(2.0 * share - 1.0) or 1e-9)
            for share in np.arange(1, 10) / 10
        ]
        ends = [one.upper if index > 4 else one.lower for index, one in enumerate(deciles)]
        print(f"  all say {belief}: {np.round(ends, 2).tolist()}")


def report(found: list[Check], refused: int) -> dict[str, list[float]]:
    covered = np.concatenate([one.covered for one in found])
    print(f"{len(found)} panels, {refused} refused")
    print(f"intervals of {LEVEL:.0%} covered {covered.mean():.3f} of {covered.size} questions")
    ranks = {
        name: np.concatenate([one.ranks[name] for one in found]).tolist() for name in found[0].ranks
    }
    for name, values in ranks.items():
        p_value = stats.kstest(values, "uniform").pvalue
        inside = np.mean(np.abs(np.array(values) - 0.5) < LEVEL / 2.0)
        print(f"  {name:6s} p of uniform ranks {p_value:.3f}, {LEVEL:.0%} interval: {inside:.2f}")
    return ranks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", type=int, default=100)
    parser.add_argument("--plots", type=Path, default=Path("var/model-checks"), metavar="FOLDER")
    asked = parser.parse_args()
    prior_predictive()
    found, refused = [], 0
    for number in range(asked.panels):
        try:
            found.append(check(seed=number, fit=partial(fit, seed=number)))
        except FitRefused as refusal:
            refused += 1
            print(f"  panel {number}: {refusal.reason}")
        print(f"  {number + 1} of {asked.panels}", end="\r", flush=True)
    if not found:
        raise SystemExit("every fit was refused")
    ranks = report(found, refused)
    asked.plots.mkdir(parents=True, exist_ok=True)
    charts.write(charts.ranks(ranks), asked.plots / "ranks.png")
    print(f"ranks drawn in {asked.plots / 'ranks.png'}")


if __name__ == "__main__":
    main()
