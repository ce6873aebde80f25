"""Credence's own format: a folder or ZIP archive with forecasts.csv and questions.csv."""

from typing import Final

from forecasting.csv_io import PanelError
from forecasting.panel import FORECAST_COLUMNS, QUESTION_COLUMNS, Panel
from service.exchange.platforms.platform import Platform
from service.exchange.platforms.source import Source

_QUESTIONS: Final = "questions.csv"
_FORECASTS: Final = ("forecasts.csv", "forecasts.csv.gz")


def _recognises(source: Source) -> bool:
    return not {_QUESTIONS, *_FORECASTS}.isdisjoint(source.names)


def _read(source: Source) -> Panel:
    found = [name for name in _FORECASTS if name in source.names]
    if len(found) > 1:
        raise PanelError(f"{' and '.join(map(source.place, found))} both exist: keep one")
    return Panel.of_rows(
        source.table(_QUESTIONS, QUESTION_COLUMNS),
        source.table((found or _FORECASTS)[0], FORECAST_COLUMNS),
    )


PLATFORM: Final = Platform(
    name="a folder of forecasts",
    files="forecasts.csv and questions.csv",
    recognises=_recognises,
    read=_read,
)
