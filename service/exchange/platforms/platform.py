"""The interface of a platform: recognising an export, and reading it."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from forecasting.csv_io import Notes, PanelError, Row
from forecasting.panel import Panel, PanelQuestion
from questions.text import FILLERS, LONGEST_LINE, REFUSED_CATEGORIES, TextError, clean_name
from service.exchange.platforms.source import Source

FLAGS: Final = {
    "": False,
    **dict.fromkeys(("false", "False", "FALSE", "0"), False),
    **dict.fromkeys(("true", "True", "TRUE", "1"), True),
}
"""True and false as JSON, Python, R and spreadsheets write them."""


@dataclass(frozen=True, slots=True)
class Export:
    """The forecasts of an export, its origin, and counts of omitted and adjusted rows."""

    panel: Panel
    origin: str
    notes: Notes


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform whose exports can be imported.

    Attributes:
        name: the platform's common name.
        files: the files of an export, for the error that a file is not recognised.
        recognises: decides by headers or keys whether a source is an export of this platform.
        read: reads the forecasts of a recognised source.
    """

    name: str
    files: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source], Panel]


Forecast = tuple[str, str, float, float, float]
"""Forecaster, question, time, end and probability, as for `Panel.of`."""
NAMELESS: Final = "(no name)"


def forecaster(row: Row, *columns: str) -> str:
    """Return the name in the first non-empty column, or a placeholder if all are empty.

    A display name may contain characters that account names must not, such as joined emoji. They
    are removed, so that one participant's name cannot make the whole import fail.
    """
    found = row.text(*columns)
    name = _plain_name(found)
    if name and name != found:
        row.notes.adjust("forecasts whose forecaster's name is stored in another form", row.place)
    if not name:
        row.notes.adjust(
            f"forecasts without a forecaster's name, all taken for one, {NAMELESS}", row.place
        )
    return name or NAMELESS


@lru_cache(maxsize=10_000)
def _plain_name(text: str) -> str:
    """A text reduced to the characters allowed in names; may be ""."""
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKC", text)
        if unicodedata.category(character) not in REFUSED_CATEGORIES and character not in FILLERS
    )
    try:
        return clean_name(" ".join(plain.split()), longest=LONGEST_LINE)
    except TextError:
        return ""


def collect(made: dict[Forecast, None], forecast: Forecast, row: Row) -> None:
    """Append a forecast to those of a file unless it repeats one of them."""
    if forecast in made:
        row.notes.leave_out("rows that repeat a forecast", row.place)
    made[forecast] = None


def agree(place: str, first: PanelQuestion, earlier: PanelQuestion) -> None:
    """Reject a row that contradicts an earlier one about the same question."""
    if repr(first) != repr(earlier):  # nan is not equal to nan
        raise PanelError(
            f"{place}: another title, outcome or other times of {earlier.title!r} than "
            "in an earlier row"
        )
