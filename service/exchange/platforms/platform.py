"""What every platform's module offers: how it recognises an export, and how it reads one."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from forecasting.panel import Panel, PanelQuestion
from forecasting.tables import Notes, PanelError, Row
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
    """The forecasts of an export, where it is from, and what was left out or adjusted."""

    panel: Panel
    origin: str
    notes: Notes


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform whose exports can be imported.

    Attributes:
        name: as people call it.
        files: what an export consists of, for the error about a file that nobody recognises.
        recognises: whether a source is an export of this platform, by its header or its keys.
        read: the forecasts of a recognised source.
    """

    name: str
    files: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source], Panel]


Forecast = tuple[str, str, float, float, float]
"""Forecaster, question, time, end and probability, as `Panel.of` takes them."""
NAMELESS: Final = "(no name)"


def forecaster(row: Row, *columns: str) -> str:
    """Return the name in the first column that has one, and one placeholder where none has.

    A display name may hold characters that a name here may not, such as a joined emoji. They are
    left out: no participant's name can refuse everybody's forecasts.
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
    """A text with the characters that a name may hold; "" for one without any."""
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
    """Add a forecast to those of a file, in their order, unless it repeats one of them."""
    if forecast in made:
        row.notes.leave_out("rows that repeat a forecast", row.place)
    made[forecast] = None


def agree(place: str, first: PanelQuestion, found: PanelQuestion) -> None:
    """Refuse a row that contradicts an earlier one about the same question."""
    if repr(first) != repr(found):  # nan is not equal to nan
        raise PanelError(
            f"{place}: another title, outcome or other times of {found.title!r} than in an earlier "
            "row"
        )
