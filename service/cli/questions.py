"""`credence questions`."""

import json
from pathlib import Path

import click

from forecasting.files import replacing
from questions import confined, lint
from questions.documents import DocumentError, read_document
from questions.draft import draft
from questions.load import find_sets, read_located, read_set, slug_at
from questions.proposals import LanguageModel
from questions.schema import json_schema
from service.cli.command import require_folder_of, sentences, with_database
from service.cli.group import echo
from service.curation import editing
from service.database.engine import Database
from service.exceptions import Conflict
from service.questions import questions
from service.settings import Settings, SettingsError


@click.group("questions", epilog="Example: credence questions load questions/sets/russia-iran")
def question_sets() -> None:
    """Sets of questions."""


@question_sets.command("load", epilog="Example: credence questions load questions/sets/russia-iran")
@click.argument("path", type=click.Path(path_type=Path))
def load_questions(path: Path) -> None:
    """Load a set, or a folder of sets, into the database.

    Loading is idempotent; a changed question gets a new revision and keeps its forecasts.
    """

    async def work(database: Database, _settings: Settings) -> list[questions.Loaded]:
        return await load_sets(database, path)

    report(with_database(work))


async def load_sets(database: Database, folder: Path) -> list[questions.Loaded]:
    """Read every set before loading any, so that an error in one loads none."""
    written = [read_set(path) for path in find_sets(folder)]
    async with database.write() as session:
        return [await questions.load(session, one) for one in written]


def report(loaded: list[questions.Loaded]) -> None:
    """Report the result for each set."""
    for one in loaded:
        echo(
            f"set {one.slug}: {one.created} questions created, {one.revised} revised, "
            f"{one.unchanged} unchanged"
        )


@question_sets.command("archive", epilog="Example: credence questions archive power-systems")
@click.argument("slug")
@click.option("--undo", is_flag=True, help="Restore the set to lists and leaderboards.")
def archive_set(slug: str, *, undo: bool) -> None:
    """Hide a set from lists and leaderboards; its pages and questions stay active."""

    async def work(database: Database, _settings: Settings) -> None:
        async with database.write() as session:
            await editing.archive(session, None, slug, archived=not undo)

    with_database(work)
    echo(f"set {slug}: in lists again" if undo else f"set {slug}: archived")


@question_sets.command(
    "lint", epilog="Example: credence questions lint questions/sets --format github"
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--document",
    type=click.Path(path_type=Path),
    help="Source document (text, Markdown, HTML, DOCX, PDF), to detect copied sentences.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Output format of the findings.",
)
def lint_questions(path: Path, *, document: Path | None, form: lint.Format) -> None:
    """Check a set, or a folder of sets, against the rules; exits 1 on an error."""
    with sentences():
        text = _prose_of(document) if document else None
        findings = [
            finding
            for written, locations in map(read_located, find_sets(path))
            for finding in lint.lint(written, document=text, locations=locations)
        ]
    echo(lint.render(findings, form))
    if form != "text":
        echo(lint.summary(findings), err=True)
    if lint.has_errors(findings):
        raise SystemExit(1)


def _prose_of(document: Path) -> str:
    """Read a document in a separate process, as `draft` does."""
    try:
        return confined.call(read_document, document).prose
    except confined.LimitExceeded as excess:
        raise DocumentError(f"{document}: {excess}.") from None


@question_sets.command("draft", epilog="Example: credence questions draft brief.md -o set.toml")
@click.argument("document", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Set file to write; default: standard output.",
)
def draft_questions(document: Path, *, output: Path | None) -> None:
    """Find a document's forward-looking claims and write a set for a person to complete.

    With a language model set (CREDENCE_LLM_...) it also proposes question texts.
    `credence questions lint` then reports missing parts.
    """
    with sentences():
        if output is not None and output.exists():
            raise Conflict(f"{output} exists; a draft does not overwrite a set")
        if output is not None:
            require_folder_of(output)
        model = _language_model(Settings.from_environment())
        toml = draft(
            document,
            slug=slug_at(output) if output else None,
            model=model,
            tell=lambda said: echo(said, err=True),
        )
        if output is None:
            click.echo(toml, nl=False)
        else:
            with replacing(output) as (file,):
                file.write_text(toml, encoding="utf-8", newline="")
            echo(f"{output}: {toml.count('[[implications]]')} implications", err=True)


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
    echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
