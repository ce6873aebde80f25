"""Scores of probability forecasts on one question, integrated over the time they stood.

========  ================  ==============================================================
score     range             meaning
========  ================  ==============================================================
Brier     [0, 1], low good  squared error
log       [0, 6.91], low    minus the natural log of the outcome's probability
baseline  [-897, 100]       100 (1 + log2 of the outcome's probability): 0 for one half
peer      about [-691, 691] 100 times the mean log-ratio to the other forecasters: 0 alone
coverage  [0, 1]            share of the question's scheduled life that was forecast
========  ================  ==============================================================

The logarithmic scores clip probabilities to [0.001, 0.999]. Brier and log are averages over the
time a forecaster was active, so joining late has no cost; baseline and peer are integrals over the
scheduled life, so they reward coverage. Nothing accrues outside [opens, min(closes, ends)). The
spot scores are those of the instant before that end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecasting.pooling import probabilities
from forecasting.types import FloatArray, IntArray

CLIP = 0.001


def brier(probability: ArrayLike, outcome: ArrayLike) -> FloatArray:
    """Return the squared error, in [0, 1], lower better; arguments broadcast.

    Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2, in its form for two classes.

    Raises:
        ValueError: a probability outside [0, 1] or an outcome other than 0 and 1.

    Examples:
        >>> brier([0.0, 0.7], 1).round(2).tolist()
        [1.0, 0.09]
    """
    values, truth = _checked(probability, outcome)
    return np.asarray((values - truth) ** 2)


def log_score(probability: ArrayLike, outcome: ArrayLike) -> FloatArray:
    """Return minus the natural log of the outcome's clipped probability, lower better.

    The range is [0.0010, 6.9078]; Good (1952), doi:10.1111/j.2517-6161.1952.tb00104.x.

    Raises:
        ValueError: as ``brier``.

    Examples:
        >>> log_score([0.5, 0.0], 1).round(4).tolist()
        [0.6931, 6.9078]
    """
    return -_log_likelihood(*_checked(probability, outcome))


def baseline(probability: ArrayLike, outcome: ArrayLike) -> FloatArray:
    """Return 100 (1 + log2 p) for the outcome's clipped probability p, higher better.

    The range is [-896.6, 99.9], and one half scores 0: the baseline score of Metaculus
    (https://www.metaculus.com/help/scores-faq/) for two options.

    Raises:
        ValueError: as ``brier``.

    Examples:
        >>> baseline([0.5, 0.25], 1).tolist()
        [0.0, -100.0]
    """
    return np.asarray(100.0 * (1.0 + _log_likelihood(*_checked(probability, outcome)) / np.log(2)))


@dataclass(frozen=True, eq=False, slots=True)
class QuestionScores:
    """Scores of every forecaster on one question; every array is aligned to ``forecasters``.

    Attributes:
        forecasters: distinct, sorted, ``(n,)``.
        brier: average while active, in [0, 1], lower better; nan if never active.
        log: average while active, in nats, lower better; nan if never active.
        baseline: integral over the scheduled life, higher better; 0 if never active.
        peer: integral over the scheduled life against the others active, higher better; 0 if alone.
        coverage: share of the scheduled life with a standing forecast, in [0, 1].
        spot_brier: at the effective close, nan if nothing stood then; likewise the other three.
        spot_log: in nats.
        spot_baseline: higher better.
        spot_peer: higher better; 0 if alone.
    """

    forecasters: NDArray[np.generic]
    brier: FloatArray
    log: FloatArray
    baseline: FloatArray
    peer: FloatArray
    coverage: FloatArray
    spot_brier: FloatArray
    spot_log: FloatArray
    spot_baseline: FloatArray
    spot_peer: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class ScoreTerms:
    """The breakdown of a score: one term per interval in which a forecast stood and counted.

    Summed by forecaster, ``baseline``, ``peer`` and ``share`` are the baseline score, the peer
    score and the coverage; ``brier`` and ``log`` summed and divided by the summed ``share`` are the
    averages.

    Attributes:
        interval: position of the interval in the input, ``(term,)``.
        forecaster: the forecaster, ``(term,)``.
        start: when it began to count, seconds, ``(term,)``; nan in a question without a window.
        end: when it ceased to, likewise.
        probability: the forecast, in [0, 1], ``(term,)``.
        share: of the scheduled life, in [0, 1], ``(term,)``.
        brier: squared error times share, ``(term,)``.
        log: log score times share, ``(term,)``.
        baseline: baseline score times share, ``(term,)``.
        peer: log-ratio to the others, integrated over the share, times 100, ``(term,)``.
        others: mean number of other active forecasters during the interval, ``(term,)``.
    """

    interval: IntArray
    forecaster: NDArray[np.generic]
    start: FloatArray
    end: FloatArray
    probability: FloatArray
    share: FloatArray
    brier: FloatArray
    log: FloatArray
    baseline: FloatArray
    peer: FloatArray
    others: FloatArray


@dataclass(frozen=True, slots=True)
class _Window:
    """When scores accrue: [opens, stops), as shares of the scheduled ``life``.

    A question with unknown or coinciding ends is timeless: the last forecast covers all of it.
    """

    opens: float
    stops: float
    life: float
    timeless: bool = False

    @classmethod
    def of(cls, opens: float, closes: float, ends: float) -> "_Window":
        life = closes - opens
        if not (np.isfinite(life) and life > 0.0):
            return cls(0.0, 1.0, 1.0, timeless=True)
        last = closes if np.isnan(ends) else min(closes, ends)
        return cls(opens, max(last, opens), life)


@dataclass(frozen=True, eq=False, slots=True)
class _Intervals:
    """Intervals that count, clipped to the window; ``place`` is their position in the input."""

    place: IntArray
    start: FloatArray
    end: FloatArray
    probability: FloatArray
    log_likelihood: FloatArray


class _Crowd:
    """The number and the summed log-likelihood of active forecasts, and their integrals in time."""

    def __init__(self, intervals: _Intervals, *, members: bool) -> None:
        edges = np.concatenate([intervals.start, intervals.end])
        self.times, moment = np.unique(edges, return_inverse=True)
        joined = np.ones(intervals.start.size)
        pieces = self.times.size
        change = np.bincount(moment, np.concatenate([joined, -joined]), pieces)
        gain = np.bincount(
            moment,
            np.concatenate([intervals.log_likelihood, -intervals.log_likelihood]),
            pieces,
        )
        self.size = np.rint(np.cumsum(change))[:-1] if pieces else np.empty(0)
        self.total = np.cumsum(gain)[:-1] if pieces else np.empty(0)
        length = np.diff(self.times)
        # A member is compared with the mean of the others, (total - own) / (n - 1); an outsider
        # with that of everyone, total / n. Both are own * own_rate - crowd_rate.
        if members:
            divisor = np.maximum(self.size - 1.0, 1.0)
            present = self.size > 1.0
            own_rate = present * self.size / divisor
        else:
            divisor = np.maximum(self.size, 1.0)
            present = self.size > 0.0
            own_rate = present.astype(np.float64)
        crowd_rate = np.where(present, self.total / divisor, 0.0)
        self._own = np.concatenate([[0.0], np.cumsum(own_rate * length)])
        self._crowd = np.concatenate([[0.0], np.cumsum(crowd_rate * length)])
        self._count = np.concatenate([[0.0], np.cumsum(self.size * length)])
        self._rates = (own_rate, crowd_rate)

    def excess(self, intervals: _Intervals) -> FloatArray:
        """Return the integrated log-ratio of each interval to the others."""
        own = self._between(self._own, intervals)
        return intervals.log_likelihood * own - self._between(self._crowd, intervals)

    def company(self, intervals: _Intervals) -> FloatArray:
        """Return the integrated number of active forecasts over each interval."""
        return self._between(self._count, intervals)

    def excess_before(self, stops: float, log_likelihood: FloatArray) -> FloatArray:
        """Return the log-ratio to the others at the instant before ``stops``."""
        piece = int(np.searchsorted(self.times, stops)) - 1
        if not 0 <= piece < self.size.size:
            return np.zeros_like(log_likelihood)
        own, crowd = (rate[piece] for rate in self._rates)
        return np.asarray(log_likelihood * own - crowd)

    def _between(self, integral: FloatArray, intervals: _Intervals) -> FloatArray:
        if not self.times.size:
            return np.zeros(intervals.start.size)
        at = [np.interp(edge, self.times, integral) for edge in (intervals.end, intervals.start)]
        return np.asarray(at[0] - at[1])


def score_question(
    *,
    forecaster: Sequence[object] | NDArray[np.generic],
    start: ArrayLike,
    end: ArrayLike,
    probability: ArrayLike,
    outcome: float,
    opens: float,
    closes: float,
    ends: float,
) -> QuestionScores:
    """Score every forecaster on one resolved question.

    Each forecast is an interval [start, end) in which it stood, in seconds of any one clock; the
    intervals of one forecaster do not overlap. The time taken is that of sorting the intervals.
    Peer is 100 / T times the integral of n / (n - 1) (ln p - mean of ln p over the n active), as
    Metaculus has it (https://www.metaculus.com/help/scores-faq/).

    Args:
        forecaster: forecaster of each interval, shape ``(interval,)``; integers or names.
        start: when it began to stand.
        end: when it was superseded or withdrawn or expired; inf if never.
        probability: in [0, 1].
        outcome: 0 or 1.
        opens: when forecasting began.
        closes: the scheduled close: baseline, peer and coverage are shares of [opens, closes].
        ends: when accrual stopped, at the latest ``closes``; nan for ``closes``.

    With ``opens`` or ``closes`` unknown or no time between them, the last forecast of each
    forecaster covers everything and is scored.

    Raises:
        ValueError: shapes that differ, a nan time, an end before its start, intervals of one
            forecaster that overlap, a probability outside [0, 1], or another outcome.

    Examples:
        >>> scores = score_question(
        ...     forecaster=["ann", "bob"], start=[0, 5], end=[10, 10], probability=[0.5, 0.8],
        ...     outcome=1, opens=0, closes=10, ends=10,
        ... )
        >>> scores.coverage.tolist(), scores.peer.round(1).tolist()
        ([1.0, 0.5], [-23.5, 23.5])
    """
    names, who = np.unique(np.asarray(forecaster), return_inverse=True)
    window = _Window.of(opens, closes, ends)
    counted = _counted(window, who, start, end, probability, outcome)
    crowd = _Crowd(counted, members=True)
    return _summed(names, who[counted.place], counted, crowd, window, outcome)


def score_outsiders(
    *,
    forecaster: Sequence[object] | NDArray[np.generic],
    start: ArrayLike,
    end: ArrayLike,
    probability: ArrayLike,
    crowd_forecaster: Sequence[object] | NDArray[np.generic],
    crowd_start: ArrayLike,
    crowd_end: ArrayLike,
    crowd_probability: ArrayLike,
    outcome: float,
    opens: float,
    closes: float,
    ends: float,
) -> QuestionScores:
    """Score outsiders, who are not members of the crowd, such as the aggregate, on one question.

    The peer score is 100 / T times the integral of ln p minus the mean of ln p over the active
    crowd, which is how a member is compared with the other members, so the two are comparable. It
    accrues only while the crowd is active. Outsiders are not compared with each other. The
    arguments and the result are those of ``score_question``.

    Raises:
        ValueError: as ``score_question``.
    """
    window = _Window.of(opens, closes, ends)
    names, who = np.unique(np.asarray(forecaster), return_inverse=True)
    counted = _counted(window, who, start, end, probability, outcome)
    _, members = np.unique(np.asarray(crowd_forecaster), return_inverse=True)
    others = _counted(window, members, crowd_start, crowd_end, crowd_probability, outcome)
    crowd = _Crowd(others, members=False)
    return _summed(names, who[counted.place], counted, crowd, window, outcome)


def score_terms(
    *,
    forecaster: Sequence[object] | NDArray[np.generic],
    start: ArrayLike,
    end: ArrayLike,
    probability: ArrayLike,
    outcome: float,
    opens: float,
    closes: float,
    ends: float,
) -> ScoreTerms:
    """Return the terms that sum to the scores of ``score_question``, with the same arguments.

    Raises:
        ValueError: as ``score_question``.
    """
    people = np.asarray(forecaster)
    _, who = np.unique(people, return_inverse=True)
    window = _Window.of(opens, closes, ends)
    counted = _counted(window, who, start, end, probability, outcome)
    crowd = _Crowd(counted, members=True)
    share = (counted.end - counted.start) / window.life
    values = counted.probability
    unknown = np.full(share.size, np.nan)
    return ScoreTerms(
        interval=counted.place,
        forecaster=people[counted.place],
        start=unknown if window.timeless else counted.start,
        end=unknown if window.timeless else counted.end,
        probability=values,
        share=share,
        brier=share * brier(values, outcome),
        log=share * log_score(values, outcome),
        baseline=share * baseline(values, outcome),
        peer=100.0 * crowd.excess(counted) / window.life,
        others=crowd.company(counted) / (counted.end - counted.start) - 1.0,
    )


def _counted(
    window: _Window,
    who: IntArray,
    start: ArrayLike,
    end: ArrayLike,
    probability: ArrayLike,
    outcome: float,
) -> _Intervals:
    """Return the intervals that count, clipped to the window and checked."""
    values = probabilities(probability)
    first, last = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    if not who.shape == first.shape == last.shape == values.shape:
        raise ValueError(
            f"shapes differ: forecaster {who.shape}, start {first.shape}, end {last.shape}, "
            f"probability {values.shape}"
        )
    if outcome not in {0, 1}:
        raise ValueError(f"outcome {outcome} is neither 0 nor 1")
    order = np.lexsort((last, first, who))
    if window.timeless:
        kept = order[np.append(who[order][1:] != who[order][:-1], True)[: order.size]]
        first, last = np.zeros_like(values), np.ones_like(values)
    else:
        _check_intervals(who[order], first[order], last[order])
        first = np.maximum(first, window.opens)
        last = np.minimum(last, window.stops)
        kept = order[first[order] < last[order]]
    values = values[kept]
    truth = np.full(values.shape, float(outcome))
    return _Intervals(kept, first[kept], last[kept], values, _log_likelihood(values, truth))


def _check_intervals(who: IntArray, first: FloatArray, last: FloatArray) -> None:
    if np.isnan(first).any() or np.isnan(last).any():
        raise ValueError("an interval starts or ends at nan: give its seconds, or inf for no end")
    if (last < first).any():
        raise ValueError("an interval ends before it starts")
    if ((who[1:] == who[:-1]) & (first[1:] < last[:-1])).any():
        raise ValueError("two intervals of one forecaster overlap: a new forecast ends the old one")


def _summed(
    names: NDArray[np.generic],
    who: IntArray,
    counted: _Intervals,
    crowd: _Crowd,
    window: _Window,
    outcome: float,
) -> QuestionScores:
    length = counted.end - counted.start
    values = counted.probability

    def total(terms: FloatArray) -> FloatArray:
        return np.bincount(who, terms, names.size).astype(np.float64)

    active = total(length)
    with np.errstate(invalid="ignore"):
        own_brier = total(length * brier(values, outcome)) / active
        own_log = total(length * log_score(values, outcome)) / active

    last = counted.end == window.stops
    spot = np.full((4, names.size), np.nan)
    standing = values[last]
    spot[:, who[last]] = [
        brier(standing, outcome),
        log_score(standing, outcome),
        baseline(standing, outcome),
        100.0 * crowd.excess_before(window.stops, counted.log_likelihood[last]),
    ]
    return QuestionScores(
        forecasters=names,
        brier=own_brier,
        log=own_log,
        baseline=total(length * baseline(values, outcome)) / window.life,
        peer=100.0 * total(crowd.excess(counted)) / window.life,
        coverage=active / window.life,
        spot_brier=spot[0],
        spot_log=spot[1],
        spot_baseline=spot[2],
        spot_peer=spot[3],
    )


def _checked(probability: ArrayLike, outcome: ArrayLike) -> tuple[FloatArray, FloatArray]:
    values = np.asarray(probability, dtype=np.float64)
    truth = np.asarray(outcome, dtype=np.float64)
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError("a probability is outside [0, 1]")
    if not ((truth == 0.0) | (truth == 1.0)).all():
        raise ValueError("an outcome is neither 0 nor 1")
    return values, truth


def _log_likelihood(probability: FloatArray, outcome: FloatArray) -> FloatArray:
    inside = np.clip(probability, CLIP, 1.0 - CLIP)
    return np.asarray(np.where(outcome == 1.0, np.log(inside), np.log1p(-inside)))
