"""`credence init`, `serve` and `worker`."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

import click
from litestar import Litestar

from service.accounts import accounts, invitations, tokens
from service.cli.command import require_worker, sentences, with_database
from service.cli.group import Sentence, echo
from service.database.engine import Database
from service.models import Role
from service.questions import questions
from service.settings import Settings
from service.web import request_logging

FIRST: Final = "administrator"
LONGEST_PAUSE_SECONDS: Final = 30.0
LONGEST_ENDING_SECONDS: Final = 30
"""Grace period for requests in progress during shutdown."""


@click.command(epilog="Example: credence init --token")
@click.option(
    "--token", "only_token", is_flag=True, help="Print only an API token of the administrator."
)
@click.option("--without-sets", is_flag=True, help="Do not load the shipped sets.")
def init(*, only_token: bool, without_sets: bool) -> None:
    """Migrate, load the shipped sets and create the first administrator.

    Safe to repeat. `credence serve` then prints the administrator's sign-in link; --token
    prints an API token as long as the account has no other credential.
    """
    from service.cli.questions import load_sets, report  # noqa: PLC0415  # no server needs it

    async def work(
        database: Database, settings: Settings
    ) -> tuple[list[questions.Loaded], bool, str]:
        await database.migrate()
        folder = Path(settings.sets_folder)
        loaded = [] if without_sets else await load_sets(database, folder)
        async with database.write() as session:
            created = not await accounts.administrator_exists(session)
            if created:
                await accounts.create(session, FIRST, Role.administrator)
            return loaded, created, await tokens.first(session) if only_token else ""

    loaded, created, token = with_database(work, create=True)
    if only_token:
        echo(token) if token else echo("the administrator already has a credential", err=True)
        return
    report(loaded)
    if created:
        echo(f"created the account `{FIRST}`; `credence serve` prints the link to sign in")


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
    help="Number of web processes sharing the port; several help only on PostgreSQL.",
)
def serve(*, host: str, port: int, worker: bool, processes: int) -> None:
    """Serve the API and the pages, with a worker as a child process.

    Once ready it prints its address and, until the first administrator has signed in, a sign-in
    link that works once within 24 hours; each start prints a new one.
    """
    run_server(host, port, worker=worker, processes=processes)


def run_server(
    host: str, port: int, *, worker: bool = True, processes: int = 1, notes: Sequence[str] = ()
) -> None:
    """Serve until stopped; print `notes` below the address once the service is ready."""
    import uvicorn  # noqa: PLC0415  # only the server needs it
    from uvicorn.supervisors import Multiprocess  # noqa: PLC0415

    if worker:
        try:
            require_worker()
        except Sentence as error:
            raise Sentence(f"{error.message}, or serve without a worker: --no-worker") from error
    with sentences():
        settings = Settings.from_environment()
    if not with_database(lambda database, _: database.schema_is_current()):
        raise Sentence("the database has another schema version; run `credence init`")
    config = uvicorn.Config(
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
    listening = _bind(host, port)
    with _beside(worker=worker), _greeting(host, listening.getsockname()[1], settings.site, notes):
        if processes > 1:
            Multiprocess(config, [listening]).run()
        else:
            with suppress(KeyboardInterrupt):
                uvicorn.Server(config).run([listening])


def _bind(host: str, port: int) -> socket.socket:
    """Bind a socket that web processes can share; its port is known immediately."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise Sentence(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose others with --host "
            "and --port"
        ) from error
    bound.set_inheritable(True)
    return bound


@contextmanager
def _greeting(host: str, port: int, site: str, notes: Sequence[str]) -> Iterator[None]:
    """Print the address of the service once it responds."""
    stopping = threading.Event()
    greeter = threading.Thread(target=_greet, args=(host, port, site, notes, stopping), daemon=True)
    greeter.start()
    try:
        yield
    finally:
        stopping.set()
        greeter.join()


def _greet(
    host: str, port: int, site: str, notes: Sequence[str], stopping: threading.Event
) -> None:
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # not listened on
    while not _answers(near, port):
        if stopping.wait(0.1):
            return

    async def work(database: Database, _settings: Settings) -> str | None:
        async with database.write() as session:
            return await invitations.invite_first(session)

    try:
        secret = with_database(work)
    except Sentence as error:
        error.show()
        return
    site = site or f"http://{f'[{near}]' if ':' in near else near}:{port}"
    lines = ["", f"Credence answers at {site}", "", *notes]
    if secret:
        lines += [
            "Sign in as the first administrator with this link. It works once, within 24 hours;",
            "until then each start prints a new one.",
            "",
            f"    {invitations.link(site, secret)}",
            "",
        ]
    echo("\n".join(lines))


def _answers(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def web() -> Litestar:
    """Build the application of one web process."""
    from service.app import create_app  # noqa: PLC0415  # only the server needs it

    settings = Settings.from_environment()
    request_logging.configure(settings.log_format)
    return create_app(settings)


@contextmanager
def _beside(*, worker: bool) -> Iterator[None]:
    """Run a worker process during the block and restart it if it dies."""
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
        # The pipe closes when this process ends for any reason, which stops the worker.
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
    require_worker()
    from service.background.worker import run_worker  # noqa: PLC0415  # the job engine is slow to import

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
        run_worker(Settings.from_environment(), stop, beside=until_stdin_closes)
