"""Locations of elements in a set's files, so that errors and findings can name a line."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

Place = tuple[str | int, ...]

HEADER: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\s-]+?)\s*\]\]?\s*(#.*)?$")
KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=\s*(.*)$")
CLOSING: Final = {'"""': re.compile(r'(?<!\\)(?:\\\\)*"""'), "'''": re.compile("'''")}


class Location(NamedTuple):
    """A file and a line number, counted from 1; the line is None if unknown."""

    file: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        name = "set" if self.file is None else str(self.file)
        return name if self.line is None else f"{name}:{self.line}"


@dataclass(frozen=True)
class Locations:
    """The places of a set's questions, implications and head, by slug and field."""

    places: dict[tuple[str, ...], Location] = field(default_factory=dict)

    def find(self, *path: str) -> Location:
        """Return the place of `path`, or of the nearest enclosing element.

        Args:
            path: a path such as `("questions", slug, "title")`, `("implications", slug)`,
                `("title",)`.
        """
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return Location()


def scan(text: str) -> dict[Place, int]:
    r"""Map the paths of a TOML text, such as `("questions", 3, "title")`, to their lines.

    Lines count from 1. Entries of inline tables are omitted.

    Examples:
        >>> scan('[[questions]]\nslug = "a"')
        {('questions', 0): 1, ('questions',): 1, ('questions', 0, 'slug'): 2}
    """
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    here: Place = ()
    closing: re.Pattern[str] | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        if closing is not None:
            closing = None if closing.search(line) else closing
        elif header := HEADER.match(line):
            here = _enter(header[2], header[1] == "[[", counts)
            lines.setdefault(here, number)
            lines.setdefault(here[:1], number)
        elif key := KEY.match(line):
            lines.setdefault((*here, key[1]), number)
            closing = _left_open(key[2])
    return lines


def _enter(header: str, is_array: bool, counts: dict[Place, int]) -> Place:
    """Return the path of a table, with the index of each array of tables on the way."""
    parts = [part.strip() for part in header.split(".")]
    path: Place = ()
    for position, part in enumerate(parts, start=1):
        path = (*path, part)
        if is_array and position == len(parts):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _left_open(value: str) -> re.Pattern[str] | None:
    """Return the delimiter that closes a multi-line string starting here, if any."""
    closing = CLOSING.get(value[:3])
    return None if closing is None or closing.search(value, 3) else closing
