"""`credence scores`."""

import click

from service import scoring
from service.cli.command import with_database
from service.database import Database
from service.scoring import Rebuilt
from service.settings import Settings


@click.group(epilog="Example: credence scores rebuild")
def scores() -> None:
    """Scores, which are derived from the facts."""


@scores.command("rebuild", epilog="Example: credence scores rebuild")
def rebuild_scores() -> None:
    """Score every resolution anew from the facts, all or nothing.

    The same facts give the same scores, byte for byte; it says so, or that they were put right.
    """

    async def work(database: Database, _settings: Settings) -> Rebuilt:
        async with database.write() as session:
            return await scoring.rebuild(session)

    done = with_database(work)
    same = "the same as before" if done.before == done.after else "not what was stored before"
    click.echo(f"{done.scores} scores rebuilt, {same}; SHA-256 {done.after}")
