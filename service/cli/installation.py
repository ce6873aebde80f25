"""`credence init`, `serve` and `worker`."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from litestar import Litestar

from service import accounts, logs, questions, tokens
from service.cli.command import sentences, with_database
from service.cli.group import Sentence
from service.database import Database
from service.models import Role
from service.settings import Settings

LONGEST_PAUSE_SECONDS: Final = 30.0
LONGEST_ENDING_SECONDS: Final = 30
"""How long requests that are being answered may take once the process is told to end."""


@click.command(epilog="Example: credence init --token")
@click.option("--token", "only_token", is_flag=True, help="Print only the token, if one is made.")
def init(*, only_token: bool) -> None:
    """Migrate, load the shipped sets and create the first administrator.

    Safe to repeat: the token is printed once, when the administrator is created.
    """
    from service.cli.questions import load_sets, report  # noqa: PLC0415  # no server needs it

    async def work(database: Database, settings: Settings) -> tuple[list[questions.Loaded], str]:
        await database.migrate()
        loaded = await load_sets(database, Path(settings.sets_folder))
        async with database.write() as session:
            if await accounts.administrator_exists(session):
                return loaded, ""
            made = await accounts.create(session, "administrator", Role.administrator)
            _, token = await tokens.issue(session, made.id, "first")
            return loaded, token

    loaded, token = with_database(work, create=True)
    if only_token:
        click.echo("there is an administrator already", err=True) if not token else None
        click.echo(token) if token else None
        return
    report(loaded)
    if token:
        click.echo("created the account `administrator`; its token, shown this once:")
        click.echo(token)


@click.command(epilog="Example: credence serve --port 8123 --no-worker")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: any."
)
@click.option("--worker/--no-worker", default=True, help="Run a worker beside the web process.")
@click.option(
    "--processes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Web processes that share the port; more than one pays on PostgreSQL.",
)
def serve(*, host: str, port: int, worker: bool, processes: int) -> None:
    """Serve the API and the pages, with a worker as a child process."""
    import uvicorn  # noqa: PLC0415  # only the server needs it

    with sentences():
        Settings.from_environment()
    if not with_database(lambda database, _: database.schema_is_current()):
        raise Sentence("the database has another schema version; run `credence init`")
    with _beside(worker=worker):
        uvicorn.run(
            "service.cli.installation:web",
            factory=True,
            host=host,
            port=port,
            workers=processes,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=LONGEST_ENDING_SECONDS,
        )


def web() -> Litestar:
    """The application of one web process."""
    from service.app import create_app  # noqa: PLC0415  # only the server needs it

    settings = Settings.from_environment()
    logs.configure(settings.log_format)
    return create_app(settings)


@contextmanager
def _beside(*, worker: bool) -> Iterator[None]:
    """Keep a worker process running while the block runs; one that dies is started again."""
    if not worker:
        yield
        return
    stopping = threading.Event()
    keeper = threading.Thread(target=_keep_worker, args=(stopping,), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stopping.set()
        keeper.join()


def _keep_worker(stopping: threading.Event) -> None:
    pause = 1.0
    while not stopping.is_set():
        started = time.monotonic()
        # The pipe closes when this process ends, however it ends: that stops the worker.
        child = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "worker", "--until-stdin-closes"],
            stdin=subprocess.PIPE,
        )
        while child.poll() is None and not stopping.wait(0.2):
            pass
        if stopping.is_set():
            _end(child)
            return
        pause = 1.0 if time.monotonic() - started > LONGEST_PAUSE_SECONDS else pause * 2
        pause = min(pause, LONGEST_PAUSE_SECONDS)
        logging.getLogger(__name__).error(
            "the worker ended with %s; starting another in %g s", child.returncode, pause
        )
        stopping.wait(pause)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@click.command(epilog="Example: credence worker")
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
def worker(*, until_stdin_closes: bool) -> None:
    """Run the background jobs (refits) until stopped."""
    from service.jobs import run_worker  # noqa: PLC0415  # the job engine is slow to import

    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    if until_stdin_closes:

        def watch() -> None:
            while os.read(sys.stdin.fileno(), 4096):
                pass
            stop.set()

        threading.Thread(target=watch, daemon=True).start()
    with sentences():
        run_worker(Settings.from_environment(), stop)
