"""Skill and ranks: against sampling from the same model, by properties, and on known truths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.skill import Skill, skill


def scored(seed: int, size: int, skill_sd: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """True skills, and each forecaster's scores on 5 to 60 fully covered questions."""
    random = np.random.default_rng(seed)
    truth = random.normal(0.0, skill_sd, size)
    return truth, [truth[i] + random.normal(0, 5, random.integers(5, 60)) for i in range(size)]


def rated(scores: list[np.ndarray], *, higher: bool = True, level: float = 0.8) -> Skill:
    sums = [[one.sum(), one.size, (one**2).sum(), one.size] for one in scores]
    return skill(*np.array(sums).T, higher_is_better=higher, level=level)


def test_it_agrees_with_gibbs_sampling_of_the_same_model() -> None:
    _, scores = scored(3, 6, 3.0)
    size = np.array([one.size for one in scores])
    mean = np.array([one.mean() for one in scores])
    luck = sum(((one - one.mean()) ** 2).sum() for one in scores) / (size - 1).sum()
    random = np.random.default_rng(0)
    grid = np.exp(np.linspace(np.log(10) - 6, np.log(10) + 6, 2001))
    prior = -((np.log(grid / 10.0) / 2.0) ** 2) / 2.0
    k, mu, drawn = 10.0, 0.0, []
    for step in range(12_000):
        theta = random.normal((size * mean + k * mu) / (size + k), np.sqrt(luck / (size + k)))
        mu = random.normal(theta.mean(), np.sqrt(luck / k / size.size))
        log = prior + size.size / 2 * np.log(grid) - grid * ((theta - mu) ** 2).sum() / luck / 2
        mass = np.cumsum(np.exp(log - log.max()))
        k = grid[np.searchsorted(mass, random.random() * mass[-1])]
        if step >= 2000:
            drawn.append(theta)
    theta = np.array(drawn)
    found = rated(scores)
    assert found.mean == pytest.approx(theta.mean(axis=0), abs=0.08)
    lower, upper = np.quantile(theta, [0.1, 0.9], axis=0)
    assert found.lower == pytest.approx(lower, abs=0.2)
    assert found.upper == pytest.approx(upper, abs=0.2)
    for one in range(6):
        for other in range(one):
            assert found.better(one, other) == pytest.approx(
                np.mean(theta[:, one] > theta[:, other]), abs=0.03
            )
    first = np.bincount(theta.argmax(axis=1), minlength=6) / len(theta)
    assert found.first == pytest.approx(first, abs=0.04)


def test_intervals_of_skill_and_rank_cover_the_truth() -> None:
    of_skill, of_rank = [], []
    for seed in range(40):
        truth, scores = scored(seed, 25, 1.5)
        found = rated(scores)
        place = np.empty(25)
        place[np.argsort(-truth)] = np.arange(1, 26)
        of_skill.append(np.mean((found.lower < truth) & (truth < found.upper)))
        of_rank.append(np.mean((found.rank_lower <= place) & (place <= found.rank_upper)))
    assert 0.75 < np.mean(of_skill) < 0.85
    assert 0.75 < np.mean(of_rank) < 0.9


@given(seed=st.integers(0, 1000), size=st.integers(1, 12), step=st.integers(0, 11))
@settings(max_examples=20)
def test_the_interval_of_ranks_holds_the_rank_shown(seed: int, size: int, step: int) -> None:
    _, scores = scored(seed, size, 0.5)
    sums = np.array([[one.sum(), one.size, (one**2).sum(), one.size] for one in scores]).T
    own = skill(*sums, higher_is_better=True)
    assert ((own.rank_lower <= own.rank) & (own.rank <= own.rank_upper)).all()
    shown = (own.rank + step - 1) % size + 1
    other = skill(*sums, higher_is_better=True, shown=shown)
    assert ((other.rank_lower <= shown) & (shown <= other.rank_upper)).all()
    assert other.mean.tolist() == own.mean.tolist()


def test_a_rank_shown_is_one_of_those_that_there_are() -> None:
    for shown in ([0], [2], [1, 1]):
        with pytest.raises(ValueError, match="outside 1 to 1"):
            skill([1.0], [1.0], [1.0], [1], higher_is_better=True, shown=shown)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), size=st.integers(1, 8))
def test_it_is_a_comparison_whatever_the_order_and_the_direction(seed: int, size: int) -> None:
    _, scores = scored(seed, size, 2.0)
    found = rated(scores)
    order = np.random.default_rng(seed).permutation(size)
    again = rated([scores[i] for i in order])
    turned = rated([-one for one in scores], higher=False)
    assert again.mean == pytest.approx(found.mean[order], abs=1e-9)
    assert turned.mean == pytest.approx(-found.mean, abs=1e-9)
    assert turned.rank.tolist() == found.rank.tolist()
    assert sorted(found.rank.tolist()) == list(range(1, size + 1))
    assert (found.rank_lower <= found.rank_upper).all()
    assert found.first.sum() == pytest.approx(1.0)
    for one in range(size):
        for other in range(size):
            both = found.better(one, other) + found.better(other, one)
            assert both == pytest.approx(1.0)


def test_one_lucky_answer_is_no_skill() -> None:
    found = skill([90.0, 400.0], [1.0, 40.0], [8100.0, 40_000.0], [1, 40], higher_is_better=True)
    assert found.upper[0] - found.lower[0] > 2 * (found.upper[1] - found.lower[1])
    assert found.mean[0] < 50.0
    assert found.better(0, 1) < 0.95


def test_the_mean_is_a_mean_with_pseudo_questions() -> None:
    """Where all covered as much, one shrinkage fits all; it lies within the range of k."""
    found = skill(
        [10.0, 20.0, 60.0], [10.0] * 3, [90.0, 110.0, 420.0], [10] * 3, higher_is_better=True
    )
    pulled = (found.mean - 3.0) / (np.array([1.0, 2.0, 6.0]) - 3.0)
    assert pulled == pytest.approx(np.full(3, pulled[0]))
    assert 10 / (10 + 900) < pulled[0] < 1.0
    assert found.pseudo_questions > 0.0


def test_who_is_outside_the_field_is_ranked_and_teaches_nothing() -> None:
    _, scores = scored(7, 10, 2.0)
    crowd = [sum(one[:5] for one in scores) / 10.0]
    sums = np.array([[one.sum(), one.size, (one**2).sum(), one.size] for one in scores + crowd])
    in_field = [True] * 10 + [False]
    found = skill(*sums.T, higher_is_better=True, in_field=in_field)
    assert found.mean[:10] == pytest.approx(rated(scores).mean)
    assert sorted(found.rank.tolist()) == list(range(1, 12))
    assert found.first.sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="members"):
        skill(*sums.T, higher_is_better=True, in_field=[False] * 11)
    with pytest.raises(ValueError, match="members"):
        skill(*sums.T, higher_is_better=True, in_field=[True])


def test_the_seed_decides_the_draws() -> None:
    _, scores = scored(0, 5, 1.0)
    assert rated(scores).lower.tolist() == rated(scores).lower.tolist()


def test_nobody_one_and_all_alike_are_no_trouble() -> None:
    nobody = skill([], [], [], [], higher_is_better=True)
    assert nobody.mean.size == nobody.rank_lower.size == 0
    one = skill([3.0], [1.0], [9.0], [1], higher_is_better=True)
    assert one.mean == pytest.approx([3.0])
    assert one.first.tolist() == [1.0]
    alike = skill([5.0] * 3, [5.0] * 3, [5.0] * 3, [5] * 3, higher_is_better=True)
    assert alike.mean == pytest.approx([1.0] * 3)
    assert alike.better(0, 2) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("total", "weight", "questions", "level"),
    [
        ([1.0], [0.0], [1], 0.8),
        ([1.0], [1.0], [0], 0.8),
        ([1.0, 2.0], [1.0], [1], 0.8),
        ([np.nan], [1.0], [1], 0.8),
        ([1.0], [1.0], [1], 0.0),
    ],
)
def test_bad_input_is_refused(
    total: list[float], weight: list[float], questions: list[int], level: float
) -> None:
    with pytest.raises(ValueError, match=r"positive|differ|finite|outside"):
        skill(total, weight, [1.0], questions, higher_is_better=True, level=level)
