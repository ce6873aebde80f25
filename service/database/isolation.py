"""Keeping what one stored row holds from stopping the work on all others.

A value that cannot be decoded is read as `Unreadable`, so reading never fails for what is in one
row; whoever then uses the value fails, and who works on many rows works on each apart.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

Result = TypeVar("Result")


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


async def together_or_apart(
    what: str, ids: Sequence[int], work: Callable[[Sequence[int]], Awaitable[Result]]
) -> tuple[list[Result], list[int]]:
    """Work on ids together or, where that fails, on each alone: the results, and what failed.

    Errors of the database are raised: they are nobody's fault. The work must leave nothing where it
    fails.
    """
    try:
        return [await work(ids)], []
    except SQLAlchemyError:
        raise
    except Exception:  # noqa: BLE001  # whichever it was is found and logged below
        results, failed = [], []
        for one in ids:
            try:
                results.append(await work([one]))
            except SQLAlchemyError:
                raise
            except Exception:
                log.exception("%s %d", what, one)
                failed.append(one)
        return results, failed
