"""The rows from which the pooling model learns."""

from dataclasses import dataclass

import numpy as np

from forecasting.arrays import FloatArray, IntArray
from forecasting.panel import Panel
from forecasting.pooling import log_odds, staleness


@dataclass(frozen=True, eq=False, slots=True)
class TrainingRows:
    """A panel's snapshots as the model takes them, in an order set by names alone.

    Attributes:
        forecasters: names, those with a forecast in some snapshot, sorted.
        domains: names, those with a resolved question, sorted.
        forecaster: index, ``(row,)``.
        z: clipped log-odds in nats, ``(row,)``.
        stale: log(n / rank), ``(row,)``.
        start: first row of each snapshot, ``(snapshot,)``.
        end: one past its last row, ``(snapshot,)``.
        domain: index, ``(snapshot,)``.
        outcome: 0 or 1, ``(snapshot,)``.
        weight: one over the number of the question's snapshots, ``(snapshot,)``.
        questions: how many questions there are.
    """

    forecasters: tuple[str, ...]
    domains: tuple[str, ...]
    forecaster: IntArray
    z: FloatArray
    stale: FloatArray
    start: IntArray
    end: IntArray
    domain: IntArray
    outcome: FloatArray
    weight: FloatArray
    questions: int

    @classmethod
    def of(cls, panel: Panel) -> "TrainingRows":
        """Take the resolved questions of a panel."""
        shown = panel.snapshots()
        names = np.array(panel.questions, dtype=str)[shown.question]
        order = np.argsort(names, kind="stable")
        people, domains = np.array(panel.forecasters, dtype=str), np.array(panel.domains, dtype=str)
        rows, stale = [], []
        for snapshot in order:
            part = np.arange(shown.start[snapshot], shown.end[snapshot])
            part = part[np.argsort(people[shown.forecaster[part]])]
            time = shown.time[part]
            rows.append(part)
            stale.append(staleness(None if np.isnan(time).any() else time, time.size))
        taken = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        known, forecaster = np.unique(people[shown.forecaster[taken]], return_inverse=True)
        groups, domain = np.unique(
            domains[panel.domain[shown.question[order]]], return_inverse=True
        )
        end = np.cumsum([part.size for part in rows], dtype=np.int64)
        return cls(
            forecasters=tuple(known.tolist()),
            domains=tuple(groups.tolist()),
            forecaster=forecaster.astype(np.int64),
            z=log_odds(shown.probability[taken]),
            stale=np.concatenate(stale) if stale else np.empty(0),
            start=np.concatenate([[0], end]).astype(np.int64)[: end.size],
            end=end,
            domain=domain.astype(np.int64),
            outcome=shown.outcome[order],
            weight=shown.weight[order],
            questions=int(np.unique(shown.question).size),
        )
