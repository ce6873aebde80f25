"""Shared helpers of the commands: error sentences and database access."""

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from sqlalchemy.exc import SQLAlchemyError

from forecasting import requirements
from forecasting.csv_io import Dialect, PanelError
from questions.documents import DocumentError
from questions.load import SetError
from service.cli.group import Sentence
from service.database.engine import Database
from service.database.sqlite import create_private
from service.exceptions import Problem
from service.settings import Settings, SettingsError

Result = TypeVar("Result")

EXPECTED: Final = (
    Problem,
    SetError,
    DocumentError,
    PanelError,
    SettingsError,
    requirements.WorkerNotInstalled,
    OSError,
)


def reads_tables(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that describe the format of tables; the command receives a `dialect`."""

    @click.option(
        "--dates",
        type=click.Choice(["mdy", "dmy"]),
        help="Order of dates with slashes, such as 9/30/11; without it they are rejected.",
    )
    @click.option("--missing", multiple=True, help="Placeholder for a missing time, such as N/A.")
    @click.option(
        "--times",
        type=click.Choice(["unix-s", "unix-ms", "rounds"]),
        help="Unit of numeric times: seconds or milliseconds since 1970, or rounds.",
    )
    @click.option(
        "--encoding", default="utf-8", show_default=True, help="Character encoding, such as cp1252."
    )
    @wraps(command)
    def reading(
        *args: Any,
        dates: str | None,
        missing: tuple[str, ...],
        times: str | None,
        encoding: str,
        **rest: Any,
    ) -> None:
        with sentences():
            dialect = Dialect(encoding, dates or "", times or "", missing)
        command(*args, dialect=dialect, **rest)

    return reading


@contextmanager
def sentences() -> Iterator[None]:
    """Report errors that the caller can fix as a single sentence."""
    try:
        yield
    except EXPECTED as error:
        raise Sentence(str(error)) from error
    except SQLAlchemyError as error:
        raise Sentence(f"the database: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    said = str(origin).strip().splitlines()
    unmigrated = re.search(r"no such table|relation .* does not exist", str(origin))
    hint = "; has `credence init` run?" if unmigrated else ""
    return f"{said[0] if said else type(origin).__name__}{hint}"


def require_worker() -> None:
    """End with a sentence unless the extra `worker` is installed."""
    with sentences():
        requirements.require_worker()


def with_database(
    work: Callable[[Database, Settings], Awaitable[Result]], *, create: bool = False
) -> Result:
    """Run work on the configured database and report errors as a single sentence."""

    async def run(settings: Settings) -> Result:
        database = Database(settings.url)
        try:
            return await work(database, settings)
        finally:
            await database.close()

    with sentences():
        settings = Settings.from_environment()
        if settings.url.get_backend_name() == "sqlite":
            _require_file(str(settings.url.database), create=create)
        return asyncio.run(run(settings))


def _require_file(file: str, *, create: bool) -> None:
    """Reject a missing file or one that is not a database: its name may be misspelt."""
    if not create and not Path(file).exists():
        raise Sentence(f"there is no database {file}; run `credence init`")
    create_private(file)
    try:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise Sentence(f"the database {file}: {error}") from error


def require_folder_of(output: Path) -> None:
    """Reject an output file whose folder does not exist, before doing any work."""
    if not output.resolve().parent.is_dir():
        raise Sentence(f"{output}: its folder does not exist")
