"""The training rows of the pooling model."""

from dataclasses import dataclass

import numpy as np

from forecasting.dependence import dependence
from forecasting.duplicates import copies
from forecasting.forecaster_bias import offsets
from forecasting.panel import Panel
from forecasting.pooling import bounded, log_odds, one_voice, staleness
from forecasting.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class TrainingRows:
    """A panel's snapshots as input of the model, in an order determined by names only.

    Attributes:
        forecasters: names, those with a forecast in some snapshot, sorted; copies speak through
            one of them.
        domains: names, those with a resolved question, sorted.
        forecaster: index, ``(row,)``.
        said: clipped log-odds less the forecaster's offset, ``bounded``, ``(row,)``.
        offset: of each forecaster in nats, ``(forecaster,)``; see ``forecasting.forecaster_bias``.
        stale: log(n / rank), ``(row,)``.
        start: first row of each snapshot, ``(snapshot,)``.
        end: one past its last row, ``(snapshot,)``.
        domain: index, ``(snapshot,)``.
        outcome: 0 or 1, ``(snapshot,)``.
        weight: one over the number of the question's snapshots, times the share of its evidence
            that is its own, ``(snapshot,)``; see ``forecasting.dependence``.
        questions: how many questions there are.
        copies: maps the name of a copy to the name representing it.
        within: correlation of residuals within clusters.
        neighbours: correlation of residuals of neighbours in time.
    """

    forecasters: tuple[str, ...]
    domains: tuple[str, ...]
    forecaster: IntArray
    said: FloatArray
    offset: FloatArray
    stale: FloatArray
    start: IntArray
    end: IntArray
    domain: IntArray
    outcome: FloatArray
    weight: FloatArray
    questions: int
    copies: dict[str, str]
    within: float
    neighbours: float

    @classmethod
    def of(cls, panel: Panel) -> "TrainingRows":
        """Take the resolved questions of a panel."""
        shown = panel.snapshots()
        asked = np.array(panel.questions, dtype=str)[shown.question]
        order = np.argsort(asked, kind="stable")
        questions, question = np.unique(asked[order], return_inverse=True)
        found = copies(panel)
        people = np.array([found.get(name, name) for name in panel.forecasters], dtype=str)
        names, first, voice = np.unique(people, return_index=True, return_inverse=True)
        offset = offsets(panel, found)[first]
        spoken, said, stale, centre = [], [], [], []
        for snapshot in order:
            part = slice(shown.start[snapshot], shown.end[snapshot])
            time = shown.time[part]
            who, z, moments = one_voice(
                voice[shown.forecaster[part]],
                log_odds(shown.probability[part]),
                None if np.isnan(time).any() else time,
            )
            spoken.append(who)
            centre.append(float(z.mean()))
            said.append(bounded(z - offset[who]))
            stale.append(staleness(moments, who.size))
        nobody = np.empty(0, dtype=np.int64)
        known, forecaster = np.unique(np.concatenate([nobody, *spoken]), return_inverse=True)
        domains = np.array(panel.domains, dtype=str)
        groups, domain = np.unique(
            domains[panel.domain[shown.question[order]]], return_inverse=True
        )
        outcome, weight = shown.outcome[order], shown.weight[order]
        first_shown = np.searchsorted(question, np.arange(questions.size))
        shared = dependence(
            names=questions,
            domain=domain[first_shown],
            resolved=panel.resolved[shown.question[order[first_shown]]],
            question=question,
            centre=np.array(centre),
            outcome=outcome,
            weight=weight,
        )
        end = np.cumsum([who.size for who in spoken], dtype=np.int64)
        return cls(
            forecasters=tuple(names[known].tolist()),
            domains=tuple(groups.tolist()),
            forecaster=forecaster.astype(np.int64),
            said=np.concatenate([[], *said]),
            offset=offset[known],
            stale=np.concatenate([[], *stale]),
            start=np.concatenate([[0], end]).astype(np.int64)[: end.size],
            end=end,
            domain=domain.astype(np.int64),
            outcome=outcome,
            weight=weight * shared.share[question],
            questions=questions.size,
            copies=found,
            within=shared.within,
            neighbours=shared.neighbours,
        )
