"""Thinning: few draws that stand for many."""

import numpy as np
from scipy.spatial.distance import cdist

from forecasting.posterior import PRIORS, Posterior
from forecasting.thinning import representative


def points(seed: int, draws: int = 500) -> np.ndarray:
    """Four chains of three parameters of very different scales, one of them skewed."""
    drawn = np.random.default_rng(seed).normal(size=(4, draws, 3))
    drawn[..., 1] = 100.0 * drawn[..., 0] + 50.0 * drawn[..., 1]
    drawn[..., 2] = np.exp(drawn[..., 2])
    return drawn


def test_averages_over_the_kept_are_near_those_over_all() -> None:
    away: dict[str, list[np.ndarray]] = {"representative": [], "even": []}
    for seed in range(20):
        drawn = points(seed)
        even = np.tile(np.linspace(0, 499, 25).round().astype(int), (4, 1))
        for name, kept in (("representative", representative(drawn, 100)), ("even", even)):
            some = np.take_along_axis(drawn, kept[..., None], axis=1)
            scale = drawn.std(axis=(0, 1))
            off = (some.mean(axis=(0, 1)) - drawn.mean(axis=(0, 1))) / scale
            spread = some.std(axis=(0, 1)) / scale - 1.0
            away[name].append(np.concatenate([off, spread]))
    root = {name: np.sqrt(np.mean(np.square(found), axis=0)) for name, found in away.items()}
    assert (root["representative"][:3] < 0.4 * root["even"][:3]).all()
    assert (root["representative"][3:] < root["even"][3:]).all()


def test_each_choice_is_the_best_by_the_energy_distance() -> None:
    drawn = points(3, draws=12)
    flat = drawn.reshape(48, 3)
    flat = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    apart = cdist(flat, flat)
    chosen: list[int] = []
    for step in range(20):
        of_chain = [
            one for one in range(12 * (step % 4), 12 * (step % 4) + 12) if one not in chosen
        ]

        def energy(one: int) -> float:
            some = [*chosen, one]
            return float(2.0 * apart[some].mean() - apart[np.ix_(some, some)].mean())

        chosen.append(min(of_chain, key=energy))
    kept = representative(drawn, 20)
    assert kept.shape == (4, 5)
    assert sorted(chosen) == (kept + 12 * np.arange(4)[:, None]).ravel().tolist()


def test_every_draw_is_kept_where_there_are_few() -> None:
    drawn = points(1, draws=30)
    assert (representative(drawn, 400) == np.arange(30)).all()
    still = np.zeros((2, 30, 3))
    assert representative(still, 20).shape == (2, 10)


def test_prior_draws_are_nearer_to_the_priors_than_independent_ones() -> None:
    drawn = [Posterior.prior(seed=seed) for seed in range(10)]
    for off in (
        [(one.g0.mean() - PRIORS.g0_mean) / PRIORS.g0_sd for one in drawn],
        [(np.log(one.k0).mean() - PRIORS.k0_mean) / PRIORS.k0_sd for one in drawn],
    ):
        assert np.sqrt(np.mean(np.square(off))) < 0.6 / np.sqrt(200)
    assert all(one.a0.mean() == 0.0 for one in drawn)
