"""`credence import` and `export`."""

from pathlib import Path

import click

from forecasting.panel import Panel
from service import exchange, exports
from service.aggregates import Aggregator
from service.cli.command import with_database
from service.database import Database
from service.settings import Settings


@click.command(
    "import", epilog="Example: credence import data/replication_surveys --set replication"
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--set", "slug", help="Slug of the new set; default: the folder's name.")
def import_folder(folder: Path, *, slug: str | None) -> None:
    """Import a folder of forecasts (forecasts.csv, questions.csv) as a set of its own.

    All or nothing, and safe to repeat. Its forecasters become accounts named SET:FORECASTER. It is
    one transaction: on SQLite nobody else can write until it is done, on PostgreSQL everybody can.
    """

    async def work(database: Database, settings: Settings) -> exchange.Imported:
        panel = Panel.read(folder)
        name = slug or exchange.slug_of(folder)
        aggregator = Aggregator(settings.interval_level)
        async with database.write() as session:
            return await exchange.read_in(session, aggregator, panel, name)

    done = with_database(work)
    click.echo(
        f"set {done.slug}: {done.questions} questions ({done.resolved} resolved), "
        f"{done.forecasts} forecasts of {done.forecasters} forecasters imported"
    )


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
