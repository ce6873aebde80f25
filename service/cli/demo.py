"""`credence demo`."""

import os
import secrets
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from forecasting.files import replacing
from service.accounts import accounts, tokens
from service.cli.command import require_worker, with_database
from service.cli.group import echo
from service.cli.installation import run_server
from service.database.engine import Database
from service.demo.population import ADMINISTRATOR, CURATOR, FORECASTERS, labelled, populate
from service.settings import PREFIX, Settings

HOST: Final = "127.0.0.1"
FILE: Final = "demo.db"
BANNER: Final = (
    "This is a demonstration: the people, their forecasts and the outcomes are simulated, except "
    "in the set replication-surveys, whose forecasts are real. Nothing here is kept."
)


@click.command(epilog="Example: credence demo --port 8123")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: any."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the demonstration database here, or serve the existing one. "
    "Default: a temporary folder, removed at the end.",
)
@click.option(
    "--serve/--no-serve", "serving", default=True, help="Serve the database once it is filled."
)
def demo(*, port: int, folder: Path | None, serving: bool) -> None:
    """Fill a throwaway database with a lively example and serve it on this machine.

    Your own database is not touched. People and most outcomes are simulated and labelled as such;
    one set of forecasts and two fits of the model are real.
    """
    require_worker()
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="credence-")))
        place.mkdir(parents=True, exist_ok=True)
        notes = [f"Resuming the demonstration in {place}; its password has not changed."]
        if not (place / FILE).exists():
            password = secrets.token_urlsafe(9)
            token = _fill(place, password)
            notes = [
                f"Sign in with the password {password} as one of",
                "",
                *(f"    {labelled(name)}" for name in (FORECASTERS[0], CURATOR, ADMINISTRATOR)),
                "",
                "a forecaster, a curator and the administrator. For the API, as the forecaster:",
                "",
                f"    export TOKEN={token}",
                "",
                "Control-C ends the demonstration.",
                "",
            ]
        _point_at(place / FILE)
        if serving:
            run_server(HOST, port, notes=notes)
        else:
            echo("\n".join(notes))


def _point_at(file: Path) -> None:
    """Set the environment of this process and its children to the demonstration database."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ[f"{PREFIX}DATABASE_URL"] = f"sqlite:///{file.resolve()}"
    os.environ[f"{PREFIX}READERS"] = "everyone"
    os.environ[f"{PREFIX}BANNER"] = BANNER


def _fill(folder: Path, password: str) -> str:
    """Fill a database, move it into place once complete, and return a forecaster's token."""
    started = time.monotonic()
    with replacing(folder / FILE) as (unfinished,):
        _point_at(unfinished)
        return _populate(password, started)


def _populate(password: str, started: float) -> str:
    from service.background.worker import Sampler, fit_once  # noqa: PLC0415  # the extra `worker`

    def report(step: str) -> None:
        echo(f"{time.monotonic() - started:5.1f} s  {step}")

    async def work(database: Database, settings: Settings) -> str:
        await database.migrate()
        sampler = Sampler()

        async def fit(chosen: Settings) -> None:
            await fit_once(database, chosen, sampler)

        try:
            await populate(database, settings, password, report=report, fit=fit)
        finally:
            sampler.close()
        async with database.write() as session:
            forecaster = await accounts.named(session, labelled(FORECASTERS[0]))
            return (await tokens.issue(session, forecaster.id, "demonstration"))[1]

    token = with_database(work, create=True)
    report("Done")
    return token
