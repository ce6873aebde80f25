"""`credence import` and `export`."""

from pathlib import Path

import click

from forecasting.tables import Dialect, Notes
from service.cli.command import reads_tables, sentences, with_database
from service.cli.group import echo
from service.database.engine import Database
from service.exchange import exports, imports, platforms
from service.questions.aggregates import Aggregator
from service.settings import Settings


@click.command("import", epilog="Example: credence import metaculus_data.zip --set cup")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--set", "slug", help="Slug of the new set; default: the name of PATH.")
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and store nothing.")
@reads_tables
def import_forecasts(path: Path, *, slug: str | None, dry_run: bool, dialect: Dialect) -> None:
    """Import forecasts from elsewhere as a set of their own.

    PATH is a folder with forecasts.csv and questions.csv, or an export of another platform, as
    docs/import.md lists them: a file, a folder or a ZIP archive. All or nothing, and safe to
    repeat. The forecasters become accounts named SET:FORECASTER. It is one transaction: on SQLite
    nobody else can write until it is done, on PostgreSQL everybody can.

    A summary says what was left out and adjusted. With --dry-run no database is needed.
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
    """Print the summary: what is left out and adjusted, by reason, with the first place of each."""
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
@click.option("--set", "slug", help="Only this set.")
@click.option(
    "--pseudonyms", is_flag=True, help="Name forecasters by codes that hold in this export alone."
)
def export_folder(folder: Path, *, slug: str | None, pseudonyms: bool) -> None:
    """Export forecasts as a folder with forecasts.csv and questions.csv."""

    async def work(database: Database, _settings: Settings) -> dict[str, int]:
        return await exports.write_folder(database, slug, folder, pseudonymous=pseudonyms)

    rows = with_database(work)
    echo(f"{folder}: {rows['questions']} questions, {rows['forecasts']} forecasts")
