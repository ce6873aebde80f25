"""Validation of a set while it is edited: parsing and lint."""

from dataclasses import dataclass
from pathlib import Path

from questions.lint import Finding, lint
from questions.load import SetError, read_located
from questions.schema import QuestionSet


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """The result of validating a set; `refusal` is the reason if it cannot be loaded."""

    written: QuestionSet | None
    findings: list[Finding]
    refusal: str | None

    @property
    def ready(self) -> bool:
        """Whether the set can be loaded: it is readable and has no lint errors."""
        return self.written is not None and all(one.severity != "error" for one in self.findings)


def validate(path: Path) -> ValidationResult:
    """Read and lint the set in a file."""
    try:
        written, places = read_located(path)
    except SetError as error:
        return ValidationResult(None, [], str(error))
    return ValidationResult(written, lint(written, locations=places), None)
