"""Files as other platforms write them, and what is read from them."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from forecasting.csv_io import Dialect
from service.exchange import platforms
from service.exchange.platforms.platform import Export


class Made(NamedTuple):
    forecaster: str
    question: str
    time: float
    probability: float


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write files into one folder: text as it is, everything else as JSON."""

    def write(**files: Any) -> Path:
        for name, content in files.items():
            stem, _, suffix = name.rpartition("_")
            path = tmp_path / f"{stem}.{suffix}"
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_text(text, encoding="utf-8")
        return tmp_path if len(files) > 1 else path

    return write


@pytest.fixture
def read(written) -> Callable[..., Export]:
    return lambda **files: platforms.read(written(**files))


@pytest.fixture
def read_as(written) -> Callable[..., Export]:
    """Read one table, as text or bytes, in a dialect."""

    def read(content: str | bytes, **dialect: Any) -> Export:
        path = written(table_csv=content if isinstance(content, str) else "")
        if isinstance(content, bytes):
            path.write_bytes(content)
        return platforms.read(path, Dialect(**dialect))

    return read


@pytest.fixture
def forecasts() -> Callable[[Export], list[Made]]:
    def listed(export: Export) -> list[Made]:
        panel = export.panel
        return [
            Made(
                panel.forecasters[panel.forecaster[row]],
                panel.questions[panel.question[row]],
                float(panel.time[row]),
                float(panel.probability[row]),
            )
            for row in range(panel.probability.size)
        ]

    return listed


@pytest.fixture
def outcomes() -> Callable[[Export], dict[str, tuple[str, float | None]]]:
    """Title and outcome of each question."""

    def listed(export: Export) -> dict[str, tuple[str, float | None]]:
        panel = export.panel
        return {
            panel.questions[index]: (
                panel.titles[index],
                None if math.isnan(panel.outcome[index]) else float(panel.outcome[index]),
            )
            for index in range(len(panel.questions))
        }

    return listed


@pytest.fixture
def left_out() -> Callable[[Export], dict[str, int]]:
    return lambda export: {reason: note.count for reason, note in export.notes.left_out.items()}


@pytest.fixture
def adjusted() -> Callable[[Export], dict[str, int]]:
    return lambda export: {rule: note.count for rule, note in export.notes.adjusted.items()}
