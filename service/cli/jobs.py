"""`credence jobs`."""

import click

from service.background import heartbeats
from service.background.schemas.jobs import JobsOut, WorkerOut
from service.cli.command import with_database
from service.cli.group import echo
from service.database.engine import Database
from service.fits import fits
from service.models import Fit, FitStatus, Task
from service.settings import Settings


@click.command(epilog="Example: credence jobs")
def jobs() -> None:
    """Show the state of workers, queued tasks and the latest fit."""

    async def work(database: Database, settings: Settings) -> tuple[JobsOut, list[str], str]:
        async with database.read() as session:
            state = await heartbeats.background(session, settings)
            latest = await fits.listing(session, before=None, limit=1)
            return JobsOut.of(state), [_stands(task) for task in state.tasks], _became(latest)

    state, tasks, latest = with_database(work)
    for one in state.workers:
        if one.alive:
            echo(f"worker {one.name}: {_does(one)}")
        else:
            echo(f"worker {one.name}: lost, last seen {one.seen_at:%Y-%m-%d %H:%M:%S} UTC")
    if not any(one.alive for one in state.workers):
        echo("no worker is running; start `credence worker`")
    echo(f"refit: {'due' if state.refit_due else 'not due'}; {state.refit_why}")
    echo(f"latest fit: {latest}")
    echo(f"deliveries: {state.deliveries_due} due")
    for text in tasks:
        echo(text)


def _does(worker: WorkerOut) -> str:
    if not worker.doing:
        return "idle"
    text = f"{worker.doing} since {worker.since:%H:%M:%S}"
    if worker.stage:
        text += f", {worker.stage}"
    return f"{text}, {worker.drawn} of {worker.draws} draws" if worker.draws else text


def _stands(task: Task) -> str:
    if task.started_at is None:
        return f"task {task.id}, {task.kind}: queued since {task.created_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"task {task.id}, {task.kind}: {task.done} of {task.total} done"


def _became(latest: list[Fit]) -> str:
    if not latest:
        return "none yet"
    (fit,) = latest
    text = f"{fit.id}, {fit.status} on {fit.created_at:%Y-%m-%d %H:%M} UTC"
    return text if fit.status == FitStatus.accepted else f"{text}: {fit.reason}"
