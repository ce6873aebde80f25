"""Keeping what one stored row holds from stopping the work on all others.

A value that cannot be decoded is read as `Unreadable`, so reading never fails because of one row;
code that uses the value fails, and code that works on many rows then works on each alone.
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
