"""The `credence` command."""

import asyncio
import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from forecasting.panel import Panel, PanelError
from forecasting.posterior import Posterior
from questions import lint
from questions.documents import DocumentError, read_document
from questions.draft import draft
from questions.load import SetError, find_sets, read_located, read_set, slug_at
from questions.proposals import LanguageModel
from questions.schema import json_schema
from service import accounts, batch, exchange, questions
from service.aggregates import Aggregator
from service.database import Database
from service.errors import Conflict, Problem
from service.models import Role
from service.settings import Settings, SettingsError

Result = TypeVar("Result")

EXPECTED: Final = (Problem, SetError, DocumentError, PanelError, SettingsError, OSError)
LONGEST_PAUSE_SECONDS: Final = 30.0


class Sentence(click.ClickException):
    """An error that ends the command with one sentence on standard error."""

    def show(self, file: Any = None) -> None:
        """Write the sentence alone."""
        del file
        click.echo(f"credence: {self.message}", err=True)


class Misuse(Sentence):
    """The command was called in a way that it does not know."""

    exit_code = 2


class Commands(click.Group):
    """The whole command: a wrong use of it also ends with one sentence."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Read the command's own options."""
        with _usage():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Read the options of a command below this one, and run it."""
        with _usage():
            return super().invoke(ctx)


@contextmanager
def _usage() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "credence"
        said = " ".join(error.format_message().split()).rstrip(".")
        raise Misuse(f"{said}; see `{path} --help`") from error


@contextmanager
def _sentences() -> Iterator[None]:
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


def _with_database(
    work: Callable[[Database, Settings], Awaitable[Result]], *, create: bool = False
) -> Result:
    """Run a piece of work on the database of the settings, and turn errors into sentences."""

    async def run(settings: Settings) -> Result:
        database = Database(settings.url)
        try:
            return await work(database, settings)
        finally:
            await database.close()

    with _sentences():
        settings = Settings.from_environment()
        if settings.url.get_backend_name() == "sqlite":
            _require_file(str(settings.url.database), create=create)
        return asyncio.run(run(settings))


def _require_file(file: str, *, create: bool) -> None:
    """Refuse a file that is no database, and a missing one: the name may be misspelt."""
    if not create and not Path(file).exists():
        raise Sentence(f"there is no database {file}; run `credence init`")
    try:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise Sentence(f"the database {file}: {error}") from error


@click.group(
    "credence",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="credence-forecasts")
def main() -> None:
    """Credence: from a brief to resolvable questions, pooled forecasts and scores.

    The database is CREDENCE_DATABASE_URL (default: sqlite:///credence.db in this folder).
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for loud in ("alembic", "arviz", "dbos"):
        logging.getLogger(loud).setLevel(logging.WARNING)


@main.command(epilog="Example: credence init --token")
@click.option("--token", "only_token", is_flag=True, help="Print only the token, if one is made.")
def init(*, only_token: bool) -> None:
    """Migrate, load the shipped sets and create the first administrator.

    Safe to repeat: the token is printed once, when the administrator is created.
    """

    async def work(database: Database, settings: Settings) -> tuple[list[questions.Loaded], str]:
        await database.migrate()
        loaded = await _load(database, Path(settings.sets_folder))
        async with database.write() as session:
            if await accounts.administrator_exists(session):
                return loaded, ""
            _, token = await accounts.create(session, "administrator", Role.administrator)
            return loaded, token

    loaded, token = _with_database(work, create=True)
    if only_token:
        click.echo("there is an administrator already", err=True) if not token else None
        click.echo(token) if token else None
        return
    _report(loaded)
    if token:
        click.echo("created the account `administrator`; its token, shown this once:")
        click.echo(token)


async def _load(database: Database, folder: Path) -> list[questions.Loaded]:
    """Read every set first, so that a mistake in one loads none."""
    written = [read_set(path) for path in find_sets(folder)]
    async with database.write() as session:
        return [await questions.load(session, one) for one in written]


def _report(loaded: list[questions.Loaded]) -> None:
    for one in loaded:
        click.echo(
            f"set {one.slug}: {one.created} questions created, {one.revised} revised, "
            f"{one.unchanged} unchanged"
        )


@main.command(epilog="Example: credence serve --port 8123 --no-worker")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: any."
)
@click.option("--worker/--no-worker", default=True, help="Run a worker beside the web process.")
def serve(*, host: str, port: int, worker: bool) -> None:
    """Serve the API, with a worker as a child process."""
    import uvicorn  # noqa: PLC0415  # only the server needs it

    from service.app import create_app  # noqa: PLC0415

    with _sentences():
        settings = Settings.from_environment()
    if not _with_database(lambda database, _: database.schema_is_current()):
        raise Sentence("the database has another schema version; run `credence init`")
    app = create_app(settings)
    with _beside(worker=worker):
        uvicorn.run(app, host=host, port=port, log_level="info", access_log=False)


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


@main.command(epilog="Example: credence worker")
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
    with _sentences():
        run_worker(Settings.from_environment(), stop)


@main.group(epilog="Example: credence account create alice --role curator")
def account() -> None:
    """Accounts and their tokens."""


@account.command("create", epilog="Example: credence account create alice --role curator")
@click.argument("name")
@click.option(
    "--role",
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="What the account may do; each role may do all that those before it may.",
)
@click.option("--bot", is_flag=True, help="The account is a program.")
@click.option("--token", "only_token", is_flag=True, help="Print only the token.")
def create_account(name: str, *, role: str, bot: bool, only_token: bool) -> None:
    """Create an account and print its token, once."""

    async def work(database: Database, _settings: Settings) -> tuple[accounts.Actor, str]:
        async with database.write() as session:
            return await accounts.create(session, name, Role(role), bot=bot)

    actor, token = _with_database(work)
    if not only_token:
        click.echo(
            f"created the {actor.role} {actor.name!r} (forecaster {actor.id}); "
            "its token, shown this once:"
        )
    click.echo(token)


@account.command("revoke", epilog="Example: credence account revoke alice")
@click.argument("name")
def revoke_tokens(name: str) -> None:
    """Revoke every token of an account; its forecasts stay."""

    async def work(database: Database, _settings: Settings) -> int:
        async with database.write() as session:
            return await accounts.revoke_tokens(session, name)

    click.echo(f"revoked {_with_database(work)} tokens of {name!r}")


@main.group("questions", epilog="Example: credence questions load questions/sets/russia-iran")
def question_sets() -> None:
    """Sets of questions."""


@question_sets.command("load", epilog="Example: credence questions load questions/sets/russia-iran")
@click.argument("path", type=click.Path(path_type=Path))
def load_questions(path: Path) -> None:
    """Load a set, or a folder of sets, into the database.

    Loading again changes nothing; a changed question gets a new revision and keeps its forecasts.
    """

    async def work(database: Database, _settings: Settings) -> list[questions.Loaded]:
        return await _load(database, path)

    _report(_with_database(work))


@question_sets.command(
    "lint", epilog="Example: credence questions lint questions/sets --format github"
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--document",
    type=click.Path(path_type=Path),
    help="The document (text, Markdown, HTML, DOCX, PDF): no sentence of it may be copied.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="How to print the findings.",
)
def lint_questions(path: Path, *, document: Path | None, form: lint.Format) -> None:
    """Check a set, or a folder of sets, against the rules; exits 1 on an error."""
    with _sentences():
        text = read_document(document).prose if document else None
        findings = [
            finding
            for written, locations in map(read_located, find_sets(path))
            for finding in lint.lint(written, document=text, locations=locations)
        ]
    click.echo(lint.render(findings, form))
    if form != "text":
        click.echo(lint.summary(findings), err=True)
    if lint.has_errors(findings):
        raise SystemExit(1)


@question_sets.command("draft", epilog="Example: credence questions draft brief.md -o set.toml")
@click.argument("document", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The set file to write; default: shown."
)
def draft_questions(document: Path, *, output: Path | None) -> None:
    """Find a document's forward-looking claims and write a set for a person to complete.

    With a language model set (CREDENCE_LLM_...) it also proposes what the questions say.
    `credence questions lint` then says what is missing.
    """
    with _sentences():
        if output is not None and output.exists():
            raise Conflict(f"{output} exists; a draft does not overwrite a set")
        if output is not None:
            _require_folder_of(output)
        model = _language_model(Settings.from_environment())
        toml = draft(
            document,
            slug=slug_at(output) if output else None,
            model=model,
            tell=lambda said: click.echo(said, err=True),
        )
        if output is None:
            click.echo(toml, nl=False)
        else:
            batch.write_whole(output, toml)
            click.echo(f"{output}: {toml.count('[[implications]]')} implications", err=True)


def _language_model(settings: Settings) -> LanguageModel | None:
    if not settings.llm_base_url:
        return None
    try:
        return LanguageModel(settings.llm_base_url, settings.llm_model, settings.llm_key)
    except ValueError as error:
        raise SettingsError(f"the language model of CREDENCE_LLM_...: {error}") from None


@question_sets.command("schema", epilog="Example: credence questions schema > set.schema.json")
def print_schema() -> None:
    """Print the JSON Schema of set files, for editors."""
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@main.command(epilog="Example: credence fit")
def fit() -> None:
    """Fit the model to everything resolved by now; exits 1 when the fit is refused or fails."""
    from service.jobs import Sampler, fit_once  # noqa: PLC0415  # the job engine is slow to import

    async def work(database: Database, settings: Settings) -> Any:
        sampler = Sampler(settings)
        try:
            return await fit_once(database, settings, sampler)
        finally:
            sampler.close()

    made = _with_database(work)
    if made.status != "accepted":
        raise Sentence(f"fit {made.id} was {made.status}: {made.reason}")
    click.echo(
        f"fit {made.id} accepted: {made.questions} questions, {made.forecasts} forecasts of "
        f"{made.forecasters} forecasters; fingerprint {made.fingerprint[:12]}"
    )


@main.command(
    "import", epilog="Example: credence import data/replication_surveys --set replication"
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--set", "slug", help="Slug of the new set; default: the folder's name.")
def import_folder(folder: Path, *, slug: str | None) -> None:
    """Import a folder of forecasts (forecasts.csv, questions.csv) as a set of its own.

    All or nothing, and safe to repeat. Its forecasters become accounts named SET:FORECASTER.
    """

    async def work(database: Database, settings: Settings) -> exchange.Imported:
        panel = Panel.read(folder)
        name = slug or exchange.slug_of(folder)
        aggregator = Aggregator(settings.interval_level)
        async with database.write() as session:
            return await exchange.read_in(session, aggregator, panel, name)

    done = _with_database(work)
    click.echo(
        f"set {done.slug}: {done.questions} questions ({done.resolved} resolved), "
        f"{done.forecasts} forecasts of {done.forecasters} forecasters imported"
    )


@main.command("export", epilog="Example: credence export out --set russia-iran")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--set", "slug", help="Only this set.")
def export_folder(folder: Path, *, slug: str | None) -> None:
    """Export forecasts as a folder with forecasts.csv and questions.csv."""

    async def work(database: Database, _settings: Settings) -> Panel:
        panel = await exchange.write_out(database, slug)
        panel.write(folder)
        return panel

    panel = _with_database(work)
    click.echo(f"{folder}: {len(panel.questions)} questions, {len(panel.probability)} forecasts")


@main.command(epilog="Example: credence backtest data/replication_surveys -o table.csv")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the table here.")
@click.option(
    "--kind",
    type=click.Choice(["replay", "folds"]),
    help="As known at each time, or folds over questions; default: replay where possible.",
)
@click.option("--folds", default=5, show_default=True, type=click.IntRange(2), help="How many.")
@click.option("--seed", default=0, show_default=True, help="Of the folds, fits and resampling.")
def backtest(folder: Path, *, output: Path | None, kind: str | None, folds: int, seed: int) -> None:
    """Compare the model with every pool on a folder's resolved questions, without leaks.

    Scores are means over the same questions; the difference's interval resamples questions.
    """
    from forecasting import backtest as backtesting  # noqa: PLC0415  # slow to import

    with _sentences():
        if output is not None:
            _require_folder_of(output)
        panel = Panel.read(folder)
        try:
            done = backtesting.backtest(
                panel,
                seed=seed,
                folds=folds,
                kind=kind,
                progress=lambda said: click.echo(said, err=True),
            )
        except ValueError as error:
            raise Sentence(str(error)) from error
        rows = done.rows()
        click.echo(f"{done.kind}, {rows[0].questions} questions, {done.refused} refused fits")
        click.echo(f"{'method':<28}{'log':>8}{'brier':>8}{'slope':>8}{'behind bayes by':>18}  95%")
        for row in rows:
            click.echo(
                f"{row.method:<28}{row.log:8.4f}{row.brier:8.4f}{row.slope:8.2f}"
                f"{row.behind:18.4f}  [{row.lower:.4f}, {row.upper:.4f}]"
            )
        if output is not None:
            done.write(output)


@main.command(epilog="Example: credence aggregate data/replication_surveys -o aggregates.csv")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The CSV to write."
)
@click.option("--all-methods", is_flag=True, help="A row a method instead of `bayes` alone.")
def aggregate(folder: Path, *, output: Path, all_methods: bool) -> None:
    """Aggregate a folder of forecasts: a row for every question without an outcome.

    The model learns from the questions of the folder that have one.
    """
    with _sentences():
        settings = Settings.from_environment()
        _require_folder_of(output)
        panel = Panel.read(folder)
        posterior = _posterior(panel, settings)
        rows = batch.aggregate(
            panel, posterior, level=settings.interval_level, all_methods=all_methods
        )
        batch.write(output, rows)
    click.echo(f"{output}: {len(rows)} rows")


def _require_folder_of(output: Path) -> None:
    if not output.resolve().parent.is_dir():
        raise Sentence(f"{output}: there is no folder to write it in")


def _posterior(panel: Panel, settings: Settings) -> Posterior:
    """Fit to what the folder knows; the prior stands in, and that is said, for a refused fit."""
    if np.isnan(panel.outcome).all():
        return Posterior.prior(seed=settings.fit_seed)
    from forecasting.fit import FitRefused, fit  # noqa: PLC0415  # PyMC is slow to import

    try:
        return fit(
            panel,
            seed=settings.fit_seed,
            chains=settings.fit_chains,
            draws=settings.fit_draws,
            tune=settings.fit_tune,
            progress=lambda said: click.echo(said, err=True),
        )
    except FitRefused as refusal:
        click.echo(f"credence: {refusal.reason}; the prior answers instead", err=True)
        return Posterior.prior()


if __name__ == "__main__":
    main()
