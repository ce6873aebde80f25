"""A table of PredictionBook's public predictions: a CSV file with one row per forecast."""

import math
from dataclasses import replace
from typing import Final

from forecasting.panel import Panel, PanelQuestion
from service.exchange.platforms.platform import Forecast, Platform, agree, collect, forecaster
from service.exchange.platforms.source import Source

_COLUMNS: Final = (
    "question_id",
    "user_id",
    "probability",
    "timestamp",
    "outcome",
    "open_time",
    "close_time",
    "resolve_time",
)
_TITLES: Final = ("question_id", "q_title")
_OUTCOMES: Final = {
    "1.0": 1.0,
    "0.0": 0.0,
    "-1.0": math.nan,
    "1": 1.0,
    "0": 0.0,
    "-1": math.nan,
    "": math.nan,
}


def _read(source: Source) -> Panel:
    source.dialect = replace(source.dialect, missing=(*source.dialect.missing, "NaT", "None"))
    (name,) = source.tables_with(_COLUMNS)
    titles = _titles(source)
    asked: dict[str, PanelQuestion] = {}
    made: dict[Forecast, None] = {}
    for row in source.table(name, _COLUMNS):
        question_id = row.text("question_id", required=True)
        outcome = row.choice("outcome", _OUTCOMES)
        known = row.time("resolve_time")
        question = PanelQuestion(
            id=question_id,
            title=titles.get(question_id) or f"PredictionBook, prediction {question_id}",
            outcome=outcome,
            opens=row.time("open_time"),
            closes=row.time("close_time"),
            resolved=math.nan if math.isnan(outcome) else known,
        )
        agree(row.place, asked.setdefault(question_id, question), question)
        collect(
            made,
            (
                forecaster(row, "user_id"),
                question_id,
                row.past("timestamp"),
                math.inf,
                row.probability("probability"),
            ),
            row,
        )
    return Panel.of(forecasts=made, questions=asked.values())


def _titles(source: Source) -> dict[str, str]:
    """Titles by question, from a table in the same folder or archive, if there is one."""
    beside = source
    if source.path.is_file() and len(source.names) == 1:
        file = source.path.with_name("questions.csv")
        if not file.exists():
            return {}
        beside = Source(file, source.dialect)
    return {
        row.text("question_id"): row.text("q_title")
        for name in beside.tables_with(_TITLES)
        for row in beside.table(name, _TITLES)
    }


PLATFORM: Final = Platform(
    name="PredictionBook",
    files=f"a CSV file with the columns {', '.join(_COLUMNS)}",
    recognises=lambda source: len(source.tables_with(_COLUMNS)) == 1,
    read=_read,
)
