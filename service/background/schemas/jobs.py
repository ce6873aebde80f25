"""Background work, as the API gives it."""

from datetime import datetime

import msgspec

from service.background.heartbeats import Background
from service.models import Worker


class WorkerOut(msgspec.Struct):
    """A worker, and what it has been doing since when; one that is not alive was lost.

    Of a refit, `stage` says how far it is, and `drawn` of `draws` transitions are sampled.
    """

    name: str
    alive: bool
    doing: str
    stage: str
    drawn: int
    draws: int
    since: datetime
    started_at: datetime
    seen_at: datetime

    @classmethod
    def of(cls, row: Worker, *, alive: bool) -> "WorkerOut":
        """From the row."""
        return cls(
            row.name,
            alive,
            row.doing,
            row.stage,
            row.drawn,
            row.draws,
            row.since,
            row.started_at,
            row.seen_at,
        )


class JobsOut(msgspec.Struct):
    """The workers, and what there is to do.

    That is whether a refit is due (and if not, why), the deliveries that are due, and the tasks
    that wait or are under way.
    """

    workers: list[WorkerOut]
    refit_behind: bool
    refit_due: bool
    refit_why: str
    deliveries_due: int
    first_delivery_due_at: datetime | None
    tasks_queued: int
    tasks_running: int

    @classmethod
    def of(cls, state: Background) -> "JobsOut":
        """From what there is."""
        running = sum(task.started_at is not None for task in state.tasks)
        return cls(
            [WorkerOut.of(row, alive=row.name in state.alive) for row in state.workers],
            state.behind,
            state.due,
            state.why,
            state.deliveries,
            state.first_due_at,
            len(state.tasks) - running,
            running,
        )
