"""`credence import` and `export`."""

from pathlib import Path

import click

from forecasting.csv_io import Dialect, Notes
from service.cli.command import reads_tables, sentences, with_database
from service.cli.group import echo
from service.database.engine import Database
from service.exchange import exports, imports, platforms
from service.questions.aggregates import Aggregator
from service.settings import Settings


@click.command("import", epilog="Example: credence import metaculus_data.zip --set cup")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--set", "slug", help="Slug of the new set; default: the name of PATH.")
@click.option("--dry-run", is_flag=True, help="Report what would be imported and store nothing.")
@reads_tables
def import_forecasts(path: Path, *, slug: str | None, dry_run: bool, dialect: Dialect) -> None:
    """Import forecasts from another platform as a new set.

    PATH is a folder with forecasts.csv and questions.csv, or an export of another platform, as
    docs/import.md lists them: a file, a folder or a ZIP archive. The import is atomic and safe
    to repeat. Forecasters become accounts named SET:FORECASTER. It runs in one transaction: on
    SQLite it blocks other writers until it ends, on PostgreSQL it does not.

    A summary lists omissions and adjustments. --dry-run needs no database.
    """
    with sentences():
        export = platforms.read(path, dialect)
        name = slug or imports.slug_of(path)
        if dry_run:
            imports.plan(export.panel, name, export.notes)
            _echo(imports.Imported.of(export.panel, name), export.notes, "would be imported")
            return

    async def work(database: Database, settings: Settings) -> imports.Imported:
        aggregator = Aggregator(settings.interval_level)
        async with database.write() as session:
            return await imports.import_panel(
                session,
                aggregator,
                export.panel,
                name,
                origin=export.origin,
                notes=export.notes,
            )

    _echo(with_database(work), export.notes, "imported")


def _echo(done: imports.Imported, notes: Notes, verb: str) -> None:
    """Print omissions and adjustments by reason, with the first occurrence of each."""
    echo(
        f"set {done.slug}: {done.questions} questions ({done.resolved} resolved), "
        f"{done.forecasts} forecasts of {done.forecasters} forecasters {verb}"
    )
    for title, found in (("left out", notes.left_out), ("adjusted", notes.adjusted)):
        if found:
            echo(f"{title}:")
        for rule, note in found.items():
            echo(f"  {rule}: {note.count} (first: {note.first})")


@click.command("export", epilog="Example: credence export out --set russia-iran --pseudonyms")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--set", "slug", help="Export only this set.")
@click.option(
    "--pseudonyms",
    is_flag=True,
    help="Replace names of forecasters with codes specific to this export.",
)
def export_folder(folder: Path, *, slug: str | None, pseudonyms: bool) -> None:
    """Export forecasts as a folder with forecasts.csv and questions.csv."""

    async def work(database: Database, _settings: Settings) -> dict[str, int]:
        return await exports.write_folder(database, slug, folder, pseudonymous=pseudonyms)

    rows = with_database(work)
    echo(f"{folder}: {rows['questions']} questions, {rows['forecasts']} forecasts")
