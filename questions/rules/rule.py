"""What a rule is, and what it reads: a question's prose and the set around it."""

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
    """A breach of a rule: where, in a sentence, and what to write instead.

    `place` is a path such as `("questions", slug, "title")` or `("implications", slug)`.
    """

    place: tuple[str, ...]
    sentence: str
    fix: str


@dataclass(frozen=True)
class Case:
    """The set that is looked at, and the text of the document that it was written from."""

    question_set: QuestionSet
    document: str | None = None

    @cached_property
    def readings(self) -> tuple["Reading", ...]:
        """The questions, each with its prose made plain."""
        return tuple(Reading(self, question) for question in self.question_set.questions)

    @cached_property
    def defaults(self) -> str:
        """What the set says once for all its questions."""
        return prose.plain(self.question_set.defaults)

    @cached_property
    def document_runs(self) -> frozenset[tuple[str, ...]]:
        """Every run of eight words in the document."""
        return frozenset(prose.runs(self.document or "", COPIED_RUN))


@dataclass(frozen=True)
class Reading:
    """A question with its prose made plain, as the rules read it."""

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
        """What decides the answer in the question itself: criteria and fine print."""
        return f"{self.criteria}\n\n{self.fine_print}"

    @cached_property
    def all(self) -> str:
        """What decides the answer, the set's defaults included."""
        return f"{self.own}\n\n{self.case.defaults}"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the sources, in which no word is the author's own choice."""
        return tuple(source.name for source in self.question.sources)

    def wording(self, *fields: Literal["title", "criteria", "fine_print"]) -> dict[str, str]:
        """Return fields by name, without quotations and the names of sources."""
        return {field: prose.without(getattr(self, field), self.names) for field in fields}

    def at(self, field: str) -> tuple[str, ...]:
        """Return the place of one of the question's fields."""
        return ("questions", self.question.slug, field)


def called(field: str) -> str:
    """Return a field's name as prose has it."""
    return field.replace("_", " ")


Check = Callable[[Case], Iterator[Problem]]


@dataclass(frozen=True)
class Rule:
    """A rule for questions.

    Attributes:
        code: such as `Q11`.
        name: two or three words.
        severity: an error refuses the set, a warning does not.
        mode: `D` a program decides, `DP` a program flags and a person judges, `P` a person decides.
        says: what the rule asks for, in a sentence.
        bad: fields of a question, or tables of a set, in TOML, that break the rule; for mode `P`,
            words that do.
        good: the same that keep it.
        document: the text of a document that goes with the examples.
        check: finds the breaches in a set; none for a rule that a person alone decides.
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
        """Whether a person may judge a finding of this rule acceptable."""
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
    """Make a rule of a check that looks at a whole set."""

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
    """Make a rule of a check that looks at one question."""

    def made(check: Callable[[Reading], Iterator[Problem]]) -> Rule:
        def check_each(case: Case) -> Iterator[Problem]:
            for reading in case.readings:
                yield from check(reading)

        return Rule(code, name, severity, mode, says, bad, good, None, check_each)

    return made
