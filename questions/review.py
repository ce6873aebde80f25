"""A set as it is being written: whether it can be read, and what the lint says of it."""

from dataclasses import dataclass
from pathlib import Path

from questions.lint import Finding, lint
from questions.load import SetError, read_located
from questions.schema import QuestionSet


@dataclass(frozen=True, slots=True)
class Examined:
    """A set as it is being written: `refusal` says why it cannot be loaded at all."""

    written: QuestionSet | None
    findings: list[Finding]
    refusal: str | None

    @property
    def ready(self) -> bool:
        """Whether it can be loaded: readable, and without an error."""
        return self.written is not None and all(one.severity != "error" for one in self.findings)


def examine(path: Path) -> Examined:
    """Read and lint the set in a file."""
    try:
        written, places = read_located(path)
    except SetError as error:
        return Examined(None, [], str(error))
    return Examined(written, lint(written, locations=places), None)
