"""Objects of JSON files, read like the rows of a table."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from forecasting.csv_io import PanelError, Row
from service.exchange.platforms.source import Source

_KINDS: Final = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class _Cells(Mapping[str, str]):
    """The values of an object as the text of table cells: null is an empty cell."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> str:
        value = self._values[key]
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        return json.dumps(value) if isinstance(value, dict | list) else str(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True)
class Record(Row):
    """An object of a JSON file; `line` is its position in its list, from 1."""

    item: str
    values: Mapping[str, Any]

    @property
    def place(self) -> str:
        """The file, the kind of object, and its position."""
        return f"{self.file}: {self.item} {self.line}"


def records(source: Source, name: str, item: str) -> Iterator[Record]:
    """Yield the objects in a JSON file: the items of its list, or its single object.

    Args:
        source: the source with the file.
        name: the file's name.
        item: what an object is called in errors.

    Raises:
        PanelError: the file contains values other than objects.
    """
    value = source.json(name)
    listed = value if isinstance(value, list) else [value]
    for position, values in enumerate(listed, start=1):
        if not isinstance(values, dict):
            place = f"{source.place(name)}: {item} {position}"
            raise PanelError(f"{place} is {kind(values)}, not an object")
        yield Record(
            source.place(name), position, _Cells(values), source.dialect, source.notes, item, values
        )


def nested(record: Record, key: str, item: str) -> Iterator[Record]:
    """Yield the objects in the list under a key of an object.

    Raises:
        PanelError: the value is not a list of objects.
    """
    listed = record.values.get(key)
    if not isinstance(listed, list):
        raise record.error(key, f"{kind(listed)}, not a list")
    for position, values in enumerate(listed, start=1):
        if not isinstance(values, dict):
            raise record.error(f"{key}, {item} {position}", f"{kind(values)}, not an object")
        yield Record(
            record.file, position, _Cells(values), record.dialect, record.notes, item, values
        )


def merged(record: Record, **values: object) -> Record:
    """Return a record with further values, which override its own."""
    together = {**record.values, **values}
    return Record(
        record.file,
        record.line,
        _Cells(together),
        record.dialect,
        record.notes,
        record.item,
        together,
    )


def kind(value: object) -> str:
    """Return the type of a JSON value, as named in errors."""
    return _KINDS.get(type(value), "something else")
