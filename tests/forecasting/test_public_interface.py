"""The public interface of the library: it exists, is documented, and costs nothing until used."""

import ast
import doctest
import importlib
import inspect
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

import forecasting

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
SAMPLERS = ("pymc", "nutpie", "arviz", "pytensor", "numba", "scipy", "numpy")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def described_in_source(module: str, name: str) -> bool:
    """Whether a constant is followed by a string that describes it."""
    found = inspect.getsource(importlib.import_module(module))
    body = ast.parse(found).body
    for statement, after in itertools.pairwise(body):
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == name:
            return isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    return False


@pytest.mark.parametrize("name", forecasting.__all__)
def test_public_names_exist_and_are_documented(name: str) -> None:
    value = getattr(forecasting, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__name__ == name
        written = inspect.getdoc(value) or ""
        assert written
        assert not written.startswith(f"{name}(")  # what a dataclass writes by itself
        assert not re.search(r"^>>> ", written, re.MULTILINE), "an example without a section"
    else:
        places = re.findall(rf"^::: (forecasting\.\w+)\.{name}$", REFERENCE, re.MULTILINE)
        assert described_in_source(places[0], name)


def test_the_reference_has_every_public_name_and_no_other() -> None:
    listed = re.findall(r"^::: (forecasting\.\w+)\.(\w+)$", REFERENCE, re.MULTILINE)
    assert sorted(name for _, name in listed) == sorted(forecasting.__all__)
    for module, name in listed:
        at_home = getattr(importlib.import_module(module), name)
        assert at_home is getattr(forecasting, name)


def test_type_checkers_see_every_public_name() -> None:
    tree = ast.parse(Path(forecasting.__file__).read_text(encoding="utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    pairs = {alias.name: node.module for node in imports for alias in node.names}
    assert set(pairs) == set(forecasting.__all__)
    for name, module in pairs.items():
        assert module is not None
        assert getattr(importlib.import_module(module), name) is getattr(forecasting, name)


def test_importing_the_package_loads_no_library() -> None:
    code = f"import sys, forecasting; print([m for m in {SAMPLERS} if m in sys.modules])"
    assert run(code) == "[]"


def test_all_but_the_model_leave_the_samplers_out() -> None:
    names = ", ".join(name for name in forecasting.__all__ if name != "build_model")
    code = (
        f"import sys; from forecasting import {names}; "
        "print([m for m in ('pymc', 'nutpie', 'arviz', 'pytensor', 'numba') if m in sys.modules])"
    )
    assert run(code) == "[]"


@pytest.mark.parametrize("name", ["fit", "backtest", "skill"])
def test_a_function_wins_over_the_module_of_its_name(name: str) -> None:
    before = f"import forecasting.{name}; "
    for code in ("", before):
        assert run(f"{code}from forecasting import {name}; print(callable({name}))") == "True"
    assert run(f"from forecasting.{name} import {name}; print(callable({name}))") == "True"


def test_the_example_of_the_package_is_true() -> None:
    assert doctest.testmod(forecasting).failed == 0


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = forecasting.nothing  # type: ignore[attr-defined]
    assert set(forecasting.__all__) <= set(dir(forecasting))
