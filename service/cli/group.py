"""The command group: commands are imported only when called, not when listed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from questions.text import escape_controls


def echo(text: object = "", *, err: bool = False) -> None:
    """Write a line to the terminal with control characters escaped."""
    click.echo(escape_controls(str(text)), err=err)


class Sentence(click.ClickException):
    """An error that ends the command with one sentence on standard error."""

    def show(self, file: Any = None) -> None:
        """Print only the sentence."""
        del file
        echo(f"credence: {self.message}", err=True)


class Misuse(Sentence):
    """The command was called with invalid arguments."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Lazy:
    """A lazily imported command: its module, its name there and its summary."""

    module: str
    name: str
    summary: str

    def load(self) -> click.Command:
        """Import the command."""
        command: click.Command = getattr(import_module(self.module), self.name)
        return command


class Commands(click.Group):
    """The top-level command; usage errors also end with one sentence.

    Only the called command is imported: otherwise each web process would load modules that it
    never uses, and listing the commands would take as long as starting a server.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **more: Any) -> None:
        super().__init__(*args, **more)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in order."""
        del ctx
        return sorted(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name, or None."""
        del ctx
        found = self.lazy.get(cmd_name)
        return found.load() if found else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their summaries, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.lazy[name].summary) for name in self.list_commands(ctx)]
            )

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
        message = " ".join(error.format_message().split()).rstrip(".")
        raise Misuse(f"{message}; see `{path} --help`") from error
