"""The one place that reads the clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Final

TICK: Final = timedelta(microseconds=1)
"""The least time between two moments that are stored."""

_past: ContextVar[datetime | None] = ContextVar("past", default=None)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return _past.get() or datetime.now(UTC)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Let what runs in the block take place at one moment, as the past of a demonstration does."""
    token = _past.set(moment)
    try:
        yield
    finally:
        _past.reset(token)
