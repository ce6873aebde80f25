"""The diagnostics of chains, against ArviZ's."""

import warnings
from typing import Any

import numpy as np
import pytest

from forecasting.diagnostics import diagnose


@pytest.mark.parametrize("length", [100, 201])
def test_they_are_those_of_arviz(length: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz  # noqa: PLC0415 - announces its refactoring

    library: Any = arviz
    random = np.random.default_rng(0)
    persistence = np.array([0.0, 0.5, 0.9, 0.99, -0.5, -0.9, 0.999, 0.0, 0.0])
    draws = random.normal(size=(4, length, persistence.size))
    for step in range(1, length):
        draws[:, step] += persistence * draws[:, step - 1]
    draws[..., 7] = draws[..., 7].round()  # ties
    draws[0, :, 8] += 0.5  # chains that disagree
    found = diagnose(draws)
    data = library.convert_to_dataset({"x": draws})
    for name, expected in (
        ("r_hat", library.rhat(data)),
        ("ess_bulk", library.ess(data, method="bulk")),
        # The tails are named: the default is other quantiles from ArviZ 1 on.
        ("ess_tail", library.ess(data, method="tail", prob=(0.05, 0.95))),
    ):
        np.testing.assert_allclose(found[name], expected["x"], rtol=1e-10)


def test_a_block_at_a_time_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(1).normal(size=(2, 50, 7))
    whole = diagnose(draws)
    monkeypatch.setattr("forecasting.diagnostics._BLOCK", 250)
    for name, values in diagnose(draws).items():
        np.testing.assert_array_equal(values, whole[name])
