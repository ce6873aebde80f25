"""Charts are written whole, name what they show, and refuse other files."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from forecasting import charts
from forecasting.backtest import Row


def row(method: str, behind: float, reach: float) -> Row:
    figures: dict[str, Any] = dict.fromkeys(
        ("log", "brier", "slope", "intercept", "expected_calibration_error"), 0.5
    )
    return Row(
        method=method,
        questions=9,
        behind=behind,
        lower=behind - reach,
        upper=behind + reach,
        **figures,
    )


ROWS = [row("bayes", 0.0, 0.0), row("mean", 0.1, 0.02), row("median", -0.01, 0.05)]


def test_the_chart_of_a_backtest_says_who_is_behind(tmp_path: Path) -> None:
    path = tmp_path / "plot.svg"
    charts.write(charts.behind(ROWS), path)
    said = "".join(ET.parse(path).getroot().itertext())  # noqa: S314  # written just now
    for word in ("mean", "median", "model better", "undecided", "behind the model"):
        assert word in said
    spec = charts.behind(ROWS).to_dict()
    drawn = [value for values in spec["datasets"].values() for value in values]
    verdicts = {value["method"]: value["verdict"] for value in drawn if "method" in value}
    assert verdicts == {"mean": "model better", "median": "undecided"}


def test_ranks_are_drawn_a_panel_a_parameter(tmp_path: Path) -> None:
    path = tmp_path / "ranks.png"
    found = {"rho": [0.05, 0.5, 0.95], "k0": [0.1, 0.2, 0.3]}
    charts.write(charts.ranks(found), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    charts.write(charts.ranks(found), tmp_path / "ranks.svg")
    assert "rho" in (tmp_path / "ranks.svg").read_text()


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        charts.write(charts.behind(ROWS), tmp_path / "plot.jpg")
    assert not list(tmp_path.iterdir())
