"""Aggregating a folder of forecasts without a database."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from forecasting import live, pooling
from forecasting.files import replacing
from forecasting.panel import Panel
from forecasting.posterior import Posterior
from forecasting.spreadsheets import guarded


class Row(NamedTuple):
    """An aggregate of one question by one method; a field is empty where there is no figure."""

    question_id: str
    probability: float | None
    lower: float | None
    upper: float | None
    forecasters: int
    method: str


def aggregate(
    panel: Panel, posterior: Posterior, *, level: float, all_methods: bool = False
) -> list[Row]:
    """The aggregate of every question without an outcome, in the panel's order.

    Each is computed at the question's `as_of`, or at its last forecast, from the forecasts standing
    then.
    """
    rows: list[Row] = []
    for index in np.flatnonzero(np.isnan(panel.outcome)).tolist():
        as_of = panel.as_of[index]
        standing = panel.standing(index, math.inf if np.isnan(as_of) else float(as_of))
        name, probability = panel.questions[index], panel.probability[standing]
        time = panel.time[standing]
        pooled = live.aggregate(
            posterior,
            [panel.forecasters[who] for who in panel.forecaster[standing]],
            probability,
            time,
            domain=panel.domains[panel.domain[index]],
            level=level,
        )
        rows.append(
            Row(name, pooled.probability, pooled.lower, pooled.upper, pooled.forecasters, "bayes")
        )
        if all_methods:
            rows += [
                Row(name, _figure(method, probability, time), None, None, standing.size, method)
                for method in pooling.POOLS
            ]
    return rows


def _figure(
    method: str, probability: np.typing.NDArray[np.float64], time: np.typing.NDArray[np.float64]
) -> float | None:
    pooled = pooling.pool(method, probability, None if np.isnan(time).any() else time)
    return pooled if math.isfinite(pooled) else None


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows as CSV with a header; on an error an existing file is kept."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(
        row._replace(question_id=guarded(row.question_id), method=guarded(row.method))
        for row in rows
    )
    with replacing(path) as (file,):
        file.write_text(text.getvalue(), encoding="utf-8", newline="")
