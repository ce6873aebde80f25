"""A bounded in-memory cache of immutable values."""

from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


def remember(kept: dict[Key, Value], found: Mapping[Key, Value], most: int) -> None:
    """Add entries to a cache and evict the oldest above a limit."""
    kept.update(found)
    while len(kept) > most:
        kept.pop(next(iter(kept)))
