"""The one place that reads the clock."""

from datetime import UTC, datetime, timedelta
from typing import Final

TICK: Final = timedelta(microseconds=1)
"""The least time between two moments that are stored."""


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)
