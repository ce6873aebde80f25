"""Fatebook's export: a CSV file in which each row is a forecast and repeats its question."""

import math
import re
from dataclasses import replace
from typing import Final

from forecasting.csv_io import Row
from forecasting.panel import Panel, PanelQuestion
from service.exchange.platforms.platform import Forecast, Platform, agree, collect, forecaster
from service.exchange.platforms.source import Source

_COLUMNS: Final = (
    "Question title",
    "Forecast created by",
    "Forecast (scale = 0-1)",
    "Forecast created at",
    "Question created by",
    "Question created at",
    "Question resolve by",
)
_ANSWER: Final = (("Resolution", "Resolved at"), ("Question resolution", "Question resolved at"))
"""The columns of the answer; until options were introduced in 2024, the second pair."""
_OPTION: Final = "Multiple choice option"
_OUTCOMES: Final = {"YES": 1.0, "NO": 0.0, "AMBIGUOUS": math.nan, "OTHER": math.nan, "": math.nan}
_UNPADDED: Final = re.compile(r"([0-9-]{10}) ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})", re.ASCII)


def _read(source: Source) -> Panel:
    name, (resolution, resolved_at) = _fatebook_files(source)[0]
    asked: dict[tuple[str, ...], PanelQuestion] = {}
    made: dict[Forecast, None] = {}
    for row in map(_padded, source.table(name, _COLUMNS)):
        title, option = row.text("Question title", required=True), row.text(_OPTION)
        key = (title, option, row.text("Question created at"), row.text("Question created by"))
        outcome = row.choice(resolution, _OUTCOMES)
        known = row.time(resolved_at)
        question = PanelQuestion(
            id=asked[key].id if key in asked else str(len(asked) + 1),
            title=f"{title} ({option})" if option else title,
            outcome=outcome,
            opens=row.time("Question created at", required=True),
            closes=row.time("Question resolve by"),
            resolved=math.nan if math.isnan(outcome) else known,
        )
        agree(row.place, asked.setdefault(key, question), question)
        collect(
            made,
            (
                forecaster(row, "Forecast created by"),
                question.id,
                row.past("Forecast created at"),
                math.inf,
                row.probability("Forecast (scale = 0-1)"),
            ),
            row,
        )
    return Panel.of(forecasts=made, questions=asked.values())


def _fatebook_files(source: Source) -> list[tuple[str, tuple[str, str]]]:
    """The Fatebook files, each with the column names of the answer."""
    return [
        (name, answer) for answer in _ANSWER for name in source.tables_with((*_COLUMNS, *answer))
    ]


def _padded(row: Row) -> Row:
    """A row with times padded to two digits: Fatebook writes 9:05:7 for 09:05:07."""
    return replace(
        row,
        cells={
            column: _UNPADDED.sub(
                lambda found: f"{found[1]} {found[2]:0>2}:{found[3]:0>2}:{found[4]:0>2}", text
            )
            if _UNPADDED.fullmatch(text)
            else text
            for column, text in row.cells.items()
        },
    )


PLATFORM: Final = Platform(
    name="Fatebook",
    files=f"a CSV file with the columns {', '.join((*_COLUMNS, *_ANSWER[0]))}",
    recognises=lambda source: len(_fatebook_files(source)) == 1,
    read=_read,
)
