import doctest
import importlib
import pkgutil

import pytest

import questions

MODULES = [module.name for module in pkgutil.iter_modules(questions.__path__, "questions.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
