"""Texts in CSV files: none is a formula to a spreadsheet, and every one is read back as it was."""

import csv
import doctest
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import spreadsheets
from forecasting.panel import Panel, PanelQuestion
from forecasting.spreadsheets import guarded, unguarded

DANGEROUS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1", "\ufeff=1"]


def test_the_examples_hold() -> None:
    assert doctest.testmod(spreadsheets).failed == 0


@pytest.mark.parametrize("text", DANGEROUS)
def test_what_begins_like_a_formula_is_marked_as_a_text(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "rain", "a=b", "5 - 3", "'tis", "''", "\u2212 5", "✓ done"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert guarded(text) == text


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\n ab\uff1d\ufeff")))
def test_every_text_is_read_back_as_it_was(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text).lstrip().startswith(("=", "+", "-", "@"))


def test_a_folder_of_formulas_is_harmless_and_comes_back(tmp_path: Path) -> None:
    names = ("=1+1", "'=2", "-3", "plain")
    panel = Panel.of(
        forecasts=[(name, name, math.nan, math.inf, 0.5) for name in names],
        questions=[PanelQuestion(name, title=f"@{name}", domain=f"+{name}") for name in names],
    )
    panel.write(tmp_path)
    for file in tmp_path.iterdir():
        with file.open(newline="", encoding="utf-8") as text:
            for row in csv.reader(text):
                assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    again = Panel.read(tmp_path)
    assert again.data_hash == panel.data_hash
    assert (again.forecasters, again.titles) == (panel.forecasters, panel.titles)
