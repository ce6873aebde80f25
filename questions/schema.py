"""The format of a question set as frozen structs, and its serialisation to TOML.

A set turns one document into implications, and each implication into questions that will resolve
Yes or No. The structs reject sets that are unsafe to load (a missing field, a naive date-time, a
window that ends before it starts); the lint checks how a question is written.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import cache, partial
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from questions.text import (
    LONGEST_LINE,
    LONGEST_PASSAGE,
    LONGEST_URL,
    TextError,
    clean_line,
    clean_passage,
)

SCHEMA_VERSION: Final = 1
UNWEIGHTED: Final = 1.0
MOMENTS: Final = ("window_starts_at", "deadline_at", "opens_at", "closes_at", "resolves_by")

# An escaped quote that could be mistaken neither for the end of a multi-line string nor, with its
# neighbours, for the start of that end.
LONE_QUOTE: Final = re.compile(r'\\(?:(")(?!\\"|\Z)|.)')

Slug = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$(?!\n)",
        max_length=100,
        description="lower-case letters and digits in groups joined by single hyphens, at most 100",
    ),
]
Line = Annotated[
    str,
    Meta(
        pattern=r"\S",
        max_length=LONGEST_LINE,
        description=f"one line of text that is not blank, at most {LONGEST_LINE} characters",
        extra={"clean": clean_line},
    ),
]
Passage = Annotated[
    str,
    Meta(
        pattern=r"\S",
        max_length=LONGEST_PASSAGE,
        description=f"a text that is not blank, at most {LONGEST_PASSAGE:,} characters",
        extra={"clean": clean_passage},
    ),
]
Note = Annotated[
    str,
    Meta(
        max_length=LONGEST_PASSAGE,
        description=f"a text, at most {LONGEST_PASSAGE:,} characters",
        extra={"clean": partial(clean_passage, optional=True)},
    ),
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/?#]+\S*$(?!\n)",
        max_length=LONGEST_URL,
        description=(
            "an address that starts with http:// or https:// and holds no spaces, "
            f"at most {LONGEST_URL:,} characters"
        ),
        extra={"clean": partial(clean_line, longest=LONGEST_URL)},
    ),
]
Sha256 = Annotated[
    str,
    Meta(pattern=r"^[0-9a-f]{64}$(?!\n)", description="64 lower-case hexadecimal digits"),
]
Language = Annotated[
    str,
    Meta(
        pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$(?!\n)",
        description='a language tag such as "en" or "pt-BR"',
    ),
]
Rule = Annotated[
    str, Meta(pattern=r"^Q[0-9]{2}$(?!\n)", description='the id of a lint rule such as "Q11"')
]
Moment = Annotated[
    datetime,
    Meta(tz=True, description="a date-time with its offset, such as 2027-07-01T00:00:00Z"),
]
Day = Annotated[date, Meta(description="a date such as 2026-10-07, without a time")]
Weight = Annotated[float, Meta(gt=0, le=1000, description="a number above 0, at most 1000")]

Polarity = Literal["supports", "contradicts", "neutral"]
Premise = Literal["holds", "overtaken", "transformed"]
Kind = Literal["binary"]
Role = Literal["primary", "fallback", "context"]
Visibility = Literal["always", "after_forecast", "reveal_at"]


class Record(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    cache_hash=True,
):
    """Base of every struct of a set: immutable, hashable, without unknown fields.

    Texts are validated and normalised by `questions.text`.
    """

    def __post_init__(self) -> None:
        """Reject texts that cannot be stored, and normalise the others."""
        for name, clean in _cleaners(type(self)).items():
            value = getattr(self, name)
            try:
                cleaned = (
                    clean(value) if isinstance(value, str) else tuple(clean(item) for item in value)
                )
            except TextError as error:
                raise ValueError(f"{name} {error}") from error
            if cleaned != value:
                msgspec.structs.force_setattr(self, name, cleaned)


class Source(Record, frozen=True, kw_only=True):
    """A source of a question's answer or background."""

    name: Line
    url: Url
    role: Role


class Question(Record, frozen=True, kw_only=True):
    """A question that will resolve Yes or No.

    Attributes:
        slug: unique within the set.
        implication: slug of the implication that the question watches.
        polarity: whether Yes supports or contradicts the implication.
        why: one sentence that explains the polarity.
        kind: the type of question; version 1 has only `binary`.
        title: the question itself, in one sentence with its deadline.
        background: Markdown, the state of affairs on `background_as_of`.
        criteria: Markdown, the conditions for Yes and for No.
        fine_print: Markdown, definitions, edge cases, the default, ambiguous and annulled.
        domain: the group within which questions are alike.
        window_starts_at: start of the window in which the event counts.
        deadline_at: end of that window, exclusive.
        opens_at: forecasting opens.
        closes_at: forecasting closes, at the latest at `deadline_at`.
        resolves_by: the latest time for a curator to resolve it.
        reveal_at: when forecasters begin to see others' forecasts and the aggregate; takes
            precedence over the set's `visibility`.
        weight: relative weight within the set, in (0, 1000].
        tail: declared tail, a prior outside 10% to 90%.
        draft: not yet published by a curator.
    """

    slug: Slug
    implication: Slug
    polarity: Polarity
    why: Passage
    kind: Kind
    title: Line
    background: Passage
    background_as_of: Day
    criteria: Passage
    fine_print: Passage
    domain: Slug
    tags: tuple[Slug, ...] = ()
    window_starts_at: Moment
    deadline_at: Moment
    opens_at: Moment
    closes_at: Moment
    resolves_by: Moment
    reveal_at: Moment | None = None
    sources: tuple[Source, ...] = ()
    weight: Weight = UNWEIGHTED
    tail: bool = False
    draft: bool = False

    def __post_init__(self) -> None:
        """Reject times that are naive or out of order."""
        super().__post_init__()
        for name in MOMENTS:
            if getattr(self, name).tzinfo is None:
                raise ValueError(f"{name} must have an offset from UTC")
        if self.reveal_at is not None and self.reveal_at.tzinfo is None:
            raise ValueError("reveal_at must have an offset from UTC")
        if self.window_starts_at >= self.deadline_at:
            raise ValueError("deadline_at must be after window_starts_at")
        if self.closes_at <= self.opens_at:
            raise ValueError("closes_at must be after opens_at")
        if self.closes_at > self.deadline_at:
            raise ValueError("closes_at must be at or before deadline_at")
        if self.resolves_by < self.closes_at:
            raise ValueError("resolves_by must be at or after closes_at")


class Implication(Record, frozen=True, kw_only=True):
    """A paraphrased consequence that the document expects or asserts."""

    slug: Slug
    section: Line
    paraphrase: Passage
    hedge: Line
    actors: tuple[Line, ...]
    premise: Premise = "holds"
    premise_note: Note = ""
    uncovered: Note = ""

    def __post_init__(self) -> None:
        """Reject a doubtful premise without an explanation."""
        super().__post_init__()
        if self.premise != "holds" and not self.premise_note.strip():
            raise ValueError(f'premise_note must say why the premise is "{self.premise}"')


class Document(Record, frozen=True, kw_only=True):
    """The document that the set was written from; `sha256` is of its bytes."""

    title: Line
    date: Day | None = None
    sha256: Sha256 | None = None
    origin: Passage
    language: Language | None = None


class Signature(Record, frozen=True, kw_only=True):
    """A person's confirmation that the set follows a rule that no program can check."""

    rule: Rule
    by: Line
    on: Day
    note: Note = ""


class Review(Record, frozen=True, kw_only=True):
    """The checklist for the rules that need a person."""

    signed: tuple[Signature, ...] = ()


class Waiver(Record, frozen=True, kw_only=True):
    """A finding that a person has reviewed and accepted, for one question or for the set."""

    rule: Rule
    reason: Passage
    question: Slug | None = None


class QuestionSet(Record, frozen=True, kw_only=True):
    """A document, its implications and the questions that test them.

    `visibility` determines when forecasters see others' forecasts and aggregates; `reveal_at` is
    the time for the visibility of that name.
    """

    version: Literal[1]
    slug: Slug
    title: Line
    description: Passage
    defaults: Passage
    visibility: Visibility = "always"
    reveal_at: Moment | None = None
    document: Document
    implications: tuple[Implication, ...] = ()
    review: Review | None = None
    waivers: tuple[Waiver, ...] = ()
    questions: tuple[Question, ...] = ()

    def __post_init__(self) -> None:
        """Reject a `reveal_at` that is naive, missing or unused."""
        super().__post_init__()
        if (self.visibility == "reveal_at") != (self.reveal_at is not None):
            raise ValueError('reveal_at must be given if visibility is "reveal_at", and only then')
        if self.reveal_at is not None and self.reveal_at.tzinfo is None:
            raise ValueError("reveal_at must have an offset from UTC")


class QuestionFile(Record, frozen=True, kw_only=True):
    """A file beside `set.toml` that contains only questions."""

    questions: tuple[Question, ...] = ()


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a set's files, for editors that complete and check TOML.

    Examples:
        >>> sorted(json_schema()["$defs"])[:3]
        ['Document', 'Implication', 'Question']
    """
    whole, components = msgspec.json.schema_components(
        [QuestionSet, QuestionFile], ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Question set, version {SCHEMA_VERSION}",
        "anyOf": list(whole),
        "$defs": components,
    }


@cache
def _cleaners(kind: type[Record]) -> dict[str, Callable[[str], str]]:
    """The validators of a struct's texts, also of those in lists."""
    found = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        for annotation in (hint, *get_args(hint)):
            for meta in getattr(annotation, "__metadata__", ()):
                if meta.extra and "clean" in meta.extra:
                    found[name] = meta.extra["clean"]
    return found


def question_hash(question: Question) -> str:
    """Return the SHA-256 of a question's content, as 64 hexadecimal digits.

    Equal instants in different time zones have the same hash, as do explicit and omitted defaults.
    """
    return sha256(msgspec.json.encode(_plainest(question), order="sorted")).hexdigest()


def dump_set(question_set: QuestionSet) -> str:
    """Write a set as one TOML file: `load.read_set` of it gives an equal struct."""
    fields = msgspec.to_builtins(question_set, builtin_types=(datetime, date))
    return "\n".join(_table(fields, ())) + "\n"


def _plainest(question: Question) -> Question:
    """Return the canonical form: UTC times, and defaults as the identical object to omit."""
    moments = {name: getattr(question, name).astimezone(UTC) for name in MOMENTS}
    if question.reveal_at is not None:
        moments["reveal_at"] = question.reveal_at.astimezone(UTC)
    weight = UNWEIGHTED if question.weight == UNWEIGHTED else question.weight
    return msgspec.structs.replace(question, weight=weight, **moments)


def _table(fields: dict[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Yield a table's lines: plain values first, since in TOML later keys belong to a sub-table."""
    tables = {name: value for name, value in fields.items() if _is_table(value)}
    for name, value in fields.items():
        if name not in tables:
            yield f"{name} = {_value(value)}"
    for name, value in tables.items():
        inner = (*path, name)
        header = ".".join(inner)
        many = isinstance(value, tuple)
        for table in value if many else [value]:
            yield f"\n[[{header}]]" if many else f"\n[{header}]"
            yield from _table(table, inner)


def _is_table(value: Any) -> bool:
    """Distinguish tables and arrays of tables from plain values."""
    return isinstance(value, dict) or (
        isinstance(value, tuple) and bool(value) and isinstance(value[0], dict)
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return repr(value)


def _text(text: str) -> str:
    if "\n" not in text:
        return f'"{_escaped(text)}"'
    body = "\n".join(_escaped(line) for line in text.split("\n"))
    return '"""\n' + LONE_QUOTE.sub(lambda pair: pair[1] or pair[0], body) + '"""'


def _escaped(text: str) -> str:
    """Escape as JSON does, which TOML shares but for the delete character."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f")
