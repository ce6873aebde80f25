"""What ``forecasting.native`` relies on in nutpie that its public interface does not promise."""

import inspect
import warnings
from operator import attrgetter
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ADVICE = "nutpie's private interface has changed: adapt forecasting/native.py, then this list"
REST = [("store",), ("extra_callback", "extra_callback_rate", "store")]
"""What a model's sampler gets after the progress display, by release."""


@pytest.fixture(scope="module")
def native() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from forecasting import native  # noqa: PLC0415 - imports nutpie, which takes seconds
    return native


def test_the_sampler_takes_what_a_model_is_given(native: Any) -> None:
    from nutpie.compile_pymc import CompiledPyMCModel  # noqa: PLC0415 - as above

    given = tuple(inspect.signature(CompiledPyMCModel._make_sampler).parameters)
    assert given[:5] == ("self", "settings", "init_mean", "cores", "progress_type"), ADVICE
    assert given[5:] in REST, ADVICE
    taken = tuple(inspect.signature(native._lib.PySampler.from_pymc).parameters)
    assert taken == ("settings", "cores", "model", "progress_type", *given[5:]), ADVICE


@pytest.mark.parametrize(
    ("function", "taken"),
    [
        ("PyMcModel", "density expand variables dim dim_sizes coords init_func transform_adapter"),
        ("LogpFunc", "ptr user_data_ptr keep_alive"),
        ("ExpandFunc", "dim expanded_dim ptr user_data_ptr keep_alive"),
        ("PyVariable.new_variables", "names item_types shapes dim_sizes dims"),
        ("ProgressType.template_callback", "rate template n_cores callback"),
    ],
)
def test_a_model_is_made_as_before(native: Any, function: str, taken: str) -> None:
    found = inspect.signature(attrgetter(function)(native._lib)).parameters
    assert list(found) == taken.split(), ADVICE


def test_the_mass_matrix_has_an_option_to_follow_the_draws(native: Any) -> None:
    options = set(inspect.signature(native.nutpie.sample).parameters)
    options |= set(dir(native._lib.PyNutsSettings.Diag(1)))
    assert set(native.BY_DRAWS) <= options, ADVICE
