"""Thinning: few draws that stand for many."""

import numpy as np
from scipy.spatial.distance import cdist

from forecasting.posterior import PRIORS, Posterior
from forecasting.thinning import representative


def points(seed: int, draws: int = 1000) -> np.ndarray:
    """Three parameters of very different scales, two that hang together and one that is skewed."""
    drawn = np.random.default_rng(seed).normal(size=(draws, 3))
    drawn[:, 1] = 100.0 * drawn[:, 0] + 50.0 * drawn[:, 1]
    drawn[:, 2] = np.exp(drawn[:, 2])
    return drawn


def test_averages_over_the_kept_are_near_those_over_all() -> None:
    away: dict[str, list[np.ndarray]] = {"representative": [], "even": []}
    for seed in range(20):
        drawn = points(seed)
        even = np.linspace(0, 999, 100).round().astype(int)
        for name, kept in (("representative", representative(drawn, 100)), ("even", even)):
            some, scale = drawn[kept], drawn.std(axis=0)
            off = (some.mean(axis=0) - drawn.mean(axis=0)) / scale
            away[name].append(np.concatenate([off, some.std(axis=0) / scale - 1.0]))
    root = {name: np.sqrt(np.mean(np.square(found), axis=0)) for name, found in away.items()}
    assert (root["representative"][:3] < 0.4 * root["even"][:3]).all()
    assert (root["representative"][3:] < 0.5 * root["even"][3:]).all()
    assert (np.abs(np.mean(away["representative"], axis=0)[3:5]) < 0.01).all()


def test_each_choice_is_the_best_by_its_distances() -> None:
    drawn = points(3, draws=40)
    scaled = (drawn - drawn.mean(axis=0)) / drawn.std(axis=0)
    apart = cdist(scaled, scaled)
    chosen: list[int] = []
    for step in range(20):

        def loss(one: int, step: int = step) -> float:
            return float(apart[one].mean() - apart[one, chosen].sum() / (step + 0.5))

        chosen.append(min(set(range(40)) - set(chosen), key=loss))
    assert sorted(chosen) == representative(drawn, 20).tolist()


def test_every_draw_is_kept_where_there_are_few() -> None:
    assert (representative(points(1, draws=30), 400) == np.arange(30)).all()
    assert np.unique(representative(np.zeros((30, 3)), 10)).size == 10


def test_prior_draws_are_nearer_to_the_priors_than_independent_ones() -> None:
    drawn = [Posterior.prior(seed=seed) for seed in range(10)]
    for off in (
        [(one.g0.mean() - PRIORS.g0_mean) / PRIORS.g0_sd for one in drawn],
        [(np.log(one.k0).mean() - PRIORS.k0_mean) / PRIORS.k0_sd for one in drawn],
    ):
        assert np.sqrt(np.mean(np.square(off))) < 0.6 / np.sqrt(200)
    assert all(one.a0.mean() == 0.0 for one in drawn)
