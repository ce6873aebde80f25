"""`credence import` and `export`."""

from pathlib import Path

import click

from forecasting import elsewhere
from forecasting.tables import Times
from service import exchange, exports
from service.aggregates import Aggregator
from service.cli.command import reads_times, with_database
from service.database import Database
from service.settings import Settings


@click.command("import", epilog="Example: credence import metaculus_data.zip --set cup")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--set", "slug", help="Slug of the new set; default: the name of PATH.")
@reads_times
def import_forecasts(path: Path, *, slug: str | None, times: Times) -> None:
    """Import forecasts from elsewhere as a set of their own.

    PATH is a folder with forecasts.csv and questions.csv, a data export of Metaculus (ZIP or
    folder), or a CSV file of Fatebook or PredictionBook. All or nothing, and safe to repeat. The
    forecasters become accounts named SET:FORECASTER. It is one transaction: on SQLite nobody else
    can write until it is done, on PostgreSQL everybody can.
    """

    async def work(database: Database, settings: Settings) -> tuple[exchange.Imported, int]:
        export = elsewhere.read(path, times)
        name = slug or exchange.slug_of(path)
        aggregator = Aggregator(settings.interval_level)
        async with database.write() as session:
            done = await exchange.read_in(
                session, aggregator, export.panel, name, origin=export.origin
            )
        return done, export.left_out

    done, left_out = with_database(work)
    click.echo(
        f"set {done.slug}: {done.questions} questions ({done.resolved} resolved), "
        f"{done.forecasts} forecasts of {done.forecasters} forecasters imported"
    )
    if left_out:
        click.echo(f"left out: {left_out} questions that have no yes or no for an answer")


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
    click.echo(f"{folder}: {rows['questions']} questions, {rows['forecasts']} forecasts")
