"""The live aggregate: against a plain loop, golden numbers, properties, refusals."""

import dataclasses
import math
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.live import ALGORITHM, Standing, aggregate, aggregate_many, influence
from forecasting.posterior import Posterior, standard_normal

PRIOR = Posterior.prior()


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    random = np.random.default_rng(11)
    return dataclasses.replace(
        Posterior.prior(seed=2, draws=60),
        gamma=np.exp(random.normal(0.3, 0.3, (60, 2))),
        alpha=random.normal(0.0, 0.4, (60, 2)),
        omega=random.normal(size=(60, 4)),
        forecasters=("ann", "bob", "cat", "dan"),
        offset=[0.4, -0.3, 0.0, 1.1],
        domains=("", "weather"),
    )


def by_loop(
    posterior: Posterior,
    names: Sequence[str],
    said: Sequence[float],
    time: Sequence[float] | None,
    domain: str,
) -> tuple[float, list[float], list[float]]:
    """Draw after draw in plain Python: the chance, the sampled log-odds, the shares of weight."""
    chances, sampled, shares = [], [], [0.0] * len(names)
    for draw in range(posterior.draws):
        weights, pulled = [], 0.0
        for index, name in enumerate(names):
            skill, offset = 0.0, 0.0
            if name in posterior.forecasters:
                place = posterior.forecasters.index(name)
                skill, offset = posterior.omega[draw, place], posterior.offset[place]
            stale = 0.0
            if time is not None:
                rank = sum(other <= time[index] for other in time)
                stale = math.log(len(names) / rank)
            inside = min(max(said[index], 0.01), 0.99)
            weights.append(math.exp(posterior.t_w[draw] * skill - posterior.rho[draw] * stale))
            lean = math.log(inside / (1 - inside)) - offset
            pulled += weights[-1] * math.tanh(0.35 * lean)
        total = sum(weights) + posterior.k0[draw]
        gamma, alpha = math.exp(posterior.g0[draw]), posterior.a0[draw]
        if domain in posterior.domains:
            place = posterior.domains.index(domain)
            gamma, alpha = posterior.gamma[draw, place], posterior.alpha[draw, place]
        mu = alpha + gamma * math.atanh(pulled / total) / 0.35
        v = posterior.v0[draw] * gamma**2 / total
        chances.append(1 / (1 + math.exp(-mu / math.sqrt(1 + math.pi * v / 8))))
        sampled.append(mu + math.sqrt(v) * standard_normal(posterior.draws)[draw])
        shares = [
            share + weight / sum(weights) / posterior.draws
            for share, weight in zip(shares, weights, strict=True)
        ]
    return sum(chances) / len(chances), sampled, shares


@pytest.mark.parametrize("time", [None, [3.0, 1.0, 3.0, 2.0, 5.0]])
@pytest.mark.parametrize("domain", ["", "weather", "unheard of"])
def test_aggregate_is_what_a_plain_loop_finds(
    posterior: Posterior, time: list[float] | None, domain: str
) -> None:
    names, said = ["bob", "stranger", "ann", "dan", "guest"], [0.0, 0.3, 1.0, 0.62, 0.9]
    found = aggregate(posterior, names, said, time, domain=domain, level=0.9)
    chance, sampled, shares = by_loop(posterior, names, said, time, domain)
    ends = 1 / (1 + np.exp(-np.quantile(sampled, [0.05, 0.95])))
    assert found.probability == pytest.approx(chance, abs=1e-12)
    assert [found.lower, found.upper] == pytest.approx(ends.tolist(), abs=1e-12)
    assert influence(posterior, names, said, time) == pytest.approx(shares, abs=1e-12)
    assert found.level == 0.9
    assert found.forecasters == 5


def test_a_crowd_beyond_the_table_of_ranks_is_discounted_alike() -> None:
    """The oldest of n weighs 1 / n^rho; a crowd of 1,100 takes the path without the table."""
    size = 1100
    names, time = [str(index) for index in range(size)], np.arange(size)
    shares = influence(PRIOR, names, np.full(size, 0.5), time)
    power = (np.arange(1.0, size + 1.0) / size)[:, None] ** PRIOR.rho
    assert shares == pytest.approx((power / power.sum(axis=0)).mean(axis=1), abs=1e-12)


def test_golden_numbers_of_one_draw() -> None:
    """Two equal forecasters at 0.8, k0 = 1, slope 1: artanh(tanh(0.35 ln 4) 2/3) / 0.35, 1/3."""
    one = Posterior(
        t_w=[0.0], rho=[0.0], k0=[1.0], v0=[1.0], g0=[0.0], a0=[0.0],
        gamma=np.empty((1, 0)), alpha=np.empty((1, 0)), omega=np.empty((1, 0)),
    )  # fmt: skip
    found = aggregate(one, ["ann", "bob"], [0.8, 0.8])
    mean = math.atanh(math.tanh(0.35 * math.log(4)) * 2 / 3) / 0.35
    assert mean == pytest.approx(0.88518, abs=1e-5)
    assert found.probability == pytest.approx(
        1 / (1 + math.exp(-mean / math.sqrt(1 + math.pi / 24)))
    )
    assert found.lower == found.upper == pytest.approx(1 / (1 + math.exp(-mean)))


def test_another_computation_has_another_version(posterior: Posterior) -> None:
    """Whoever changes these figures raises ALGORITHM: published aggregates record it."""
    names, said, time = ["ann", "cat", "eve"], [0.9, 0.35, 0.6], [3.0, 2.0, 1.0]
    found = [
        (one.probability, one.lower, one.upper)
        for one in (
            aggregate(posterior, names, said, time, domain="weather"),
            aggregate(PRIOR, names, said, time),
            aggregate(PRIOR, [], []),
        )
    ]
    assert (ALGORITHM, PRIOR.fingerprint[:16]) == (1, "612f9a3fcaac0d39")
    expected = [
        (0.6158869367, 0.3413550593, 0.8687358387),
        (0.6855959776, 0.4545753777, 0.8887308443),
        (0.5, 0.1105534344, 0.8894465656),
    ]
    assert np.array(found) == pytest.approx(np.array(expected), abs=1e-9)


CROWDS = st.lists(st.integers(0, 100), min_size=0, max_size=12)


@given(crowd=CROWDS)
def test_the_prior_treats_a_question_and_its_negation_alike(crowd: list[int]) -> None:
    names = [f"f{index}" for index in range(len(crowd))]
    time = list(range(len(crowd)))
    found = aggregate(PRIOR, names, [value / 100 for value in crowd], time)
    mirror = aggregate(PRIOR, names, [1 - value / 100 for value in crowd], time)
    assert found.probability + mirror.probability == pytest.approx(1.0, abs=1e-12)
    assert found.lower + mirror.upper == pytest.approx(1.0, abs=1e-12)
    assert found.lower < found.upper


@given(crowd=CROWDS, seed=st.integers(0, 2**32 - 1))
def test_the_order_of_forecasters_does_not_matter(crowd: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    names = np.array([f"f{index}" for index in range(len(crowd))])
    said, time = np.array(crowd) / 100, random.integers(0, 3, len(crowd)).astype(float)
    order = random.permutation(len(crowd))
    found = aggregate(PRIOR, names.tolist(), said, time)
    again = aggregate(PRIOR, names[order].tolist(), said[order], time[order])
    assert again.probability == pytest.approx(found.probability, abs=1e-12)
    assert again.upper == pytest.approx(found.upper, abs=1e-12)


@given(crowd=st.lists(st.integers(0, 99), min_size=1, max_size=8), raised=st.integers(0, 7))
def test_raising_a_forecast_never_lowers_the_answer(crowd: list[int], raised: int) -> None:
    names = [f"f{index}" for index in range(len(crowd))]
    said = [value / 100 for value in crowd]
    before = aggregate(PRIOR, names, said).probability
    said[raised % len(said)] += 0.01
    assert aggregate(PRIOR, names, said).probability >= before - 1e-15


def test_more_agreeing_forecasters_give_a_surer_answer() -> None:
    widths, chances = [], []
    for n in (1, 3, 10, 100):
        found = aggregate(PRIOR, [str(index) for index in range(n)], [0.7] * n)
        widths.append(found.upper - found.lower)
        chances.append(found.probability)
    assert chances == sorted(chances)
    assert widths == sorted(widths, reverse=True)


def test_certainty_is_clipped_and_subnormals_are_no_trouble() -> None:
    for said in (0.0, 5e-324, 0.01):
        assert aggregate(PRIOR, ["ann"], [said]) == aggregate(PRIOR, ["ann"], [0.0])


def test_untimed_forecasts_are_not_stale() -> None:
    names, said = ["ann", "bob"], [0.2, 0.9]
    assert aggregate(PRIOR, names, said, [math.nan] * 2) == aggregate(PRIOR, names, said)
    recent = aggregate(PRIOR, names, said, [1.0, 2.0]).probability
    assert recent > aggregate(PRIOR, names, said).probability
    assert aggregate(PRIOR, names, said, [7.0, 7.0]) == aggregate(PRIOR, names, said)


def test_many_questions_get_the_answers_of_each(posterior: Posterior) -> None:
    questions = [
        Standing(["ann", "bob"], [0.2, 0.7], [1.0, 2.0], "weather"),
        Standing([], []),
        Standing(["cat"], [0.5]),
    ]
    assert aggregate_many(posterior, questions, level=0.5) == [
        aggregate(posterior, ["ann", "bob"], [0.2, 0.7], [1, 2], domain="weather", level=0.5),
        aggregate(posterior, [], [], level=0.5),
        aggregate(posterior, ["cat"], [0.5], level=0.5),
    ]


def test_influence_adds_up_to_one_and_nobody_has_none(posterior: Posterior) -> None:
    shares = influence(posterior, ["ann", "bob", "new"], [0.1, 0.2, 0.3], [1, 2, 3])
    assert shares.sum() == pytest.approx(1.0)
    assert (shares > 0).all()
    assert influence(posterior, [], []).size == 0


@pytest.mark.parametrize(
    ("names", "said", "time", "reason"),
    [
        (["ann"], [0.1, 0.2], None, "2 probabilities"),
        (["ann", "ann"], [0.1, 0.2], None, "twice"),
        (["ann"], [1.2], None, "outside"),
        (["ann"], [math.nan], None, "outside"),
        (["ann", "bob"], [0.1, 0.2], [1.0, math.nan], "all of them or none"),
        (["ann", "bob"], [0.1, 0.2], [1.0], "shape"),
    ],
)
def test_bad_crowds_are_refused(
    names: list[str], said: list[float], time: list[float] | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        aggregate(PRIOR, names, said, time)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, math.nan])
def test_levels_lie_between_zero_and_one(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        aggregate(PRIOR, [], [], level=level)


def test_the_live_path_imports_no_sampler() -> None:
    code = (
        "import sys, forecasting, forecasting.live, forecasting.posterior, forecasting.panel, "
        "forecasting.pooling, forecasting.scores, forecasting.calibration, forecasting.fit, "
        "forecasting.simulate; "
        "print([m for m in ('pymc', 'nutpie', 'arviz', 'pytensor', 'numba', 'pandas') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
