"""JSON bodies of background work."""

from datetime import datetime

import msgspec

from service.background.heartbeats import Background
from service.models import Worker


class WorkerOut(msgspec.Struct):
    """A worker with its job and since when; a worker that is not alive was lost.

    For a refit, `stage` is its current stage, and `drawn` of `draws` transitions are sampled.
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
    """The workers and the pending work.

    Pending work is a due refit (or the reason why none is due), the due deliveries, and the queued
    and running tasks.
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
        """From the state of background work."""
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
