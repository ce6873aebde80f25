"""`credence jobs`."""

from datetime import timedelta

import click

from service import fits, workers
from service.cli.command import with_database
from service.database import Database
from service.models import Fit, FitStatus
from service.schemas.jobs import JobsOut
from service.settings import Settings


@click.command(epilog="Example: credence jobs")
def jobs() -> None:
    """Say what the workers do, what waits for them, and what became of the latest fit."""

    async def work(database: Database, settings: Settings) -> tuple[JobsOut, str]:
        async with database.read() as session:
            waits = await workers.waiting(
                session,
                quiet=timedelta(seconds=settings.fit_debounce_seconds),
                longest_wait=timedelta(seconds=settings.fit_longest_wait_seconds),
            )
            latest = await fits.listing(session, before=None, limit=1)
            return JobsOut.of(await workers.listing(session), waits), _became(latest)

    state, latest = with_database(work)
    for one in state.workers:
        if one.alive:
            doing = f"{one.doing} since {one.since:%H:%M:%S}" if one.doing else "waits for work"
            click.echo(f"worker {one.name}: {doing}")
        else:
            click.echo(f"worker {one.name}: lost, last seen {one.seen_at:%Y-%m-%d %H:%M:%S} UTC")
    if not any(one.alive for one in state.workers):
        click.echo("no worker runs; start `credence worker`")
    click.echo(f"refit: {'due' if state.refit_due else 'not due'}; {state.refit_why}")
    click.echo(f"latest fit: {latest}")
    click.echo(f"deliveries: {state.deliveries_due} due")


def _became(latest: list[Fit]) -> str:
    if not latest:
        return "none yet"
    (fit,) = latest
    said = f"{fit.id}, {fit.status} on {fit.created_at:%Y-%m-%d %H:%M} UTC"
    return said if fit.status == FitStatus.accepted else f"{said}: {fit.reason}"
