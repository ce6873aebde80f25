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
    """Write a consistent snapshot of the database to FILE while the service runs.

    FILE is an SQLite database, even for PostgreSQL. It contains secrets, so that only its
    owner can read it.
    """
    require_folder_of(file)

    async def work(database: Database, _settings: Settings) -> int:
        return await backup.write(database, file)

    rows = with_database(work)
    echo(f"{file}: {rows} rows, checked")


@click.command("restore", epilog="Example: credence restore credence-2026-11-24.db")
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Restore a backup into the configured database, which must be empty.

    The restore is atomic. A backup of PostgreSQL can be restored into SQLite and vice versa.
    """

    async def work(database: Database, _settings: Settings) -> int:
        return await backup.restore(database, file)

    rows = with_database(work, create=True)
    echo(f"{file}: {rows} rows restored; `credence verify --derived` checks them")
