"""The learned pools: what each learns from simulated and hand-made panels."""

import math

import numpy as np
import pytest

from forecasting.panel import Panel, PanelQuestion
from forecasting.pooling import log_odds, logistic
from forecasting.simulate import simulate
from forecasting.trained_pools import LEARNED, Crowd

DAY = 86_400.0


def crowd(panel: Panel, snapshot: int) -> Crowd:
    return Crowd.of(panel, panel.snapshots(), snapshot)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return simulate(seed=3, questions=300, forecasters=10, per_question=10).panel


def known(outcomes: list[int], said: dict[str, list[float]]) -> Panel:
    """A panel without times in which everyone forecasts every question."""
    return Panel.of(
        forecasts=[
            (name, f"q{index}", math.nan, math.inf, probability)
            for name, row in said.items()
            for index, probability in enumerate(row)
        ],
        questions=[
            PanelQuestion(f"q{index}", outcome=float(value)) for index, value in enumerate(outcomes)
        ],
    )


@pytest.mark.parametrize("name", LEARNED)
def test_with_nothing_resolved_every_pool_still_answers(name: str) -> None:
    panel = simulate(seed=1, questions=6, open_share=1.0).panel
    rows = panel.standing(0)
    asked = Crowd(
        [panel.forecasters[who] for who in panel.forecaster[rows]],
        panel.probability[rows],
        panel.time[rows],
        "",
        np.zeros(rows.size),
    )
    answer = LEARNED[name](panel)(asked)
    assert panel.probability[rows].min() <= answer <= panel.probability[rows].max()


@pytest.mark.parametrize("name", LEARNED)
def test_answers_are_probabilities(name: str, panel: Panel) -> None:
    pool = LEARNED[name](panel)
    assert all(0.0 <= pool(crowd(panel, snapshot)) <= 1.0 for snapshot in range(20))


def test_extremising_solves_its_equation(panel: Panel) -> None:
    """At the learned factor the slope of the penalised likelihood, by differences, is zero."""
    shown = panel.snapshots()
    means = np.array(
        [
            log_odds(shown.probability[start:end]).mean()
            for start, end in zip(shown.start, shown.end, strict=True)
        ]
    )

    def loss(factor: float) -> float:
        logit = factor * means
        terms = shown.outcome * logit - np.logaddexp(0.0, logit)
        return float(shown.weight @ terms - 0.5 * (factor - 1.0) ** 2)

    first = crowd(panel, 0)
    learned = LEARNED["learned_extremising"](panel)(first)
    factor = float(log_odds(learned, 1e-12) / log_odds(first.probability).mean())
    assert abs(loss(factor + 1e-4) - loss(factor - 1e-4)) / 2e-4 < 1e-3


def test_recalibration_learns_a_shift() -> None:
    panel = known([1] * 40 + [0] * 10, {"ann": [0.5] * 50, "bob": [0.5] * 50})
    answer = LEARNED["recalibrated_log_odds"](panel)(crowd(panel, 0))
    # The shift maximises 40 s - 50 log(1 + e^s) - s²/2: 40 - 50 logistic(s) = s.
    shift = float(log_odds(answer))
    assert 40.0 - 50.0 * float(logistic(shift)) == pytest.approx(shift, abs=1e-9)


def test_brier_weights_are_one_over_the_shrunk_score() -> None:
    panel = known([1, 1], {"ann": [0.9, 0.9], "bob": [0.5, 0.5]})
    typical = (2 * 0.01 + 2 * 0.25) / 4
    ann, bob = ((2 * error + 5 * typical) / 7 for error in (0.01, 0.25))
    expected = (0.9 / ann + 0.5 / bob) / (1 / ann + 1 / bob)
    assert LEARNED["brier_weighted"](panel)(crowd(panel, 0)) == pytest.approx(expected)


def test_reputation_comes_from_peer_scores_and_ages() -> None:
    panel = known([1, 1, 1], {"ann": [0.9] * 3, "bob": [0.3] * 3, "eve": [0.6] * 3})
    peer = {"ann": 0.0, "eve": 0.0}
    for name, own, others in (("ann", 0.9, (0.3, 0.6)), ("eve", 0.6, (0.9, 0.3))):
        peer[name] = 3 * 100.0 * (math.log(own) - sum(map(math.log, others)) / 2)
    age = {"ann": 0.2, "bob": 0.0, "eve": 0.0}
    weight = {
        name: (math.exp(-age[name]) * max(peer.get(name, 0.0) / 33.0, 1e-6)) ** 3 for name in age
    }
    said = {"ann": 0.9, "bob": 0.3, "eve": 0.6}
    expected = sum(weight[name] * said[name] for name in said) / sum(weight.values())
    asked = Crowd(list(said), np.array(list(said.values())), None, "", np.array(list(age.values())))
    assert LEARNED["reputation_weighted"](panel)(asked) == pytest.approx(expected)


def test_the_age_of_a_forecast_is_a_share_of_the_scheduled_life() -> None:
    panel = Panel.of(
        forecasts=[("ann", "q", 2.0 * DAY, math.inf, 0.4)],
        questions=[PanelQuestion("q", outcome=1.0, opens=0.0, closes=10.0 * DAY)],
    )
    ages = [crowd(panel, snapshot).age.tolist() for snapshot in range(4)]
    assert np.ravel(ages).tolist() == pytest.approx([0.1, 0.3, 0.5, 0.7])
