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
