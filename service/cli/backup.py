"""`credence backup` and `restore`."""

from pathlib import Path

import click

from service.cli.command import require_folder_of, with_database
from service.cli.group import echo
from service.database import backup
from service.database.engine import Database
from service.settings import Settings


@click.command("backup", epilog="Example: credence backup credence-2026-11-24.db")
@click.argument("file", type=click.Path(path_type=Path))
def back_up(file: Path) -> None:
    """Write one consistent moment of the database to FILE, while the service goes on.

    FILE is an SQLite database, also of PostgreSQL, and holds secrets: only its owner can read it.
    """
    require_folder_of(file)

    async def work(database: Database, _settings: Settings) -> int:
        return await backup.write(database, file)

    rows = with_database(work)
    echo(f"{file}: {rows} rows, checked")


@click.command("restore", epilog="Example: credence restore credence-2026-11-24.db")
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Put a backup into the database of the settings, which must be new; all or nothing.

    The database may be of the other kind than the one that the backup was made of.
    """

    async def work(database: Database, _settings: Settings) -> int:
        return await backup.restore(database, file)

    rows = with_database(work, create=True)
    echo(f"{file}: {rows} rows restored; `credence verify --derived` checks them")
