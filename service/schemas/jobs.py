"""Background work, as the API gives it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from service.clock import now
from service.models import Worker
from service.workers import PATIENCE, Waiting


class WorkerOut(msgspec.Struct):
    """A worker, and what it has been doing since when; one that is not alive was lost."""

    name: str
    alive: bool
    doing: str
    since: datetime
    started_at: datetime
    seen_at: datetime


class JobsOut(msgspec.Struct):
    """The workers, whether a refit is due (and if not, why), and the deliveries that are due."""

    workers: list[WorkerOut]
    refit_behind: bool
    refit_due: bool
    refit_why: str
    deliveries_due: int
    first_delivery_due_at: datetime | None

    @classmethod
    def of(cls, rows: Sequence[Worker], waits: Waiting) -> "JobsOut":
        """From the rows, and what waits."""
        at = now()
        return cls(
            [
                WorkerOut(
                    row.name,
                    row.seen_at >= at - PATIENCE,
                    row.doing,
                    row.since,
                    row.started_at,
                    row.seen_at,
                )
                for row in rows
            ],
            waits.behind,
            waits.due,
            waits.why,
            waits.deliveries,
            waits.first_due_at,
        )
