"""Whether the model's priors, draws and intervals are true, on panels made by the model itself.

Run ``python benchmarks/model_checks.py`` for 40 panels (many minutes), ``--panels 5`` for a look,
and ``--plot FILE.svg`` to draw the ranks. Parameters are drawn from the priors, outcomes from the
model given them, and the fit to those outcomes is held against the parameters: their ranks among
the draws should be uniform (Talts et al. 2018, arXiv:1804.06788), and 80% of
intervals should cover.
"""

import argparse
import dataclasses
import math

import numpy as np
from scipy import stats

from forecasting.fit import FitRefused, fit
from forecasting.live import aggregate
from forecasting.panel import Panel
from forecasting.pooling import log_odds, logistic
from forecasting.posterior import Posterior
from forecasting.simulate import simulate

SCALARS = ("t_w", "k0", "v0", "g0", "a0")
LEVEL = 0.8


def blank_panel(seed: int, questions: int, forecasters: int) -> Panel:
    """Return an untimed panel: one snapshot a question, so that the likelihood is exact."""
    panel = simulate(
        seed=seed, questions=questions, forecasters=forecasters, per_question=6, updates=1
    ).panel
    unknown = np.full(questions, np.nan)
    return dataclasses.replace(
        panel,
        time=np.full(panel.time.size, np.nan),
        opens=unknown,
        closes=unknown,
        resolved=unknown,
    )


def true_parameters(panel: Panel, seed: int) -> dict[str, np.ndarray]:
    """Draw every parameter once from the priors."""
    random = np.random.default_rng(seed)
    prior = Posterior.prior(seed=seed, draws=2)
    drawn = {name: getattr(prior, name)[0] for name in SCALARS}
    drawn["omega"] = random.normal(size=len(panel.forecasters))
    drawn["gamma"] = np.exp(drawn["g0"] + 0.3 * random.normal())
    drawn["alpha"] = drawn["a0"] + 0.25 * random.normal()
    return drawn


def latent_log_odds(panel: Panel, truth: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """Draw the log-odds of every question given the parameters."""
    random = np.random.default_rng(seed + 1)
    found = np.empty(len(panel.questions))
    for question in range(found.size):
        rows = panel.standing(question)
        weight = np.exp(truth["t_w"] * truth["omega"][panel.forecaster[rows]])
        total = weight.sum() + truth["k0"]
        pooled = weight @ log_odds(panel.probability[rows]) / total
        variance = truth["v0"] * truth["gamma"] ** 2 / total
        centre = truth["alpha"] + truth["gamma"] * pooled
        found[question] = random.normal(centre, math.sqrt(variance))
    return found


def prior_predictive() -> None:
    """Print the shares of the prior's probabilities by fifths for crowds of one belief."""
    prior = Posterior.prior(draws=4000)
    names = [f"f{index}" for index in range(8)]
    print("prior predictive of the question's own probability, shares by fifths")
    for belief in (0.5, 0.7, 0.9):
        total = 8.0 + prior.k0
        centre = prior.a0 + np.exp(prior.g0) * 8.0 * log_odds(belief) / total
        spread = np.exp(prior.g0) * np.sqrt(prior.v0 / total)
        drawn = logistic(np.random.default_rng(0).normal(centre, spread))
        shares = np.histogram(drawn, np.linspace(0.0, 1.0, 6))[0] / drawn.size
        mean = aggregate(prior, names, np.full(8, belief)).probability
        print(f"  crowd of 8 at {belief}: mean {mean:.2f}, {shares.round(2).tolist()}")


def check(panels: int) -> dict[str, list[float]]:
    """Return the rank of each true parameter among its draws, in (0, 1), and the coverage."""
    ranks: dict[str, list[float]] = {name: [] for name in (*SCALARS, "gamma", "alpha", "omega")}
    covered: list[float] = []
    refused = 0
    for number in range(panels):
        panel = blank_panel(number, questions=160, forecasters=8)
        truth = true_parameters(panel, 1000 + number)
        hidden = latent_log_odds(panel, truth, 2000 + number)
        outcome = np.random.default_rng(3000 + number).random(hidden.size) < logistic(hidden)
        known = outcome.astype(np.float64)
        known[100:] = np.nan
        try:
            found = fit(dataclasses.replace(panel, outcome=known), seed=number)
        except FitRefused as refusal:
            print(f"  panel {number}: {refusal.reason}")
            refused += 1
            continue
        order = [panel.forecasters.index(name) for name in found.forecasters]
        for name in SCALARS:
            ranks[name].append(float(np.mean(getattr(found, name) < truth[name])))
        ranks["gamma"].append(float(np.mean(found.gamma[:, 0] < truth["gamma"])))
        ranks["alpha"].append(float(np.mean(found.alpha[:, 0] < truth["alpha"])))
        ranks["omega"] += np.mean(found.omega < truth["omega"][order], axis=0).tolist()
        for question in range(100, hidden.size):
            rows = panel.standing(question)
            names = [panel.forecasters[who] for who in panel.forecaster[rows]]
            answer = aggregate(
                found,
                names,
                panel.probability[rows],
                domain=panel.domains[panel.domain[question]],
                level=LEVEL,
            )
            covered.append(answer.lower <= logistic(hidden[question]) <= answer.upper)
    print(f"{panels} panels, {refused} refused")
    print(f"intervals of {LEVEL:.0%} covered {np.mean(covered):.3f} of {len(covered)} questions")
    for name, values in ranks.items():
        p_value = stats.kstest(values, "uniform").pvalue
        inside = np.mean(np.abs(np.array(values) - 0.5) < LEVEL / 2.0)
        print(f"  {name:6s} p of uniform ranks {p_value:.2f}, {LEVEL:.0%} interval: {inside:.2f}")
    return ranks


def plot(ranks: dict[str, list[float]], path: str) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - only for the plot

    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots(2, 4)
    for axis, (name, values) in zip(axes.flat, ranks.items(), strict=True):
        axis.hist(values, bins=np.linspace(0.0, 1.0, 11), color="#4c78a8")
        axis.axhline(len(values) / 10.0, color="black", linewidth=1)
        axis.set_title(f"rank of {name}")
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", type=int, default=40)
    parser.add_argument("--plot", metavar="FILE")
    asked = parser.parse_args()
    prior_predictive()
    ranks = check(asked.panels)
    if asked.plot:
        plot(ranks, asked.plot)


if __name__ == "__main__":
    main()
