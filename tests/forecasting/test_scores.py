"""Scores: golden numbers, a brute-force integral, and the faults that scoring is known for."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.scores import (
    QuestionScores,
    baseline,
    brier,
    log_score,
    score_outsiders,
    score_question,
    score_terms,
)

NAN, INF = math.nan, math.inf
Interval = tuple[int, float, float, float]


def scored(intervals: list[Interval], **window: float) -> QuestionScores:
    return score_question(**columns(intervals), **({"outcome": 1.0} | times(**window)))


def columns(intervals: list[Interval]) -> dict[str, Any]:
    who, start, end, said = (list(column) for column in zip(*intervals, strict=True))
    return {"forecaster": who, "start": start, "end": end, "probability": said}


def times(**window: float) -> dict[str, float]:
    return {"opens": 0.0, "closes": 10.0, "ends": 10.0} | window


def log_likelihood(said: float, outcome: float) -> float:
    inside = min(max(said, 0.001), 0.999)
    return math.log(inside if outcome else 1.0 - inside)


def by_brute_force(
    intervals: list[Interval], outcome: float, closes: float, ends: float
) -> dict[int, dict[str, float]]:
    """Every quarter of a unit is visited; edges lie on quarters, so the sums are exact."""
    step, people = 0.25, sorted({who for who, *_ in intervals})
    found = {who: dict.fromkeys(("active", "brier", "base", "peer"), 0.0) for who in people}
    moment = 0.0
    while moment < min(closes, ends):
        now = {who: said for who, start, end, said in intervals if start <= moment < end}
        for who, said in now.items():
            mine = log_likelihood(said, outcome)
            others = [log_likelihood(p, outcome) for name, p in now.items() if name != who]
            found[who]["active"] += step
            found[who]["brier"] += step * (said - outcome) ** 2
            found[who]["base"] += step * 100 * (1 + mine / math.log(2)) / closes
            if others:
                found[who]["peer"] += step * 100 * (mine - sum(others) / len(others)) / closes
        moment += step
    return found


@st.composite
def histories(draw: st.DrawFn) -> list[Interval]:
    intervals: list[Interval] = []
    for who in range(draw(st.integers(1, 5))):
        edges = sorted(draw(st.lists(st.integers(-8, 60), min_size=2, max_size=7, unique=True)))
        for start, end in pairwise(edges):
            if draw(st.booleans()):
                said = draw(st.sampled_from([0.0, 0.02, 0.29, 0.5, 0.9, 1.0]))
                intervals.append((who, start / 4, end / 4, said))
    return intervals or [(0, 0.0, 1.0, 0.5)]


@given(intervals=histories(), outcome=st.sampled_from([0.0, 1.0]), ends=st.integers(1, 60))
def test_scores_are_the_integral_that_a_brute_force_finds(
    intervals: list[Interval], outcome: float, ends: int
) -> None:
    closes = 10.0
    result = scored(intervals, outcome=outcome, closes=closes, ends=ends / 4)
    expected = by_brute_force(intervals, outcome, closes, ends / 4)
    for index, who in enumerate(result.forecasters.tolist()):
        truth = expected[who]
        assert result.coverage[index] == pytest.approx(truth["active"] / closes)
        assert result.baseline[index] == pytest.approx(truth["base"], abs=1e-9)
        assert result.peer[index] == pytest.approx(truth["peer"], abs=1e-9)
        if truth["active"]:
            assert result.brier[index] == pytest.approx(truth["brier"] / truth["active"], abs=1e-12)
        else:
            assert math.isnan(result.brier[index])


@given(intervals=histories(), outcome=st.sampled_from([0.0, 1.0]))
def test_the_terms_of_the_receipt_sum_to_the_scores(
    intervals: list[Interval], outcome: float
) -> None:
    result = scored(intervals, outcome=outcome)
    terms = score_terms(**columns(intervals), outcome=outcome, **times())
    for index, who in enumerate(result.forecasters.tolist()):
        mine = terms.forecaster == who
        assert terms.share[mine].sum() == pytest.approx(result.coverage[index])
        assert terms.peer[mine].sum() == pytest.approx(result.peer[index], abs=1e-9)
        assert terms.baseline[mine].sum() == pytest.approx(result.baseline[index], abs=1e-9)
        if mine.any():
            mean = terms.brier[mine].sum() / terms.share[mine].sum()
            assert mean == pytest.approx(result.brier[index])


@given(intervals=histories(), outcome=st.sampled_from([0.0, 1.0]))
def test_a_question_and_its_negation_score_alike(intervals: list[Interval], outcome: float) -> None:
    result = scored(intervals, outcome=outcome)
    mirror = [(who, start, end, 1.0 - said) for who, start, end, said in intervals]
    mirrored = scored(mirror, outcome=1.0 - outcome)
    assert mirrored.peer == pytest.approx(result.peer, abs=1e-9)
    assert mirrored.brier == pytest.approx(result.brier, abs=1e-12, nan_ok=True)
    assert mirrored.spot_log == pytest.approx(result.spot_log, abs=1e-9, nan_ok=True)


@given(intervals=histories())
def test_a_member_is_compared_as_an_outsider_to_the_others(intervals: list[Interval]) -> None:
    result = scored(intervals)
    for index, who in enumerate(result.forecasters.tolist()):
        mine = columns([row for row in intervals if row[0] == who])
        others = [row for row in intervals if row[0] != who]
        if others:
            crowd = {f"crowd_{name}": values for name, values in columns(others).items()}
            outside = score_outsiders(**mine, **crowd, outcome=1.0, **times())
            assert outside.peer[0] == pytest.approx(result.peer[index], abs=1e-9)
            assert outside.brier[0] == pytest.approx(result.brier[index], nan_ok=True)
            if not math.isnan(result.spot_peer[index]):
                assert outside.spot_peer[0] == pytest.approx(result.spot_peer[index], abs=1e-9)


def test_golden_numbers_of_single_probabilities() -> None:
    assert brier([0.3, 0.0, 1.0], [1, 0, 0]).tolist() == pytest.approx([0.49, 0.0, 1.0])
    assert log_score([0.3, 0.0], [1, 1]).tolist() == pytest.approx([1.2039728043, 6.9077552790])
    assert baseline([0.5, 0.25, 1.0], [1, 1, 1]).tolist() == pytest.approx([0, -100, 99.8556608])


@given(truth=st.floats(0.01, 0.99), said=st.floats(0.01, 0.99))
def test_nobody_gains_in_expectation_by_saying_something_else(truth: float, said: float) -> None:
    for score, sign in ((brier, 1.0), (log_score, 1.0), (baseline, -1.0)):
        honest = sign * (truth * score(truth, 1) + (1 - truth) * score(truth, 0))
        other = sign * (truth * score(said, 1) + (1 - truth) * score(said, 0))
        assert honest <= other + 1e-9


def test_peer_of_two_is_their_log_ratio() -> None:
    result = scored([(1, 0, INF, 0.8), (2, 0, INF, 0.5)])
    assert result.peer == pytest.approx([100 * math.log(1.6), -100 * math.log(1.6)])
    assert result.spot_peer == pytest.approx(result.peer)


def test_a_gap_in_which_nobody_is_active_is_credited_to_nobody() -> None:
    result = scored([(1, 0, 1, 0.9), (2, 0, 1, 0.5), (1, 9, INF, 0.9), (2, 9, INF, 0.5)])
    assert result.coverage == pytest.approx([0.2, 0.2])
    assert result.peer == pytest.approx([20 * math.log(1.8), -20 * math.log(1.8)])


def test_alone_there_is_no_peer() -> None:
    result = scored([(1, 0, 5, 0.9)])
    assert result.peer.tolist() == [0.0]
    assert math.isnan(result.spot_peer[0])
    assert scored([(1, 0, INF, 0.9)]).spot_peer.tolist() == [0.0]


def test_a_late_joiner_keeps_their_own_brier() -> None:
    result = scored([(1, 0, INF, 0.5), (2, 9, INF, 0.6)])
    assert result.brier == pytest.approx([0.25, 0.16])
    assert result.baseline[1] == pytest.approx(0.1 * float(baseline(0.6, 1)))


@pytest.mark.parametrize(
    ("ends", "coverage", "said"), [(0.0, 0.0, NAN), (5.0, 0.5, 0.9), (10.0, 1.0, 0.6)]
)
def test_early_resolution_stops_accrual_and_moves_the_spot(
    ends: float, coverage: float, said: float
) -> None:
    result = scored([(1, 0, 7, 0.9), (1, 7, INF, 0.6)], ends=ends)
    assert result.coverage[0] == pytest.approx(coverage)
    assert result.spot_brier[0] == pytest.approx((1 - said) ** 2, nan_ok=True)


def test_resolution_after_the_close_changes_nothing() -> None:
    history: list[Interval] = [(1, 2, 12, 0.7), (2, 0, INF, 0.4)]
    late, at_close = scored(history, ends=99.0), scored(history)
    unknown = scored(history, ends=NAN)
    assert late.peer.tolist() == at_close.peer.tolist() == unknown.peer.tolist()


def test_forecasts_before_opening_count_from_opening_and_after_the_end_not_at_all() -> None:
    result = scored([(1, -50, INF, 0.8), (2, 8, INF, 0.9)], ends=6.0)
    assert result.coverage == pytest.approx([0.6, 0.0])
    assert result.peer.tolist() == [0.0, 0.0]
    assert math.isnan(result.brier[1])
    assert math.isnan(result.spot_brier[1])


@pytest.mark.parametrize("said", [0.0, 5e-324, 1.0])
def test_certainty_never_scores_infinity(said: float) -> None:
    for outcome in (0.0, 1.0):
        result = scored([(1, 0, INF, said), (2, 3, INF, 0.5)], outcome=outcome)
        assert np.isfinite(result.peer).all()
        assert np.isfinite(result.baseline).all()
        assert np.isfinite(result.log).all()


@pytest.mark.parametrize(("opens", "closes"), [(NAN, NAN), (NAN, 10.0), (5.0, 5.0), (9.0, 3.0)])
def test_without_a_window_the_last_forecast_covers_everything(opens: float, closes: float) -> None:
    result = score_question(
        forecaster=["a", "a", "b"],
        start=[NAN] * 3,
        end=[INF] * 3,
        probability=[0.1, 0.8, 0.5],
        outcome=1,
        opens=opens,
        closes=closes,
        ends=NAN,
    )
    assert result.coverage.tolist() == [1.0, 1.0]
    assert result.brier == pytest.approx([0.04, 0.25])
    assert result.peer == pytest.approx([100 * math.log(1.6), -100 * math.log(1.6)])
    assert result.spot_peer == pytest.approx(result.peer)


def test_a_window_of_one_second_from_zero_is_a_window() -> None:
    result = scored([(1, 0.5, INF, 0.8)], opens=0.0, closes=1.0, ends=1.0)
    assert result.coverage.tolist() == [0.5]


def test_a_thousand_forecasters_add_up_to_no_peer_points() -> None:
    random = np.random.default_rng(3)
    said = random.random(1000).round(2)
    result = scored([(who, 0, INF, float(p)) for who, p in enumerate(said)])
    assert result.peer.sum() == pytest.approx(0.0, abs=1e-6)


def test_nobody_is_an_empty_result() -> None:
    empty = score_question(forecaster=[], start=[], end=[], probability=[], outcome=1, **times())
    assert empty.forecasters.size == empty.peer.size == empty.spot_log.size == 0


def test_an_outsider_without_a_crowd_has_no_peer() -> None:
    result = score_outsiders(
        forecaster=["pool"],
        start=[0],
        end=[INF],
        probability=[0.8],
        crowd_forecaster=[],
        crowd_start=[],
        crowd_end=[],
        crowd_probability=[],
        outcome=1,
        **times(),
    )
    assert result.peer.tolist() == [0.0]
    assert result.brier == pytest.approx([0.04])


@pytest.mark.parametrize(
    ("intervals", "reason"),
    [
        ([(1, 0, 5, 0.5), (1, 4, 6, 0.6)], "overlap"),
        ([(1, 5, 4, 0.5)], "before it starts"),
        ([(1, NAN, 4, 0.5)], "nan"),
        ([(1, 0, 4, 1.2)], "outside"),
        ([(1, 0, 4, NAN)], "outside"),
    ],
)
def test_bad_intervals_are_refused(intervals: list[Interval], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        scored(intervals)


@pytest.mark.parametrize("outcome", [NAN, 0.5, 2.0])
def test_only_yes_and_no_are_scored(outcome: float) -> None:
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        scored([(1, 0, 1, 0.5)], outcome=outcome)
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        brier(0.5, outcome)
