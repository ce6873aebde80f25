"""Panels whose truth is known, for tests of the model and for planning a tournament."""

from dataclasses import dataclass

import numpy as np

from forecasting.arrays import FloatArray
from forecasting.panel import Panel, PanelQuestion
from forecasting.pooling import logistic

DAY = 86_400.0
LIFE_DAYS = 30.0


@dataclass(frozen=True, eq=False, slots=True)
class Simulation:
    """A panel and what it was made from.

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
        seed: of everything.
        questions: how many.
        forecasters: how many, with noise from 0.3 to 2 nats.
        per_question: forecasters on each question, chosen at random.
        updates: forecasts that each of them makes, at random moments of the question's life.
        domains: how many; questions take turns.
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
    order = [names.index(name) for name in panel.forecasters]
    return Simulation(panel, truth, noise[order])


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


def opinions(*, seed: int, questions: int, forecasters: int, per_question: int) -> Opinions:
    """Make forecasters whose outcomes are exactly Bernoulli(logistic(intercept + slope z)).

    Evidence of strength D makes honest log-odds c ~ N(±D² / 2, D²), + where the answer is yes, for
    questions that are even a priori; a forecaster says z = (c - intercept) / slope. Half of the
    variance of c is common to those who forecast the same question. Intercepts are N(0.2, 0.4²),
    slopes N(1, 0.25²) and at least 0.4, D 0.8 to 1.2 times the slope.

    Args:
        seed: of everything.
        questions: how many.
        forecasters: how many.
        per_question: forecasters on each question, chosen at random.
    """
    random = np.random.default_rng(seed)
    intercept = random.normal(0.2, 0.4, forecasters)
    slope = np.maximum(random.normal(1.0, 0.25, forecasters), 0.4)
    strength = slope * random.uniform(0.8, 1.2, forecasters)
    outcome = random.integers(0, 2, questions).astype(np.float64)
    rows = []
    for index in range(questions):
        common = random.normal()
        for person in random.choice(forecasters, min(per_question, forecasters), replace=False):
            noise = np.sqrt(0.5) * (common + random.normal())
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
