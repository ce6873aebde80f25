"""The classic pools: golden numbers, an independent reading of each formula, properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.pooling import POOLS, log_odds, logistic, pool, pool_through, staleness

CROWDS = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean", 0.4),
        ("median", 0.3),
        ("trimmed_mean", 0.4),
        # Odds 1/9, 3/7 and 4: the cube root of 4/21.
        ("geometric_mean_odds", (4 / 21) ** (1 / 3) / (1 + (4 / 21) ** (1 / 3))),
        ("extremised", (4 / 21) ** 0.5 / (1 + (4 / 21) ** 0.5)),
        # Factor 3 (√19 - 2) / 5.
        ("neyman_roughgarden", 1 / (1 + math.exp(-(math.sqrt(19) - 2) / 5 * math.log(4 / 21)))),
        # Beta(6, 6) at 0.4 is a binomial tail: P(X >= 6), X ~ Bin(11, 0.4).
        (
            "beta_transformed_mean",
            sum(math.comb(11, k) * 0.4**k * 0.6 ** (11 - k) for k in range(6, 12)),
        ),
        ("recency_weighted_median", 0.3),
    ],
)
def test_golden_numbers(name: str, expected: float) -> None:
    assert pool(name, [0.1, 0.3, 0.8]) == pytest.approx(expected, abs=1e-12)


def test_every_pool_is_listed_and_answers_nan_for_nobody() -> None:
    assert set(POOLS) >= {"mean", "median", "trimmed_mean", "geometric_mean_odds", "extremised"}
    assert all(math.isnan(pool(name, [])) for name in POOLS)


@pytest.mark.parametrize("name", POOLS)
def test_a_thousand_certain_forecasters_do_not_overflow(name: str) -> None:
    assert 0.9 < pool(name, np.ones(1000), np.arange(1000)) <= 1.0
    assert 0.0 <= pool(name, np.zeros(1000), np.arange(1000)) < 0.1
    mixed = pool(name, np.tile([0.0, 1.0], 500), np.zeros(1000))
    assert mixed == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("name", POOLS)
@given(crowd=CROWDS)
def test_answers_stay_inside_and_mirror_the_question(name: str, crowd: list[float]) -> None:
    crowd = [round(value, 6) for value in crowd]
    answer = pool(name, crowd, list(range(len(crowd))))
    assert 0.0 <= answer <= 1.0
    mirrored = pool(name, [1.0 - value for value in crowd], list(range(len(crowd))))
    assert answer + mirrored == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("name", POOLS)
@given(crowd=CROWDS, seed=st.integers(0, 2**32 - 1))
def test_the_order_of_forecasters_does_not_matter(name: str, crowd: list[float], seed: int) -> None:
    random = np.random.default_rng(seed)
    time = random.integers(0, 4, len(crowd)).astype(float)
    order = random.permutation(len(crowd))
    values = np.array(crowd)
    assert pool(name, values[order], time[order]) == pytest.approx(
        pool(name, values, time), abs=1e-9
    )


@given(crowd=st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.95]), min_size=3, max_size=40))
def test_recency_weighted_median_is_a_point_that_splits_the_weight(crowd: list[float]) -> None:
    n = len(crowd)
    weight = [math.exp(math.sqrt(rank) - math.sqrt(n)) for rank in range(1, n + 1)]
    answer = pool("recency_weighted_median", crowd, list(range(n)))
    below = sum(w for w, value in zip(weight, crowd, strict=True) if value < answer - 1e-12)
    above = sum(w for w, value in zip(weight, crowd, strict=True) if value > answer + 1e-12)
    assert below <= sum(weight) / 2 * (1 + 1e-9)
    assert above <= sum(weight) / 2 * (1 + 1e-9)


def test_the_recent_outvote_the_old() -> None:
    crowd, time = [0.1] * 6 + [0.9] * 4, list(range(10))
    assert pool("recency_weighted_median", crowd, time) == 0.9
    assert pool("recency_weighted_median", crowd, time[::-1]) == 0.1
    assert pool("recency_weighted_median", crowd) == 0.1


def test_two_forecasts_weigh_the_same_however_old() -> None:
    assert pool("recency_weighted_median", [0.2, 0.6], [1, 2]) == pytest.approx(0.4)


def test_ties_share_the_largest_rank() -> None:
    assert staleness(np.array([3.0, 1.0, 3.0, 2.0]), 4) == pytest.approx(
        [0.0, math.log(4), 0.0, math.log(2)]
    )


STANDS = st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(0, 9), st.integers(0, 9)), max_size=30)


@given(stands=STANDS)
def test_at_many_moments_a_pool_says_what_it_says_at_each_alone(
    stands: list[tuple[float, int, int]],
) -> None:
    said, start, length = np.array(stands, dtype=float).reshape(-1, 3).T
    moments = np.arange(-1.0, 20.0)
    found = pool_through(said, start, start + length, moments)
    for name in POOLS:
        for at, answer in zip(moments, found[name], strict=True):
            then = (start <= at) & (at < start + length)
            alone = pool(name, said[then], start[then])
            np.testing.assert_equal(answer, alone)


def test_moments_are_pooled_alike_however_many_forecasts_there_are() -> None:
    random = np.random.default_rng(1)
    said, start = random.random(3_000).round(3), np.arange(3_000.0)
    found = pool_through(said, start, start + 400, start)
    for at in (0, 1, 399, 400, 2_999):
        then = slice(max(at - 399, 0), at + 1)
        for name in POOLS:
            assert found[name][at] == pool(name, said[then], start[then])


def test_unknown_names_are_refused_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match=r"'mode'.*mean, median"):
        pool("mode", [0.5])


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, math.inf])
def test_no_probability_outside_the_unit_interval(bad: float) -> None:
    with pytest.raises(ValueError, match="outside"):
        pool("mean", [0.5, bad])


def test_times_are_known_for_all_or_none() -> None:
    assert pool("mean", [0.2, 0.4], [math.nan, math.nan]) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="all of them or none"):
        pool("mean", [0.2, 0.4], [1.0, math.nan])
    with pytest.raises(ValueError, match="shape"):
        pool("mean", [0.2, 0.4], [1.0])


@given(value=st.floats(0.01, 0.99))
def test_log_odds_and_logistic_undo_each_other(value: float) -> None:
    assert float(logistic(log_odds(value))) == pytest.approx(value)


def test_subnormals_and_ends_are_clipped() -> None:
    assert log_odds([5e-324, 0.0, 0.01])[0] == log_odds([0.01])[0]
    assert log_odds(1.0) == pytest.approx(math.log(99))
