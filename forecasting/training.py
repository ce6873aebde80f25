"""The rows from which the pooling model learns."""

from dataclasses import dataclass

import numpy as np

from forecasting.arrays import FloatArray, IntArray
from forecasting.copies import copies
from forecasting.panel import Panel
from forecasting.pooling import log_odds, one_voice, staleness


@dataclass(frozen=True, eq=False, slots=True)
class TrainingRows:
    """A panel's snapshots as the model takes them, in an order set by names alone.

    Attributes:
        forecasters: names, those with a forecast in some snapshot, sorted; copies speak through
            one of them.
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
        copies: by name of a copy, the name that speaks for it.
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
    copies: dict[str, str]

    @classmethod
    def of(cls, panel: Panel) -> "TrainingRows":
        """Take the resolved questions of a panel."""
        shown = panel.snapshots()
        asked = np.array(panel.questions, dtype=str)[shown.question]
        order = np.argsort(asked, kind="stable")
        found = copies(panel)
        people = np.array([found.get(name, name) for name in panel.forecasters], dtype=str)
        names, voice = np.unique(people, return_inverse=True)
        spoken, z, stale = [], [], []
        for snapshot in order:
            part = slice(shown.start[snapshot], shown.end[snapshot])
            time = shown.time[part]
            who, said, moments = one_voice(
                voice[shown.forecaster[part]],
                log_odds(shown.probability[part]),
                None if np.isnan(time).any() else time,
            )
            spoken.append(who)
            z.append(said)
            stale.append(staleness(moments, who.size))
        nobody = np.empty(0, dtype=np.int64)
        known, forecaster = np.unique(np.concatenate([nobody, *spoken]), return_inverse=True)
        domains = np.array(panel.domains, dtype=str)
        groups, domain = np.unique(
            domains[panel.domain[shown.question[order]]], return_inverse=True
        )
        end = np.cumsum([who.size for who in spoken], dtype=np.int64)
        return cls(
            forecasters=tuple(names[known].tolist()),
            domains=tuple(groups.tolist()),
            forecaster=forecaster.astype(np.int64),
            z=np.concatenate([[], *z]),
            stale=np.concatenate([[], *stale]),
            start=np.concatenate([[0], end]).astype(np.int64)[: end.size],
            end=end,
            domain=domain.astype(np.int64),
            outcome=shown.outcome[order],
            weight=shown.weight[order],
            questions=int(np.unique(shown.question).size),
            copies=found,
        )
