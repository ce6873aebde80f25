"""A file, a folder or a ZIP archive, read as named files."""

import codecs
import contextlib
import gzip
import json
import lzma
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from forecasting import csv_io
from forecasting.csv_io import Dialect, Notes, PanelError, Row
from questions.text import clean_line, escape_controls
from service.clock import now

_LONGEST_TEXT: Final = 2_000
_BLANKS: Final = re.compile(r"[ \t\r\n]+")
_TABLES: Final = (".csv", ".csv.gz", ".tsv", ".tab", ".txt")
_JSON: Final = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson")
_LARGEST_JSON: Final = 2**27
"""Maximum size of JSON files in bytes: parsed in memory, they take several times as much."""


def _clean(text: str) -> str:
    """A text of an import as it is stored: on one line, with allowed characters only."""
    if text.isascii() and text.isprintable() and "  " not in text and len(text) <= _LONGEST_TEXT:
        return text.strip()  # true of nearly every cell of a large file
    return clean_line(_BLANKS.sub(" ", text), longest=_LONGEST_TEXT, optional=True)


def _escaped(text: str) -> str:
    """A text from an archive, escaped for one line of a terminal."""
    return escape_controls(text).replace("\n", "\\n").replace("\t", "\\t")


class Source:
    """The input of `credence import`: one or more files, identified by name without folders.

    In an archive, folders, hidden files and files added by macOS are ignored. Errors are raised as
    PanelError with the file, the line and the allowed values.

    Attributes:
        path: the file, the folder or the archive.
        dialect: the CSV dialect of the tables.
        notes: counts of omitted and adjusted rows, updated while reading.
    """

    def __init__(self, path: Path, dialect: Dialect | None = None) -> None:
        self.path = path
        self.dialect = replace(dialect or Dialect(), latest=now().timestamp(), clean=_clean)
        self.notes = Notes()
        self._headers: dict[str, frozenset[str]] = {}
        self._documents: dict[str, Any] = {}
        self._json_left = _LARGEST_JSON

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the files, in order."""
        return tuple(sorted(self._members))

    @cached_property
    def _archive(self) -> bool:
        return self.path.is_file() and zipfile.is_zipfile(self.path)

    @cached_property
    def _members(self) -> dict[str, list[str]]:
        """Locations of the files by name: paths within the archive or on disk."""
        if self.path.is_dir():
            try:
                files = [one for one in self.path.iterdir() if one.is_file()]
            except OSError as error:
                raise PanelError(f"{self.path}: {error.strerror}") from error
            return {one.name: [str(one)] for one in files if not one.name.startswith(".")}
        if not self._archive:
            return {self.path.name: [str(self.path)]}
        found: dict[str, list[str]] = defaultdict(list)
        with self._errors(str(self.path)), zipfile.ZipFile(self.path) as archive:
            for member in archive.namelist():
                parts = PurePosixPath(member).parts
                hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
                if parts and not hidden and not member.endswith("/"):
                    found[parts[-1]].append(member)
        return dict(found)

    def place(self, name: str) -> str:
        """A file as named in errors."""
        alone = not self._archive and not self.path.is_dir()
        return str(self.path) if alone else f"{self.path}/{_escaped(name)}"

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file with a limit on the bytes that can be read."""
        members = self._members.get(name, [])
        if len(members) > 1:
            raise PanelError(f"{self.path}: holds {len(members)} files {name}; keep one")
        if not self._archive or not members:
            with csv_io.opened(Path(members[0]) if members else self.path / name) as file:
                yield file
            return
        place = self.place(name)
        with self._errors(place), zipfile.ZipFile(self.path) as archive:
            if archive.getinfo(members[0]).file_size > csv_io.LARGEST_FILE:
                raise PanelError(f"{place}: holds more than {csv_io.LARGEST_FILE:,} bytes")
            with archive.open(members[0]) as file:
                if not name.endswith(".gz"):
                    yield csv_io.bounded(place, file)
                    return
                with gzip.open(file) as content:
                    yield csv_io.bounded(place, content)

    def table(self, name: str, required: Sequence[str]) -> Iterator[Row]:
        """Yield the rows of a CSV file that has the required columns."""
        with self.open(name) as file:
            yield from csv_io.rows_of(self.place(name), file, required, self.dialect, self.notes)

    def tables_with(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The names of the CSV files whose header has all these columns."""
        return tuple(name for name in self.names if set(columns) <= self.header(name))

    def header(self, name: str) -> frozenset[str]:
        """The columns of a CSV file; empty for other files."""
        if name not in self._headers:
            self._headers[name] = self._read_header(name)
        return self._headers[name]

    def _read_header(self, name: str) -> frozenset[str]:
        alone = len(self.names) == 1
        if self._is_json(name) or (not alone and not name.lower().endswith(_TABLES)):
            return frozenset()
        try:
            with self.open(name) as file:
                return frozenset(csv_io.header_of(self.place(name), file, self.dialect.encoding))
        except PanelError:
            if alone:
                raise
            return frozenset()

    def keys(self, name: str) -> frozenset[str]:
        """The keys of a JSON file's object, or of the first object in its list.

        Empty for other files.
        """
        if not self._is_json(name):
            return frozenset()
        value = self.json(name)
        first = value[0] if isinstance(value, list) and value else value
        return frozenset(first) if isinstance(first, dict) else frozenset()

    def _is_json(self, name: str) -> bool:
        if len(self.names) > 1:
            return name.lower().endswith(_JSON)
        with self.open(name) as file:
            return file.read(64).removeprefix(codecs.BOM_UTF8).lstrip()[:1] in {b"{", b"["}

    def json(self, name: str) -> Any:
        """The content of a JSON file, or the list of values of a JSON Lines file."""
        if name not in self._documents:
            self._documents[name] = self._read_json(name)
        return self._documents[name]

    def _read_json(self, name: str) -> Any:
        place = self.place(name)
        with self.open(name) as file:
            data = file.read(self._json_left + 1)
        self._json_left -= len(data)
        if self._json_left < 0:
            raise PanelError(
                f"{place}: more than {_LARGEST_JSON:,} bytes of JSON; import them in parts"
            )
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise PanelError(f"{place}:{line}: JSON is UTF-8: {error.reason}") from error
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            if error.msg == "Extra data":
                return self._read_lines(place, text)
            raise PanelError(f"{place}:{error.lineno}: not valid JSON: {error.msg}") from error
        except RecursionError as error:
            raise PanelError(f"{place}: not valid JSON: lists within lists, too deep") from error
        except ValueError as error:
            raise PanelError(f"{place}: not valid JSON: {error}") from error

    @staticmethod
    def _read_lines(place: str, text: str) -> list[Any]:
        values = []
        for number, line in enumerate(text.split("\n"), start=1):
            try:
                if line.strip():
                    values.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise PanelError(f"{place}:{number}: not valid JSON: {error.msg}") from error
            except (RecursionError, ValueError) as error:
                raise PanelError(f"{place}:{number}: not valid JSON: {error}") from error
        return values

    @contextlib.contextmanager
    def _errors(self, place: str) -> Iterator[None]:
        try:
            yield
        except (
            zipfile.BadZipFile,
            zlib.error,
            lzma.LZMAError,
            EOFError,
            NotImplementedError,
            OSError,
            RuntimeError,
        ) as error:
            text = getattr(error, "strerror", None) or str(error)
            raise PanelError(f"{place}: {_escaped(text)}") from error
