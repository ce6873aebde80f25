"""`credence scores`."""

import sys
from datetime import timedelta

import click

from service.background import tasks
from service.cli.command import with_database
from service.cli.group import Sentence, echo
from service.database.engine import Database
from service.models import Task
from service.settings import Settings


@click.group(epilog="Example: credence scores rebuild")
def scores() -> None:
    """Rebuild scores from forecasts and resolutions."""


@scores.command("rebuild", epilog="Example: credence scores rebuild")
@click.option(
    "--later",
    is_flag=True,
    help="Queue the rebuild for a worker; `credence jobs` shows its progress.",
)
def rebuild_scores(*, later: bool) -> None:
    """Rebuild the scores of every resolution, question by question.

    Scores are reproducible byte for byte; the command reports how many were corrected, if any.
    A rebuild in progress is resumed.
    """

    async def ask(database: Database, _settings: Settings) -> Task:
        async with database.write() as session:
            return await tasks.ask_for_scores(session, None)

    async def work(database: Database, settings: Settings) -> Task:
        task = await ask(database, settings)
        await tasks.run(database, task.id, kept=timedelta(), tell=_tell)
        async with database.read() as session:
            return await session.get_one(Task, task.id)

    if later:
        echo(f"task {with_database(ask).id}: a worker rebuilds the scores")
        return
    done = with_database(work)
    if done.error:
        raise Sentence(f"the scores were not rebuilt: {done.error}")
    mended = done.result["mended"]
    found = f"of which {mended} were corrected" if mended else "the same as before"
    echo(f"{done.result['scores']} scores rebuilt, {found}; SHA-256 {done.result['sha256']}")


def _tell(task: Task) -> None:
    if sys.stderr.isatty():
        echo(f"{task.done} of {task.total} questions", err=True)
