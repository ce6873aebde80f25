"""Forecaster bias: each forecaster's log-odds relative to others' on the same questions.

Some forecasters give higher probabilities than others, which biases a pool depending on who
answered the question, unless each forecaster's offset is subtracted first. This needs no outcomes.
With z the log-odds of the final forecasts, once for every voice and question::

    z = c(question) + b(forecaster) + e        b ~ N(0, B), e ~ N(0, E)

B and E are estimated by moments: two residuals of one forecaster on different questions share b
and nothing else. b is then the best linear unbiased prediction, found by backfitting, as in Gao and
Owen (2020), doi:10.5705/ss.202018.0029. It is shrunk towards 0, strongly after few questions, and a
bias common to all forecasters stays in c, where only outcomes can reveal it.
"""

from collections.abc import Mapping

import numpy as np

from forecasting.panel import Panel
from forecasting.pooling import log_odds
from forecasting.types import FloatArray, IntArray

_PSEUDO_PAIRS = 10.0
_SWEEPS = 200
_STILL = 1e-10


def offsets(panel: Panel, copies: Mapping[str, str]) -> FloatArray:
    """Return every forecaster's offset in nats, ``(forecaster,)``, following the panel's names.

    It is 0 for forecasters who share no question with others, and equal for copies of one voice.
    The mean over all forecasts is 0. Neither outcomes nor the order of rows matter.

    Args:
        panel: forecasts; open questions count like resolved ones.
        copies: maps the name of a copy to the name representing it; see ``forecasting.duplicates``.
    """
    names = np.array([copies.get(name, name) for name in panel.forecasters], dtype=str)
    _, speaker = np.unique(names, return_inverse=True)
    asked = np.argsort(np.argsort(np.array(panel.questions, dtype=str), kind="stable"))
    rows = panel.standing_last
    people = int(speaker.max(initial=-1)) + 1
    z = log_odds(panel.probability[rows])
    pair = asked[panel.question[rows]] * people + speaker[panel.forecaster[rows]]
    order = np.lexsort((z, pair))
    distinct, pair = np.unique(pair[order], return_inverse=True)
    z = np.bincount(pair, z[order]) / np.bincount(pair)
    company = np.bincount(distinct // max(people, 1))
    beside = company[distinct // max(people, 1)] > 1
    z, distinct = z[beside], distinct[beside]
    voice = distinct % max(people, 1)
    _, question = np.unique(distinct // max(people, 1), return_inverse=True)

    crowd = np.bincount(question)
    many = np.bincount(voice, minlength=people)
    own, rest = _variances(z, voice, question, crowd, many)
    found = np.zeros(people)
    if own <= 0.0:
        return found[speaker]
    heard = many > 0
    for _ in range(_SWEEPS):
        centre = np.bincount(question, z - found[voice]) / crowd
        now = np.bincount(voice, z - centre[question], people) / (many + rest / own)
        # The solution's mean is 0, and what all share would be the last to settle.
        now[heard] -= now[heard].mean()
        moved = float(np.abs(now - found).max())
        found = now
        if moved < _STILL:
            break
    found[heard] -= (many @ found) / many.sum()
    return np.asarray(found[speaker])


def _variances(
    z: FloatArray, voice: IntArray, question: IntArray, crowd: IntArray, many: IntArray
) -> tuple[float, float]:
    """Return B and E, B pulled towards 0 as if by ten pairs of residuals that share nothing."""
    away = z - (np.bincount(question, z) / crowd)[question]
    # Somebody in a crowd of n is a part of its mean, and so too near by (n - 1) / n in the square.
    away = away * np.sqrt(crowd / (crowd - 1.0))[question]
    total = np.bincount(voice, away, many.size)
    squares = np.bincount(voice, away * away, many.size)
    shared = (total * total - squares) / np.maximum(many, 1)
    own = float(shared.sum() / (np.maximum(many - 1, 0).sum() + _PSEUDO_PAIRS))
    spread = float(squares.sum()) / max(z.size, 1)
    return own, max(spread - own, 0.1 * spread)
