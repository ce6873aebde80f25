"""Values of rows that cannot be decoded, which stop nobody but who uses them."""

import json
import logging
from typing import Any

log = logging.getLogger(__name__)


class Unreadable:
    """Stands for a stored value that cannot be decoded; whatever uses it fails."""


def decoded(text: str | bytes) -> Any:
    """What stored JSON says."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        log.warning("stored JSON cannot be decoded: %.80r", text)
        return Unreadable()


def readable(*rows: object) -> bool:
    """Whether every value that was read of some rows could be decoded."""
    return not any(isinstance(value, Unreadable) for row in rows for value in vars(row).values())
