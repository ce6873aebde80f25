"""The quick tier of the model's checks; `make model-checks` runs the full one."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from forecasting.fit import fit
from forecasting.live import aggregate
from forecasting.posterior import Posterior
from forecasting.simulate import check

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("crowd", [0, 2, 8, 100])
def test_the_prior_on_a_probability_is_not_u_shaped(crowd: int) -> None:
    """The ends of (0, 1) are no likelier than the middle when the crowd says one half."""
    prior = Posterior.prior(draws=4000)
    names = [f"f{index}" for index in range(crowd)]
    # The widest central interval that stays within the inner eight tenths.
    wide = aggregate(prior, names, np.full(crowd, 0.5), level=0.8)
    assert wide.lower > 0.1
    assert wide.upper < 0.9
    middle = aggregate(prior, names, np.full(crowd, 0.5), level=0.2)
    assert (middle.upper - middle.lower) / 0.2 < (wide.upper - wide.lower) / 0.8


def test_fits_to_the_models_own_panels_recover_it() -> None:
    """Simulation-based calibration in small: ranks are spread and intervals cover."""
    found = [check(seed=seed, fit=partial(fit, seed=seed, draws=500)) for seed in range(4)]
    covered = np.concatenate([one.covered for one in found])
    assert 0.65 < covered.mean() < 0.95
    skills = np.concatenate([one.ranks["omega"] for one in found])
    assert stats.kstest(skills, "uniform").pvalue > 0.001
    others = [
        rank
        for one in found
        for name, ranks in one.ranks.items()
        if name != "omega"
        for rank in ranks
    ]
    assert stats.kstest(others, "uniform").pvalue > 0.001
    assert np.mean(np.abs(np.array(others) - 0.5) < 0.495) > 0.9
