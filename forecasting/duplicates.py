"""Duplicates: forecasters whose forecasts never differ count as one voice.

Twenty accounts that submit one program's forecasts are one source of information, not twenty.
Outcomes do not reveal this, but the forecasts do: forecasters who gave the same forecast, to the
percent, on every shared question count as one voice if chance is an unlikely explanation. On a
question where v of n distinct voices gave a forecast, another independent voice gives it by chance
with probability v / (n + 1), so a unanimous forecast is no evidence. These probabilities multiply
over the shared questions, of which there must be at least five; the product must be below 0.01 over
the number of pairs of voices (Bonferroni).
"""

import math

import numpy as np
from scipy import sparse

from forecasting.panel import Panel
from forecasting.types import FloatArray, IntArray

SHARED = 5
"""Minimum number of questions that copies must share."""
CHANCE = 0.01
"""Maximum probability of one false pair among independent forecasters."""

_STEPS = 100
_CROWDED = 50


def copies(panel: Panel) -> dict[str, str]:
    """Return a mapping from every copy to the first name of the same voice.

    Uses the latest forecasts on all questions, resolved or not, and no outcomes. Forecasters who
    never differ are counted as one when probabilities are estimated, so that many copies do not
    make their own answers look common. For copies that answered different questions, answers given
    by more than fifty distinct voices are ignored.
    """
    order = np.argsort(np.array(panel.forecasters, dtype=str), kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    person, question, said = _latest(panel, place)
    voice, first = _alike(person, question, said, order.size)
    spoken = np.unique(np.column_stack([voice[person], question, said]), axis=0)
    pairs = _agreeing(spoken)
    evidence = _evidence(spoken, _joined(pairs, first.size))
    enough = math.log(max(first.size * (first.size - 1) // 2, 1) / CHANCE)
    # The answers of each voice are adjacent, ordered by question.
    ends = np.searchsorted(spoken[:, 0], np.arange(first.size + 1))
    asked = np.split(spoken[:, 1], ends[1:-1])
    weight = np.split(evidence, ends[1:-1])
    sure = [
        (one, other)
        for one, other in pairs
        if weight[one][np.isin(asked[one], asked[other])].sum() > enough
    ]
    leader = _joined(sure, first.size)
    found = {}
    for who in np.unique(person).tolist():
        own = voice[who]
        alone = asked[own].size < SHARED or weight[own].sum() <= enough
        speaker = who if alone and leader[own] == own else first[leader[own]]
        if speaker != who:
            found[panel.forecasters[order[who]]] = panel.forecasters[order[speaker]]
    return found


def _latest(panel: Panel, place: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return person, question and whole percent of the final forecasts, by person and question."""
    rows = panel.standing_last
    person, question = place[panel.forecaster[rows]], panel.question[rows]
    said = np.rint(panel.probability[rows] * _STEPS).astype(np.int64)
    order = np.lexsort((question, person))
    return person[order], question[order], said[order]


def _alike(
    person: IntArray, question: IntArray, said: IntArray, people: int
) -> tuple[IntArray, IntArray]:
    """Return each person's voice, and each voice's first person, who gave the same forecasts."""
    ends = np.searchsorted(person, np.arange(people + 1))
    spoken = np.column_stack([question, said])
    known: dict[bytes, int] = {}
    voice = np.zeros(people, dtype=np.int64)
    first: list[int] = []
    for who in range(people):
        key = spoken[ends[who] : ends[who + 1]].tobytes()
        voice[who] = known.setdefault(key, len(known))
        if voice[who] == len(first):
            first.append(who)
    return voice, np.array(first, dtype=np.int64)


def _agreeing(spoken: IntArray) -> list[tuple[int, int]]:
    """Return the pairs of voices that share enough questions and never differ."""
    answers = spoken[:, 1] * (_STEPS + 1) + spoken[:, 2]
    order = np.lexsort((spoken[:, 0], answers))
    _, index, size = np.unique(answers[order], return_inverse=True, return_counts=True)
    kept = size[index] <= _CROWDED
    voice, answer = spoken[order[kept], 0], index[kept]
    voices = int(spoken[:, 0].max(initial=-1)) + 1
    found = [np.empty(0, dtype=np.int64)]
    for step in range(1, min(_CROWDED, voice.size)):
        same = answer[step:] == answer[:-step]
        found.append(voice[:-step][same] * voices + voice[step:][same])
    pairs, agreed = np.unique(np.concatenate(found), return_counts=True)
    asked = np.split(spoken[:, 1], np.searchsorted(spoken[:, 0], np.arange(1, voices)))
    many = agreed >= SHARED
    return [
        divmod(pair, voices)
        for pair, times in zip(pairs[many].tolist(), agreed[many].tolist(), strict=True)
        if np.isin(asked[pair // voices], asked[pair % voices]).sum() == times
    ]


def _joined(pairs: list[tuple[int, int]], size: int) -> IntArray:
    """Return the smallest number in each number's connected component, ``(size,)``."""
    one, other = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    linked = sparse.coo_array((np.ones(one.size), (one, other)), shape=(size, size))
    _, group = sparse.csgraph.connected_components(linked, directed=False)
    _, smallest = np.unique(group, return_index=True)
    return np.asarray(smallest[group])


def _evidence(spoken: IntArray, group: IntArray) -> FloatArray:
    """Return minus the log-probability of each row's answer by chance, with groups counted once."""
    answers = spoken[:, 1] * (_STEPS + 1) + spoken[:, 2]
    heard = group[spoken[:, 0]]
    _, given = np.unique(np.column_stack([answers, heard]), axis=0, return_index=True)
    _, asked = np.unique(np.column_stack([spoken[:, 1], heard]), axis=0, return_index=True)
    voices_asked = np.bincount(spoken[asked, 1])
    voices_given = np.bincount(answers[given])
    return np.asarray(np.log((voices_asked[spoken[:, 1]] + 1.0) / voices_given[answers]))
