"""Keeping in memory what never changes, up to a number of entries."""

from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


def remember(kept: dict[Key, Value], found: Mapping[Key, Value], most: int) -> None:
    """Keep what was found too, and forget the oldest above so many."""
    kept.update(found)
    while len(kept) > most:
        kept.pop(next(iter(kept)))
