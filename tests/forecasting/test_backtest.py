"""Backtests: that nothing leaks, that all methods answer the same, and the figures of the table."""

import csv
import dataclasses
import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecasting.backtest import Backtest, Row, backtest
from forecasting.fit import FitRefused
from forecasting.panel import Panel, PanelQuestion
from forecasting.pooling import POOLS, pool
from forecasting.posterior import Posterior
from forecasting.scores import log_score
from forecasting.simulate import simulate
from forecasting.trained_pools import LEARNED

pytestmark = pytest.mark.slow

module = importlib.import_module("forecasting.backtest")


@pytest.fixture
def learned_from(monkeypatch: pytest.MonkeyPatch) -> list[Panel]:
    """What each fit was given; the fits themselves are the prior."""
    seen: list[Panel] = []

    def fit(panel: Panel, *, seed: int, progress: Any) -> Posterior:
        del progress
        seen.append(panel)
        return Posterior.prior(seed=seed)

    monkeypatch.setattr(module, "fit", fit)
    return seen


def untimed(panel: Panel) -> Panel:
    nothing = np.full(panel.outcome.size, np.nan)
    return dataclasses.replace(
        panel,
        time=np.full(panel.time.size, np.nan),
        opens=nothing,
        closes=nothing,
        resolved=nothing,
    )


def test_a_replay_learns_only_from_what_was_known(learned_from: list[Panel]) -> None:
    panel = simulate(seed=1, questions=60, forecasters=6, per_question=6).panel
    found = backtest(panel, seed=0)
    assert found.kind == "replay"
    shares = np.arange(module.BLOCKS) / module.BLOCKS
    begins = np.quantile(panel.snapshots().at, shares, method="lower")
    assert len(learned_from) == begins.size
    for begin, known in zip(begins, learned_from, strict=True):
        assert known.time.max() <= begin
        assert (np.isfinite(known.outcome) == (panel.resolved <= begin)).all()
    assert np.isfinite(learned_from[-1].outcome).any()


def test_later_facts_never_change_an_earlier_answer(learned_from: list[Panel]) -> None:
    panel = simulate(seed=2, questions=40, forecasters=5, per_question=5).panel
    before = backtest(panel, seed=0)
    first = panel.snapshots().question == 0
    late = panel.question == 39
    changed = dataclasses.replace(
        panel,
        probability=np.where(late, 1.0 - panel.probability, panel.probability),
        outcome=np.where(np.arange(40) == 39, 1.0 - panel.outcome, panel.outcome),
    )
    after = backtest(changed, seed=0)
    for method, said in before.answers.items():
        assert after.answers[method][first] == pytest.approx(said[first], abs=0.0)


def test_folds_hide_the_outcomes_of_the_questions_asked(learned_from: list[Panel]) -> None:
    panel = untimed(simulate(seed=1, questions=23, forecasters=6, per_question=6).panel)
    found = backtest(panel, seed=0, folds=4)
    assert found.kind == "folds"
    hidden = np.array([np.isnan(known.outcome) for known in learned_from])
    assert hidden.shape == (4, 23)
    assert (hidden.sum(axis=0) == 1).all()
    assert found.weight.tolist() == [1.0] * 23


def test_horizons_of_one_question_share_a_fold(learned_from: list[Panel]) -> None:
    names = [f"base {index}|{horizon}" for index in range(8) for horizon in "ab"]
    panel = Panel.of(
        forecasts=[("ann", name, math.nan, math.inf, 0.4) for name in names],
        questions=[PanelQuestion(name, outcome=float(name[5] > "3")) for name in names],
    )
    backtest(panel, seed=0, folds=3)
    for known in learned_from:
        hidden = np.isnan(known.outcome).reshape(8, 2)
        assert (hidden[:, 0] == hidden[:, 1]).all()


def test_every_method_answers_every_question(learned_from: list[Panel]) -> None:
    panel = untimed(simulate(seed=5, questions=20, forecasters=4, per_question=4).panel)
    found = backtest(panel, seed=0)
    assert set(found.answers) == {"bayes", *POOLS, *LEARNED}
    assert all(np.isfinite(said).all() for said in found.answers.values())
    rows = panel.standing(7)
    assert found.answers["median"][7] == pool("median", panel.probability[rows])


def test_a_refused_fit_is_counted_and_the_prior_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: object, **__: object) -> Posterior:
        raise FitRefused("R-hat", {})

    monkeypatch.setattr(module, "fit", fit)
    panel = untimed(simulate(seed=5, questions=20, forecasters=4, per_question=4).panel)
    told: list[str] = []
    found = backtest(panel, seed=0, progress=told.append)
    assert found.refused == 5
    assert np.isfinite(found.answers["bayes"]).all()
    assert any("R-hat" in text for text in told)
    assert any("fold 1 of 5" in text for text in told)


def test_the_table_gives_means_and_paired_intervals(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    outcome = (random.random(200) < 0.5).astype(float)
    good = np.where(outcome == 1.0, 0.7, 0.3)
    found = Backtest(
        kind="folds",
        answers={"bayes": good, "mean": np.full(200, 0.5)},
        outcome=outcome,
        weight=np.ones(200),
        cluster=np.array([str(index) for index in range(200)]),
        refused=0,
        seed=0,
    )
    best, worst = found.rows()
    assert (best.method, worst.method) == ("bayes", "mean")
    assert best.log == pytest.approx(-math.log(0.7))
    assert best.brier == pytest.approx(0.09)
    assert worst.behind == pytest.approx(math.log(2.0) + math.log(0.7))
    # Every question differs by the same, so resampling cannot move the mean.
    assert worst.lower == pytest.approx(worst.behind)
    assert worst.upper == pytest.approx(worst.behind)
    found.write(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == list(Row.__slots__)
    assert float(table[0]["log"]) == best.log


def test_the_interval_resamples_questions_and_not_answers() -> None:
    """Five equal answers on each question give the interval of one."""
    random = np.random.default_rng(1)
    outcome = (random.random(50) < 0.6).astype(float)
    said = random.uniform(0.2, 0.8, 50)

    def interval(times: int) -> tuple[float, float]:
        row = Backtest(
            kind="folds",
            answers={"bayes": np.full(50 * times, 0.5), "mean": np.repeat(said, times)},
            outcome=np.repeat(outcome, times),
            weight=np.full(50 * times, 1.0 / times),
            cluster=np.repeat(np.arange(50).astype(str), times),
            refused=0,
            seed=3,
        ).rows()
        mean = next(each for each in row if each.method == "mean")
        return mean.lower, mean.upper

    assert interval(5) == pytest.approx(interval(1))
    excess = log_score(said, outcome) - math.log(2.0)
    half = 1.96 * excess.std() / math.sqrt(50)
    assert interval(1) == pytest.approx(
        (excess.mean() - half, excess.mean() + half), abs=0.3 * half
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"folds": 1}, "at least 2"),
        ({"kind": "guess"}, "replay or folds"),
        ({"kind": "replay"}, "no replay"),
    ],
)
def test_what_cannot_be_tested_is_refused(change: dict[str, Any], sentence: str) -> None:
    panel = untimed(simulate(seed=5, questions=20, forecasters=4, per_question=4).panel)
    with pytest.raises(ValueError, match=sentence):
        backtest(panel, seed=0, **change)


def test_one_resolved_question_is_not_enough() -> None:
    panel = simulate(seed=5, questions=2, open_share=0.5).panel
    with pytest.raises(ValueError, match="at least 2 resolved"):
        backtest(panel, seed=0)
