"""Simulated panels with known parameters, to test the model and plan tournaments."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecasting.live import aggregate
from forecasting.panel import Panel, PanelQuestion
from forecasting.pooling import logistic
from forecasting.posterior import DRAWS, Posterior
from forecasting.training import TrainingRows
from forecasting.types import FloatArray

DAY = 86_400.0
LIFE_DAYS = 30.0


@dataclass(frozen=True, eq=False, slots=True)
class Simulation:
    """A simulated panel and its parameters.

    Attributes:
        panel: forecasts and outcomes.
        log_odds: the true log-odds of every question in nats, ``(question,)``.
        noise: standard deviation of every forecaster's error in nats, ``(forecaster,)``; small is
            skilled. It follows ``panel.forecasters``.
    """

    panel: Panel
    log_odds: FloatArray
    noise: FloatArray


def simulate(
    *,
    seed: int,
    questions: int = 120,
    forecasters: int = 12,
    per_question: int = 8,
    updates: int = 2,
    domains: int = 1,
    open_share: float = 0.0,
) -> Simulation:
    """Make a panel in which forecasters differ in skill and later forecasts know more.

    A question's true log-odds are N(0, 1.5²). Each forecast is the truth, shrunk by half, plus
    noise of the forecaster's own size, a third smaller at each update. Questions last 30 days,
    one opening each day.

    Args:
        seed: seed of the simulation.
        questions: number of questions.
        forecasters: number of forecasters, with noise from 0.3 to 2 nats.
        per_question: forecasters on each question, chosen at random.
        updates: forecasts by each of them, at random times of the question's life.
        domains: number of domains, assigned to questions in turn.
        open_share: share of the questions, the last ones, whose outcome is left unknown.
    """
    random = np.random.default_rng(seed)
    truth = random.normal(0.0, 1.5, questions)
    outcome = (random.random(questions) < logistic(truth)).astype(np.float64)
    outcome[questions - round(open_share * questions) :] = np.nan
    noise = np.linspace(0.3, 2.0, forecasters)
    names = [f"forecaster {index:03d}" for index in range(forecasters)]
    rows, asked = [], []
    for index in range(questions):
        opens = index * DAY
        closes = opens + LIFE_DAYS * DAY
        resolved = closes if np.isfinite(outcome[index]) else np.nan
        name = f"question {index:04d}"
        domain = f"domain {index % domains}"
        asked.append(
            PanelQuestion(
                name,
                outcome=float(outcome[index]),
                opens=opens,
                closes=closes,
                resolved=resolved,
                domain=domain,
            )
        )
        for person in random.choice(forecasters, min(per_question, forecasters), replace=False):
            for step, at in enumerate(np.sort(random.uniform(opens, closes, updates))):
                error = noise[person] * (2.0 / 3.0) ** step * random.normal()
                said = float(logistic(0.5 * truth[index] + error))
                rows.append((names[person], name, float(at), np.inf, said))
    panel = Panel.of(forecasts=rows, questions=asked)
    own = dict(zip(names, noise.tolist(), strict=True))
    return Simulation(panel, truth, np.array([own[name] for name in panel.forecasters]))


@dataclass(frozen=True, eq=False, slots=True)
class Opinions:
    """A panel of forecasters whose calibration is known, following ``panel.forecasters``.

    Attributes:
        panel: one untimed forecast of each forecaster on a question, all resolved.
        intercept: of each forecaster's exact recalibration in nats, ``(forecaster,)``.
        slope: of the same, ``(forecaster,)``.
    """

    panel: Panel
    intercept: FloatArray
    slope: FloatArray


def opinions(
    *,
    seed: int,
    questions: int,
    forecasters: int,
    per_question: int,
    unlike: float = 1.0,
    common: float = 0.5,
) -> Opinions:
    """Make forecasters whose outcomes are exactly Bernoulli(logistic(intercept + slope z)).

    Evidence of strength D makes honest log-odds c ~ N(±D² / 2, D²), + where the answer is yes, for
    questions that are even a priori; a forecaster says z = (c - intercept) / slope. A share of the
    variance of c is common to those who forecast the same question. Intercepts are N(0.2, 0.4²),
    slopes N(1, 0.25²) and at least 0.4, D 0.8 to 1.2 times the slope.

    Args:
        seed: seed of the simulation.
        questions: number of questions.
        forecasters: number of forecasters.
        per_question: forecasters on each question, chosen at random.
        unlike: how many times as far as that intercepts and slopes are spread.
        common: that share, from 0 (each by themselves) to 1 (a herd).
    """
    random = np.random.default_rng(seed)
    intercept = random.normal(0.2, 0.4 * unlike, forecasters)
    slope = np.maximum(random.normal(1.0, 0.25 * unlike, forecasters), 0.4)
    strength = slope * random.uniform(0.8, 1.2, forecasters)
    outcome = random.integers(0, 2, questions).astype(np.float64)
    rows = []
    for index in range(questions):
        shared = random.normal()
        for person in random.choice(forecasters, min(per_question, forecasters), replace=False):
            noise = np.sqrt(common) * shared + np.sqrt(1.0 - common) * random.normal()
            honest = strength[person] * ((outcome[index] - 0.5) * strength[person] + noise)
            said = float(logistic((honest - intercept[person]) / slope[person]))
            rows.append((f"{person:04d}", f"{index:05d}", np.nan, np.inf, said))
    panel = Panel.of(
        forecasts=rows,
        questions=[
            PanelQuestion(f"{index:05d}", outcome=float(y)) for index, y in enumerate(outcome)
        ],
    )
    order = [int(name) for name in panel.forecasters]
    return Opinions(panel, intercept[order], slope[order])


def parameters(panel: Panel, *, seed: int) -> Posterior:
    """Draw every parameter of the model once from its priors, for the names of a panel.

    The answer is a posterior that is certain of them: every draw is the same. This imports PyMC,
    which takes seconds.
    """
    import pymc  # noqa: PLC0415 - takes seconds

    from forecasting.model import build_model  # noqa: PLC0415 - likewise

    rows = TrainingRows.of(panel)
    variables = build_model(rows).free_RVs
    drawn: dict[str, Any] = {}
    for variable, value in zip(variables, pymc.draw(variables, random_seed=seed), strict=True):
        logged = variable.name.startswith("log_")
        name = variable.name.removeprefix("log_")
        drawn[name] = np.repeat([np.exp(value) if logged else value], DRAWS, axis=0)
    return Posterior(
        **drawn, forecasters=rows.forecasters, domains=rows.domains, offset=rows.offset
    )


def answered(panel: Panel, truth: Posterior, *, seed: int) -> tuple[Panel, FloatArray]:
    """Simulate the outcomes of a panel of untimed forecasts from given model parameters.

    Returns the panel with its outcomes, and every question's own probability, ``(question,)``,
    drawn from what the live aggregate says of it given the parameters.
    """
    random = np.random.default_rng(seed)
    own = np.empty(len(panel.questions))
    for question in range(own.size):
        rows = panel.standing(question)
        place = random.random()
        said = aggregate(
            truth,
            [panel.forecasters[who] for who in panel.forecaster[rows]],
            panel.probability[rows],
            domain=panel.domains[panel.domain[question]],
            level=abs(2.0 * place - 1.0),
        )
        own[question] = said.upper if place > 0.5 else said.lower  # noqa: PLR2004 - the median
    outcome = (random.random(own.size) < own).astype(np.float64)
    return replace(panel, outcome=outcome), own


@dataclass(frozen=True, eq=False, slots=True)
class Check:
    """A fit compared with the parameters that generated its outcomes.

    Attributes:
        ranks: of each true parameter among the fit's draws, in (0, 1), by name; uniform over many
            checks if the fit is right (Talts et al. 2018, arXiv:1804.06788).
        covered: whether the credible interval covered an open question's own probability.
    """

    ranks: dict[str, FloatArray]
    covered: FloatArray


def check(
    *, seed: int, fit: Callable[[Panel], Posterior], questions: int = 120, forecasters: int = 8
) -> Check:
    """Simulate a panel from the model, fit its first two thirds, and compare.

    Raises:
        FitRefused: as the fit.
    """
    blank = opinions(seed=seed, questions=questions, forecasters=forecasters, per_question=6).panel
    truth = parameters(blank, seed=seed)
    panel, own = answered(blank, truth, seed=seed)
    known = panel.outcome.copy()
    known[questions * 2 // 3 :] = np.nan
    found = fit(replace(panel, outcome=known))
    rows = [truth.rows[name] for name in found.forecasters]
    ranks = {}
    for name, values in truth.arrays.items():
        right = values[0, rows] if name == "omega" else values[0]
        ranks[name] = np.atleast_1d((found.arrays[name] < right).mean(axis=0))
    covered = []
    for question in range(questions * 2 // 3, questions):
        standing = panel.standing(question)
        said = aggregate(
            found,
            [panel.forecasters[who] for who in panel.forecaster[standing]],
            panel.probability[standing],
            domain=panel.domains[panel.domain[question]],
        )
        covered.append(said.lower <= own[question] <= said.upper)
    return Check(ranks, np.array(covered, dtype=np.float64))
