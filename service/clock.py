"""The clock of the service, the only code that reads the system time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Final

TICK: Final = timedelta(microseconds=1)
"""The smallest difference between two stored times."""

_past: ContextVar[datetime | None] = ContextVar("past", default=None)


def now() -> datetime:
    """The current time, aware, in UTC."""
    return _past.get() or datetime.now(UTC)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Fix the current time inside the block, for example to create the history of a demo."""
    token = _past.set(moment)
    try:
        yield
    finally:
        _past.reset(token)
