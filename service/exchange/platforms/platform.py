"""What every platform's module offers: how it recognises an export, and how it reads one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from forecasting.panel import Panel, PanelQuestion
from forecasting.tables import Notes, PanelError
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


def agree(place: str, first: PanelQuestion, found: PanelQuestion) -> None:
    """Refuse a row that contradicts an earlier one about the same question."""
    if repr(first) != repr(found):  # nan is not equal to nan
        raise PanelError(
            f"{place}: another title, outcome or other times of {found.title!r} than in an earlier "
            "row"
        )
