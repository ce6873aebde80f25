"""Placeholders for stored values that cannot be decoded; only code that uses them fails."""

import json
import logging
from typing import Any

log = logging.getLogger(__name__)


class Unreadable:
    """A placeholder for a stored value that cannot be decoded; any use of it fails."""


def decoded(text: str | bytes) -> Any:
    """Decode stored JSON; `Unreadable` if it is malformed."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        log.warning("stored JSON cannot be decoded: %.80r", text)
        return Unreadable()


def readable(*rows: object) -> bool:
    """Whether all loaded values of the rows could be decoded."""
    return not any(isinstance(value, Unreadable) for row in rows for value in vars(row).values())
