"""Tables of forecasts as text: rows of CSV files, times and probabilities.

What reads forecasts from files reads them with these, whatever the columns are called; each error
says its place.
"""

import contextlib
import csv
import gzip
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.,]+(Z|[+-][0-9:]+)?)?", re.ASCII)
_SLASHES = re.compile(
    r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}|[0-9]{2})(?: ([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?))?",
    re.ASCII,
)


class PanelError(ValueError):
    """Forecasts or questions that make no panel, with the file and line where there is one."""


def moment(text: str) -> float:
    """Return seconds since 1970 of an ISO 8601 date or time, UTC where it names no offset.

    Raises:
        ValueError: any other text.

    >>> moment("1970-01-02"), moment("1970-01-01T01:00:00+01:00")
    (86400.0, 0.0)
    """
    if not _MOMENT.fullmatch(text):
        raise ValueError(f"{text!r} is no ISO 8601 time such as 2026-03-31T12:00:00Z")
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no ISO 8601 time: {error}") from None
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (aware - EPOCH).total_seconds()


@dataclass(frozen=True, slots=True)
class Times:
    """How times are written: as ISO 8601, an empty cell for none, and how else.

    Attributes:
        slashes: order of a date with slashes, "mdy" or "dmy", an hour and minute behind it or not;
            of a year of two digits those from 69 on are of the last century. "" refuses such dates.
        missing: texts that stand for no time.
    """

    slashes: str = ""
    missing: tuple[str, ...] = ()

    def read(self, text: str) -> float:
        """Return seconds since 1970, nan for none.

        Raises:
            ValueError: a text that is no time.

        >>> Times("mdy").read("1/2/70 1:00"), Times("dmy").read("2/1/1970")
        (90000.0, 86400.0)
        """
        if not text or text in self.missing:
            return math.nan
        found = _SLASHES.fullmatch(text) if self.slashes else None
        if not found:
            return moment(text)
        first, second, year, clock = found.groups()
        month, day = (first, second) if self.slashes == "mdy" else (second, first)
        century = "" if len(year) > 2 else "19" if year >= "69" else "20"  # noqa: PLR2004 - digits
        hour, _, rest = (clock or "0:00").partition(":")
        try:
            return moment(f"{century}{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{rest}")
        except ValueError:
            raise ValueError(f"{text!r} is no date in the order {self.slashes}") from None


ISO = Times()


def rows(path: Path, required: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, cells by column) of a CSV file that has the required columns.

    Raises:
        PanelError: what is wrong, with the file and the line.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield from rows_of(str(path), file, required)
    except FileNotFoundError:
        raise PanelError(f"{path}: there is no such file") from None
    except OSError as error:
        raise PanelError(f"{path}: {error}") from error


def rows_of(
    place: str, file: TextIO, required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the same of an open file, which errors call by a name.

    Raises:
        PanelError: what is wrong, with the name and the line.
    """
    reader = csv.reader(file, strict=True)
    try:
        yield from _cells(place, reader, required)
    except (csv.Error, UnicodeDecodeError, EOFError, zlib.error) as error:
        raise PanelError(f"{place}:{max(reader.line_num, 1)}: {error}") from error


def _cells(
    place: str, reader: Any, required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    header = next(reader, None) or []
    missing = [name for name in required if name not in header]
    if missing:
        raise PanelError(f"{place}:1: the header lacks {', '.join(missing)}")
    repeated = [name for name in dict.fromkeys(header) if name and header.count(name) > 1]
    if repeated:
        raise PanelError(f"{place}:1: the header names {', '.join(repeated)} twice")
    for cells in reader:
        if len(cells) not in {0, len(header)}:
            raise PanelError(
                f"{place}:{reader.line_num}: {len(cells)} cells where the header has {len(header)}"
            )
        if cells:
            yield reader.line_num, dict(zip(header, cells, strict=True))


@contextlib.contextmanager
def located(place: Path | str, line: int, column: str) -> Iterator[None]:
    """Say of any ValueError in the block where it was."""
    try:
        yield
    except PanelError:
        raise
    except ValueError as error:
        raise PanelError(f"{place}:{line}: {column}: {error}") from None


def probability(text: str) -> float:
    """Return the number in [0, 1] that a text says; ValueError for any other text."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number in [0, 1]")
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{text} is outside [0, 1]")
    return abs(value)  # a zero without its sign
