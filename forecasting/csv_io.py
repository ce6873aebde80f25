"""Parsing of CSV files: rows, times and probabilities.

All readers of forecast files use this module, whatever their column names. Each error names the
file, the line, the column and the allowed values. `Notes` counts omitted and adjusted rows.
"""

import codecs
import contextlib
import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, Protocol, TypeVar

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_FILE: Final = 2**30
"""Maximum size of a file in bytes, after decompression."""
_LONGEST_LINE: Final = 2**22
_DELIMITERS: Final = ",;\t"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+", re.ASCII)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.,]+(Z|[+-][0-9:]+)?)?", re.ASCII)
_OFFSET = re.compile(r"(Z|[+-][0-9:]+)$", re.ASCII)
_DATE = re.compile(
    r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})"
    r"(?:,? ([0-9]{1,2}):([0-9]{2}(?::[0-9]{2})?)(?: ?([AaPp])[Mm])?)?",
    re.ASCII,
)
_UNDECODED = re.compile("[\udc80-\udcff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_SHOWN = 60

Value = TypeVar("Value")


class PanelError(ValueError):
    """Invalid forecasts or questions, with the file and line if there is one."""


def moment(text: str) -> float:
    """Return seconds since 1970 of an ISO 8601 date or time, in UTC if it has no offset.

    Raises:
        ValueError: any other text.

    Examples:
        >>> moment("1970-01-02"), moment("1970-01-01T01:00:00+01:00")
        (86400.0, 0.0)
    """
    if not _MOMENT.fullmatch(text):
        raise ValueError(f"{shown(text)} is not an ISO 8601 time such as 2026-03-31T12:00:00Z")
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{shown(text)} is not an ISO 8601 time: {error}") from None
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    try:
        return (aware.astimezone(UTC) - EPOCH).total_seconds()
    except OverflowError:
        raise ValueError(f"{shown(text)} is not between the years 1 and 9999 in UTC") from None


def _without_controls(text: str) -> str:
    if found := _CONTROL.search(text):
        raise ValueError(
            f"{shown(text)} holds the control character U+{ord(found[0]):04X}; text has none but "
            "tabs and line ends"
        )
    return text.strip()


@dataclass(frozen=True, slots=True)
class Dialect:
    """The format of CSV files, where it cannot be detected.

    Delimiters (comma, semicolon, tab), line ends and a byte order mark are detected.

    Attributes:
        encoding: text encoding.
        dates: order of dates such as 9/30/2011, "mdy" or "dmy", with or without a time of day; of
            years of two digits those from 69 on are of the last century. "" refuses such dates.
        times: meaning of numbers as times: "unix-s" or "unix-ms", seconds or milliseconds since
            1970, or "rounds". "" takes small whole numbers for rounds where rounds are possible and
            refuses all others.
        missing: placeholders for missing times, besides an empty cell.
        latest: latest allowed time of a forecast, in seconds since 1970.
        clean: returns the normalised text to store, without surrounding blanks; raises ValueError
            for forbidden characters.
    """

    encoding: str = "utf-8"
    dates: str = ""
    times: str = ""
    missing: tuple[str, ...] = ()
    latest: float = math.inf
    clean: Callable[[str], str] = _without_controls

    def __post_init__(self) -> None:
        try:
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise PanelError(
                f"{self.encoding!r} is not a text encoding; utf-8, utf-16, cp1252 and latin-1 are"
            ) from None

    def time(self, text: str) -> tuple[float, str]:
        """Return seconds since 1970, nan for none, and the rule if the text had to be interpreted.

        Raises:
            ValueError: a text that is not a time.

        Examples:
            >>> Dialect(dates="mdy").time("1/2/70 1:00")
            (90000.0, 'dates read as month/day/year, UTC')
            >>> Dialect(times="unix-ms").time("1767225600000")
            (1767225600.0, 'numbers read as Unix times in milliseconds')
        """
        if not text or text in self.missing:
            return math.nan, ""
        if _NUMBER.fullmatch(text):
            return self._number(text)
        if found := _DATE.fullmatch(text):
            return self._date(text, found)
        try:
            value = moment(text)
        except ValueError as error:
            if any(character.isdigit() for character in text):
                raise
            raise ValueError(f"{error}; --missing {shown(text)} takes it for no time") from None
        return value, "" if _OFFSET.search(text[10:]) else "times without an offset read as UTC"

    def _number(self, text: str) -> tuple[float, str]:
        if self.times not in _UNITS:
            raise ValueError(
                f"{shown(text)} is a number, not an ISO 8601 time such as 2026-03-31T12:00:00Z; "
                "--times unix-s or --times unix-ms reads seconds or milliseconds since 1970"
            )
        unit, name = _UNITS[self.times]
        value = float(text) / unit
        if unit > 1 and 0 <= value < _FIRST_IN_MILLISECONDS:
            raise ValueError(
                f"{shown(text)} {name} since 1970 is before 1973; --times unix-s reads seconds"
            )
        if not 0 <= value < _END_OF_TIME:
            raise ValueError(
                f"{shown(text)} {name} since 1970 is not between the years 1970 and 9999"
            )
        return value, f"numbers read as Unix times in {name}"

    def _date(self, text: str, found: re.Match[str]) -> tuple[float, str]:
        if not self.dates:
            raise ValueError(
                f"{shown(text)} is not an ISO 8601 time; --dates mdy or --dates dmy reads dates "
                "with slashes, dots or dashes"
            )
        first, _, second, year, hour, rest, half = found.groups()
        month, day = (first, second) if self.dates == "mdy" else (second, first)
        century = "" if len(year) > 2 else "19" if year >= "69" else "20"  # noqa: PLR2004 - digits
        hour = hour or "0"
        if half:
            twelve = int(hour) in range(1, 13)
            hour = str(int(hour) % 12 + (12 if half in "Pp" else 0)) if twelve else "x"
        try:
            value = moment(f"{century}{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{rest or '00'}")
        except ValueError:
            raise ValueError(f"{shown(text)} is not a date in the order {self.dates}") from None
        order = "month/day/year" if self.dates == "mdy" else "day/month/year"
        return value, f"dates read as {order}, UTC"


_UNITS: Final = {"unix-s": (1.0, "seconds"), "unix-ms": (1000.0, "milliseconds")}
_FIRST_IN_MILLISECONDS: Final = 1e8
"""Seconds; what is earlier as milliseconds is a time of our days in seconds."""
_END_OF_TIME: Final = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH).total_seconds()


@dataclass(slots=True)
class Note:
    """Number of occurrences, and the place of the first."""

    count: int
    first: str


@dataclass(slots=True)
class Notes:
    """Counts of omitted rows by reason, and of adjusted values by rule."""

    left_out: dict[str, Note] = field(default_factory=dict)
    adjusted: dict[str, Note] = field(default_factory=dict)

    def leave_out(self, reason: str, place: str) -> None:
        """Count an omission, for example "questions of type numeric"."""
        self.left_out.setdefault(reason, Note(0, place)).count += 1

    def adjust(self, rule: str, place: str) -> None:
        """Count an adjustment, with the rule applied."""
        self.adjusted.setdefault(rule, Note(0, place)).count += 1


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: cells by column, read with the file's dialect.

    Missing columns are empty cells.
    """

    file: str
    line: int
    cells: Mapping[str, str]
    dialect: Dialect
    notes: Notes

    @property
    def place(self) -> str:
        """The file and the line."""
        return f"{self.file}:{self.line}"

    def error(self, column: str, message: object) -> PanelError:
        """An error for a cell, with its place."""
        return PanelError(f"{self.place}: {column}: {message}")

    def text(self, *columns: str, required: bool = False) -> str:
        """Return the first non-empty text in the columns, without surrounding blanks."""
        for column in columns:
            cell = self.cells.get(column)
            if not cell:
                continue
            with self._located(column):
                if found := self.dialect.clean(cell):
                    return found
        if required:
            raise self.error(" or ".join(columns), "empty, every row needs one")
        return ""

    def time(self, column: str, *, required: bool = False) -> float:
        """Return seconds since 1970, nan for an empty cell."""
        with self._located(column):
            value, rule = self.dialect.time(self.cells.get(column, "").strip())
            if required and math.isnan(value):
                raise ValueError("empty, every row needs a time")
        if rule:
            self.notes.adjust(rule, self.place)
        return value

    def past(self, column: str, *, required: bool = True) -> float:
        """Return the time of a forecast, as `time` does; refuses times in the future."""
        value = self.time(column, required=required)
        if value > self.dialect.latest:
            text = self.cells.get(column, "").strip()
            raise self.error(column, f"{shown(text)} is in the future; a forecast has been made")
        return value

    def probability(self, column: str) -> float:
        """Return a number from 0 to 1."""
        with self._located(column):
            return probability(self.cells.get(column, "").strip())

    def choice(self, column: str, values: Mapping[str, Value]) -> Value:
        """Return the value for a text from a fixed choice."""
        found = self.cells.get(column, "").strip()
        if found not in values:
            allowed = ", ".join(text or "empty" for text in values)
            raise self.error(column, f"{shown(found)} is none of: {allowed}")
        return values[found]

    @contextlib.contextmanager
    def _located(self, column: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise self.error(column, error) from None


def rows(
    path: Path, required: Sequence[str], dialect: Dialect | None = None, notes: Notes | None = None
) -> Iterator[Row]:
    """Yield the rows of a CSV file, or a ``.csv.gz``, that has the required columns.

    Raises:
        PanelError: an invalid file, with file and line.
    """
    with opened(path) as file:
        yield from rows_of(str(path), file, required, dialect, notes)


def rows_of(
    name: str,
    file: IO[bytes],
    required: Sequence[str],
    dialect: Dialect | None = None,
    notes: Notes | None = None,
) -> Iterator[Row]:
    """Yield the rows of an open file, with a name for errors.

    Raises:
        PanelError: an invalid file, with name and line.
    """
    dialect, notes = dialect or Dialect(), notes or Notes()
    records = _records(name, file, dialect.encoding)
    line, cells = next(records)
    header = [cell.strip() for cell in cells]
    _check_header(f"{name}:{line}", header, required)
    for line, cells in records:
        if any(cells[len(header) :]):
            raise PanelError(
                f"{name}:{line}: {len(cells)} cells where the header has {len(header)}; a cell "
                "with the delimiter in it needs quotes"
            )
        full = [*cells, *[""] * (len(header) - len(cells))]
        yield Row(name, line, dict(zip(header, full, strict=False)), dialect, notes)


def header_of(name: str, file: IO[bytes], encoding: str) -> tuple[str, ...]:
    """Return the columns of an open file; empty for an empty file."""
    _, cells = next(_records(name, file, encoding), (1, []))
    return tuple(cell.strip() for cell in cells)


def _check_header(place: str, header: Sequence[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in header]
    if missing:
        raise PanelError(
            f"{place}: the header lacks {', '.join(missing)}; it has {shown(', '.join(header))}"
        )
    repeated = [name for name in dict.fromkeys(header) if name and header.count(name) > 1]
    if repeated:
        raise PanelError(f"{place}: the header names {', '.join(repeated)} twice")


def _records(name: str, file: IO[bytes], encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and cells of each record with a non-empty cell."""
    lines = _lines(name, file, encoding)
    skipped = 0
    start = next(lines, "")
    if declared := re.fullmatch(r"sep=(.)\s*", start):  # Excel's
        delimiter, skipped, start = declared[1], 1, next(lines, "")
    else:
        delimiter = max(
            _DELIMITERS, key=lambda mark: len(next(csv.reader([start], delimiter=mark), []))
        )

    def everything() -> Iterator[str]:
        yield start
        yield from lines

    reader = csv.reader(everything(), delimiter=delimiter, strict=True)
    found = False
    while True:
        line = skipped + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            text = (
                f"a cell is longer than {csv.field_size_limit():,} characters; is a quote open?"
                if "field limit" in str(error)
                else f"not a valid CSV row: {error}"
            )
            raise PanelError(f"{name}:{line}: {text}") from error
        if cells is None:
            break
        if any(cell.strip() for cell in cells):
            found = True
            yield line, cells
    if not found:
        raise PanelError(f"{name}:1: the file is empty; its first line names the columns")


def _lines(name: str, file: IO[bytes], encoding: str) -> Iterator[str]:
    """Yield the lines of a file as they end, without a byte order mark."""
    utf8 = codecs.lookup(encoding).name == "utf-8"
    text = io.TextIOWrapper(
        file, "utf-8-sig" if utf8 else encoding, errors="surrogateescape", newline=""
    )
    number = 0
    try:
        while line := text.readline(_LONGEST_LINE):
            number += 1
            if bad := _UNDECODED.search(line):
                raise PanelError(_undecoded(f"{name}:{number}", line, bad.start(), encoding))
            if len(line) == _LONGEST_LINE:
                raise PanelError(
                    f"{name}:{number}: the line is longer than {_LONGEST_LINE:,} characters"
                )
            yield line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeError as error:
        raise PanelError(
            f"{name}:{number + 1}: not {encoding}: {error}; state the encoding with --encoding"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise PanelError(f"{name}:{number + 1}: {error}") from error


def _undecoded(place: str, line: str, position: int, encoding: str) -> str:
    byte = ord(line[position]) - 0xDC00
    mark = line[:2].encode(errors="surrogateescape")
    wide = position == 0 and mark in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    return (
        f"{place}: byte 0x{byte:02x} at character {position + 1} is not {encoding}; state the "
        f"file's encoding, for example --encoding {'utf-16' if wide else 'cp1252'}"
    )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file with a limit on its size, decompressing it if its name ends in .gz.

    Raises:
        PanelError: a missing or unreadable file.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield bounded(str(path), file)
    except FileNotFoundError:
        raise PanelError(f"{path}: there is no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise PanelError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Bounded(io.RawIOBase):
    def __init__(self, name: str, file: _Readable) -> None:
        self._name, self._file, self._left = name, file, LARGEST_FILE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._file.read(len(buffer))
        self._left -= len(found)
        if self._left < 0:
            raise PanelError(f"{self._name}: holds more than {LARGEST_FILE:,} bytes")
        buffer[: len(found)] = found
        return len(found)


def bounded(name: str, file: _Readable) -> IO[bytes]:
    """Return a file that raises PanelError after LARGEST_FILE bytes."""
    return io.BufferedReader(_Bounded(name, file))


def probability(text: str) -> float:
    """Parse a number from 0 to 1; raises ValueError for any other text."""
    if not _NUMBER.fullmatch(text):
        hint = ""
        if text.endswith("%"):
            hint = ", without a percent sign"
        elif _DECIMAL_COMMA.fullmatch(text):
            hint = ", with a decimal point"
        raise ValueError(f"{shown(text)} is not a number from 0 to 1{hint}, such as 0.3")
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise ValueError(
            f"{text[:_SHOWN]} is outside [0, 1]; a probability is a number from 0 to 1"
        )
    return abs(value)  # a zero without its sign


def shown(text: str) -> str:
    """Return a text for quoting in errors: escaped and truncated."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
