"""Rules and their inputs: a question's prose and its set."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple

from questions import prose
from questions.schema import Question, QuestionSet

Severity = Literal["error", "warning"]
Mode = Literal["D", "DP", "P"]

COPIED_RUN: Final = 8


class Problem(NamedTuple):
    """A violation of a rule: its place, a sentence, and the suggested fix.

    `place` is a path such as `("questions", slug, "title")` or `("implications", slug)`.
    """

    place: tuple[str, ...]
    sentence: str
    fix: str


@dataclass(frozen=True)
class Case:
    """The set to check, and the text of its source document."""

    question_set: QuestionSet
    document: str | None = None

    @cached_property
    def readings(self) -> tuple["Reading", ...]:
        """The questions with their prose as plain text."""
        return tuple(Reading(self, question) for question in self.question_set.questions)

    @cached_property
    def defaults(self) -> str:
        """The defaults of the set for all its questions."""
        return prose.plain(self.question_set.defaults)

    @cached_property
    def document_runs(self) -> frozenset[tuple[str, ...]]:
        """Every run of eight words in the document."""
        return frozenset(prose.runs(self.document or "", COPIED_RUN))


@dataclass(frozen=True)
class Reading:
    """A question with its prose as plain text, the input of the rules."""

    case: Case
    question: Question

    @cached_property
    def title(self) -> str:
        """The title without Markdown."""
        return prose.plain(self.question.title)

    @cached_property
    def criteria(self) -> str:
        """The criteria without Markdown."""
        return prose.plain(self.question.criteria)

    @cached_property
    def fine_print(self) -> str:
        """The fine print without Markdown."""
        return prose.plain(self.question.fine_print)

    @cached_property
    def background(self) -> str:
        """The background without Markdown."""
        return prose.plain(self.question.background)

    @cached_property
    def own(self) -> str:
        """The question's own resolution text: criteria and fine print."""
        return f"{self.criteria}\n\n{self.fine_print}"

    @cached_property
    def all(self) -> str:
        """The complete resolution text, including the set's defaults."""
        return f"{self.own}\n\n{self.case.defaults}"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the sources, whose words are not the author's choice."""
        return tuple(source.name for source in self.question.sources)

    def wording(self, *fields: Literal["title", "criteria", "fine_print"]) -> dict[str, str]:
        """Return fields by name, without quotations and the names of sources."""
        return {field: prose.without(getattr(self, field), self.names) for field in fields}

    def at(self, field: str) -> tuple[str, ...]:
        """Return the place of one of the question's fields."""
        return ("questions", self.question.slug, field)


def called(field: str) -> str:
    """Return a field's name for use in prose."""
    return field.replace("_", " ")


Check = Callable[[Case], Iterator[Problem]]


@dataclass(frozen=True)
class Rule:
    """A rule for questions.

    Attributes:
        code: code of the rule, such as `Q11`.
        name: two or three words.
        severity: an error makes the set invalid, a warning does not.
        mode: `D` a program decides, `DP` a program flags and a person judges, `P` a person decides.
        says: the requirement, in a sentence.
        bad: fields of a question, or tables of a set, in TOML, that violate the rule; for mode `P`,
            a description.
        good: the same, following the rule.
        document: the document's text for the examples.
        check: finds the violations in a set; finds none for a rule that only a person decides.
    """

    code: str
    name: str
    severity: Severity
    mode: Mode
    says: str
    bad: str
    good: str
    document: str | None = None
    check: Check | None = None

    @property
    def can_be_waived(self) -> bool:
        """Whether a person may waive a finding of this rule."""
        return self.mode == "DP" or self.severity == "warning"


def rule(
    code: str,
    name: str,
    severity: Severity,
    mode: Mode,
    *,
    says: str,
    bad: str,
    good: str,
    document: str | None = None,
) -> Callable[[Check], Rule]:
    """Make a rule from a check of a whole set."""

    def made(check: Check) -> Rule:
        return Rule(code, name, severity, mode, says, bad, good, document, check)

    return made


def question_rule(
    code: str,
    name: str,
    severity: Severity,
    mode: Mode,
    *,
    says: str,
    bad: str,
    good: str,
) -> Callable[[Callable[[Reading], Iterator[Problem]]], Rule]:
    """Make a rule from a check of one question."""

    def made(check: Callable[[Reading], Iterator[Problem]]) -> Rule:
        def check_each(case: Case) -> Iterator[Problem]:
            for reading in case.readings:
                yield from check(reading)

        return Rule(code, name, severity, mode, says, bad, good, None, check_each)

    return made
