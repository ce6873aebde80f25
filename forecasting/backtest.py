"""Backtests without leakage: all methods train on the same past and answer the same questions.

If questions have calendar times and known resolution times, the past is replayed: each question is
answered at fixed shares of its open window, by methods trained only on forecasts and resolutions
known at the start of that block of time. Otherwise questions are split into folds, and the final
forecasts of each fold are pooled by methods trained on the other folds. Questions whose names agree
before a ``|`` are horizons of one question: they share a fold and are resampled together.
"""

import csv
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from forecasting.calibration import reliability
from forecasting.dependence import cluster
from forecasting.files import replacing
from forecasting.fit import FitRefused, fit
from forecasting.live import aggregate
from forecasting.panel import Panel
from forecasting.pooling import POOLS, pool
from forecasting.posterior import Posterior
from forecasting.scores import brier, log_score
from forecasting.trained_pools import LEARNED, Crowd, Learned
from forecasting.types import FloatArray, IntArray

BLOCKS = 7
RESAMPLES = 2000
MODEL = "bayes"
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one method.

    Attributes:
        method: its name, "bayes" for the pooling model.
        questions: number of questions answered.
        log: mean log score in nats, clipped at 0.001, lower better; each question has weight 1.
        brier: mean squared error, in [0, 1], lower better.
        slope: slope of logistic recalibration; above 1 is underconfident.
        intercept: intercept of the same, in nats.
        expected_calibration_error: in [0, 1].
        behind: mean log score minus that of the model; above 0 the model is better.
        lower: lower end of the 95% interval of ``behind``, clustered by question.
        upper: its upper end.
    """

    method: str
    questions: int
    log: float
    brier: float
    slope: float
    intercept: float
    expected_calibration_error: float
    behind: float
    lower: float
    upper: float


@dataclass(frozen=True, eq=False, slots=True)
class Backtest:
    """The answers of every method to the same questions.

    Attributes:
        kind: "replay" or "folds".
        answers: probability of YES by method, each ``(answer,)``.
        outcome: 0 or 1, ``(answer,)``.
        weight: one over the number of the question's answers, ``(answer,)``.
        cluster: cluster of dependent questions, ``(answer,)``.
        refused: number of refused fits; the previous posterior stayed in use.
        seed: of the resampling.
    """

    kind: str
    answers: Mapping[str, FloatArray]
    outcome: FloatArray
    weight: FloatArray
    cluster: NDArray[np.str_]
    refused: int
    seed: int

    def rows(self) -> list[Row]:
        """Return a row for each method, the best log score first."""
        rows = [self._row(method) for method in self.answers]
        return sorted(rows, key=lambda row: row.log)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as CSV with a header.

        Raises:
            OSError: a file that cannot be written.
        """
        with (
            replacing(path) as (unfinished,),
            unfinished.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(Row.__slots__)
            for row in self.rows():
                writer.writerow([getattr(row, name) for name in Row.__slots__])

    def _row(self, method: str) -> Row:
        said, share = self.answers[method], self.weight / self.weight.sum()
        log = log_score(said, self.outcome)
        excess = log - log_score(self.answers[MODEL], self.outcome)
        found = reliability(said, self.outcome, cluster=self.cluster)
        lower, upper = self._interval(excess)
        return Row(
            method=method,
            questions=round(self.weight.sum()),
            log=float(share @ log),
            brier=float(share @ brier(said, self.outcome)),
            slope=found.slope,
            intercept=found.intercept,
            expected_calibration_error=found.expected_calibration_error,
            behind=float(share @ excess),
            lower=lower,
            upper=upper,
        )

    def _interval(self, excess: FloatArray) -> tuple[float, float]:
        """Return the percentile interval of a weighted mean, resampling whole clusters."""
        _, group = np.unique(self.cluster, return_inverse=True)
        total, size = np.bincount(group, self.weight * excess), np.bincount(group, self.weight)
        random = np.random.default_rng(self.seed)
        drawn = random.integers(0, size.size, (RESAMPLES, size.size))
        means = total[drawn].sum(axis=1) / size[drawn].sum(axis=1)
        tails = [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0]
        lower, upper = np.quantile(means, tails)
        return float(lower), float(upper)


def backtest(
    panel: Panel,
    *,
    seed: int,
    folds: int = 5,
    kind: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Backtest:
    """Answer the resolved questions of a panel by every pool and the model, without leakage.

    Args:
        panel: forecasts and outcomes.
        seed: of the folds, the fits and the resampling.
        folds: number of folds if the past cannot be replayed.
        kind: "replay" or "folds"; by default a replay wherever one is possible.
        progress: called with a description of each block or fold and stage of its fit.

    Raises:
        ValueError: fewer than two clusters of resolved questions that were forecast, fewer than
            two folds, or a replay of a panel without calendar times.
    """
    asked = panel.snapshots()
    possible = _can_be_replayed(panel)
    kind = kind or ("replay" if possible else "folds")
    if kind not in {"replay", "folds"} or folds < 2:  # noqa: PLR2004 - one fold has no other
        raise ValueError(f"kind {kind!r} with {folds} folds: replay or folds, at least 2 of them")
    if kind == "replay" and not possible:
        raise ValueError(
            "no replay: every resolved question needs a resolve_time and calendar times"
        )
    if np.unique(_clusters(panel, asked.question)).size < 2:  # noqa: PLR2004 - one leaves no other
        raise ValueError("a backtest needs at least 2 resolved questions that were forecast")
    tell = progress or (lambda _: None)
    if kind == "folds":
        asked = panel.snapshots(())
        parts = _folds(panel, asked.question, folds, seed)
    else:
        parts = _blocks(panel, asked.at)
    answers: dict[str, FloatArray] = {}
    refused = 0
    posterior = Posterior.prior(seed=seed)
    for step, (label, known, part) in enumerate(parts, start=1):
        tell(f"{label}: {part.size} answers")
        try:
            posterior = fit(known, seed=seed + step, progress=tell)
        except FitRefused as refusal:
            tell(f"fit refused, the previous one stays in use: {refusal.reason}")
            refused += 1
            posterior = posterior if kind == "replay" else Posterior.prior(seed=seed)
        methods = _methods(known, posterior)
        for snapshot in part.tolist():
            crowd = Crowd.of(panel, asked, snapshot)
            for name, method in methods.items():
                said = answers.setdefault(name, np.full(asked.question.size, np.nan))
                said[snapshot] = method(crowd)
    return Backtest(
        kind=kind,
        answers=answers,
        outcome=asked.outcome,
        weight=asked.weight,
        cluster=_clusters(panel, asked.question),
        refused=refused,
        seed=seed,
    )


def _methods(known: Panel, posterior: Posterior) -> dict[str, Learned]:
    """Return every method by name, trained on a panel."""
    methods: dict[str, Learned] = {MODEL: partial(_pooled, posterior)}
    methods |= {name: partial(_ruled, name) for name in POOLS}
    return methods | {name: learn(known) for name, learn in LEARNED.items()}


def _pooled(posterior: Posterior, crowd: Crowd) -> float:
    return aggregate(
        posterior, crowd.forecasters, crowd.probability, crowd.time, domain=crowd.domain
    ).probability


def _ruled(name: str, crowd: Crowd) -> float:
    return pool(name, crowd.probability, crowd.time)


def _can_be_replayed(panel: Panel) -> bool:
    resolved = ~np.isnan(panel.outcome)
    timed = panel.time.size > 0 and not np.isnan(panel.time).any() and not panel.rounds
    return bool(timed and np.isfinite(panel.resolved[resolved]).all())


def _clusters(panel: Panel, question: IntArray) -> NDArray[np.str_]:
    return np.array([cluster(panel.questions[index]) for index in question], dtype=str)


def _folds(
    panel: Panel, question: IntArray, folds: int, seed: int
) -> Iterator[tuple[str, Panel, IntArray]]:
    """Yield a label, the panel without the outcomes of a fold, and the fold's answers."""
    names, cluster = np.unique(_clusters(panel, question), return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(names.size) % folds)[cluster]
    for number in np.unique(fold).tolist():
        part = np.flatnonzero(fold == number)
        outcome = panel.outcome.copy()
        outcome[question[part]] = math.nan
        yield f"fold {number + 1} of {folds}", replace(panel, outcome=outcome), part


def _blocks(panel: Panel, at: FloatArray) -> Iterator[tuple[str, Panel, IntArray]]:
    """Yield a label, the panel as known when a block of time begins, and the block's answers.

    A question shown only with its final forecasts belongs to the first block, before which nothing
    was known of it.
    """
    moment = np.where(np.isnan(at), -math.inf, at)
    begins = np.unique(np.quantile(at[~np.isnan(at)], np.arange(BLOCKS) / BLOCKS, method="lower"))
    for number, begin in enumerate(begins.tolist()):
        end = begins[number + 1] if number + 1 < begins.size else math.inf
        part = np.flatnonzero((moment < end) & ((moment >= begin) | (number == 0)))
        yield f"block {number + 1} of {begins.size}", panel.as_known_at(begin), part
