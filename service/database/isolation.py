"""Isolation of damaged rows, so that one cannot stop the work on all others.

A value that cannot be decoded is read as `Unreadable`, so that reading never fails because of one
row; code that uses the value fails, and batch code then processes each row separately.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

Result = TypeVar("Result")


async def together_or_apart(
    what: str, ids: Sequence[int], work: Callable[[Sequence[int]], Awaitable[Result]]
) -> tuple[list[Result], list[int]]:
    """Process ids in one batch or, if that fails, one by one; returns results and failures.

    Database errors are raised, since no row causes them. Failing work must leave no changes.
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
