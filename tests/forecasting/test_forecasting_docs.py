"""The examples in the docstrings are true."""

import doctest
import importlib

import pytest

MODULES = (
    "pooling",
    "panel",
    "posterior",
    "live",
    "scores",
    "calibration",
    "simulate",
    "fit",
    "recalibration",
    "skill",
    "forecasters",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    module = importlib.import_module(f"forecasting.{name}")
    outcome = doctest.testmod(module)
    assert outcome.failed == 0


def test_there_are_examples() -> None:
    attempted = sum(
        doctest.testmod(importlib.import_module(f"forecasting.{name}")).attempted
        for name in MODULES
    )
    assert attempted >= 10
