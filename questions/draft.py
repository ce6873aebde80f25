"""Drafting a set from a document: an implication and a blank question for each claim."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Final, Literal

from questions import confined, prose
from questions.claims import Claim, Place, find_claims
from questions.documents import DocumentError, Manuscript, read_document
from questions.locations import scan
from questions.proposals import LanguageModel, propose
from questions.schema import (
    Document,
    Implication,
    Question,
    QuestionSet,
    Source,
    dump_set,
)
from questions.text import LONGEST_LINE, without_refused

# Raised by `draft`; exported here for callers.
DraftError = DocumentError

SLUG_WORDS: Final = 4


def draft(
    path: Path,
    *,
    slug: str | None = None,
    title: str | None = None,
    today: date | None = None,
    model: LanguageModel | None = None,
    tell: Callable[[str], None] = lambda _sentence: None,
) -> str:
    """Return a set in TOML, with an implication and a question for every claim.

    Parts for a person to write are marked TODO, which the lint reports. A comment above each
    implication gives the place of its claim: in characters of `Manuscript.text`, and for PDF the
    page. Without a model all questions are blank; with one, it proposes their text. Every question
    is a draft that needs a person's review. The document is read in a separate process, within the
    limits of `confined`.

    Args:
        path: a document in English, in a format that `documents.read_document` reads.
        slug: the set's slug, or words to derive it from; by default those of the title.
        title: the document's title; by default the file name.
        today: the reference day for the dates of the blank questions; by default today in UTC.
        model: the language model that proposes questions, claim by claim; none by default.
        tell: called with a sentence on the result after a model was asked.

    Raises:
        DocumentError: the document cannot be read, exceeds the limits, or has no forward-looking
            claims.
    """
    name = title or path.stem.encode(errors="replace").decode()
    day = today or datetime.now(UTC).date()
    try:
        if model is None:
            return confined.call(_blank_draft, path, slug, name, day)
        manuscript, claims = confined.call(_read, path)
    except confined.LimitExceeded as excess:
        raise DocumentError(f"{path}: {excess}.") from None
    blank = _blank_set(manuscript, claims, slug, name, day)
    return _annotated(dump_set(propose(blank, claims, manuscript, model, tell)), claims, manuscript)


def _read(path: Path) -> tuple[Manuscript, list[Claim]]:
    manuscript = read_document(path)
    claims = find_claims(manuscript.text, manuscript.markup)
    if not claims:
        raise DocumentError(
            f"{path}: no sentence looks forward; allowed: an English text that says what may "
            "happen, is expected, or is at risk."
        )
    return manuscript, claims


def _blank_draft(path: Path, slug: str | None, name: str, day: date) -> str:
    manuscript, claims = _read(path)
    blank = _blank_set(manuscript, claims, slug, name, day)
    return _annotated(dump_set(blank), claims, manuscript)


def _blank_set(
    manuscript: Manuscript, claims: list[Claim], slug: str | None, name: str, day: date
) -> QuestionSet:
    slugs = _slugs(claims)
    return QuestionSet(
        version=1,
        slug=_slug(slug or name),
        title="TODO: a title",
        description="TODO: what the document is, and what this set makes of it.",
        defaults="TODO: what holds for every question; times are in UTC.",
        document=Document(
            title=_quoted(name),
            sha256=manuscript.sha256,
            origin="TODO: where the document came from.",
            language="en",
        ),
        implications=tuple(map(_implication, slugs, claims)),
        questions=tuple(_question(each, day) for each in slugs),
    )


def _slug(text: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", prose.tidy(text).lower()))[:80].strip("-") or "set"


def _slugs(claims: list[Claim]) -> list[str]:
    """Name each claim by its first distinctive words, with a number if the name is taken."""
    taken: list[str] = []
    for claim in claims:
        base = _slug(" ".join(claim.words[:SLUG_WORDS]))
        numbered = (base if number == 1 else f"{base}-{number}" for number in count(1))
        taken.append(next(slug for slug in numbered if slug not in taken))
    return taken


def _implication(slug: str, claim: Claim) -> Implication:
    return Implication(
        slug=slug,
        section=_quoted(claim.section),
        paraphrase="TODO: the claim in one sentence, in other words than the document's.",
        hedge=_quoted(claim.hedge),
        actors=tuple(map(_quoted, claim.actors)),
    )


def _quoted(words: str) -> str:
    """Words of the document without the hidden characters that PDFs and web pages contain."""
    return " ".join(without_refused(words).split())[:LONGEST_LINE] or "TODO"


def _question(slug: str, today: date) -> Question:
    """Return a blank question over the next whole year, which opens at the next month's start."""
    opens = datetime(today.year + today.month // 12, today.month % 12 + 1, 1, tzinfo=UTC)
    starts = datetime(opens.year + (opens.month > 1), 1, 1, tzinfo=UTC)
    deadline = starts.replace(year=starts.year + 1)
    begins, ends = prose.written(starts.date()), prose.written(deadline.date())
    return Question(
        slug=slug,
        implication=slug,
        polarity="supports",
        why="TODO: why a YES supports the implication, or contradicts it.",
        kind="binary",
        title=f"Will TODO before {ends}?",
        background=f"As of {prose.MONTHS[today.month - 1]} {today.year}, TODO.",
        background_as_of=today,
        criteria=(
            f"Resolves **Yes** if TODO between {begins}, 00:00 UTC, and {ends}, 00:00 UTC, "
            "according to TODO. If that cannot be read, TODO. Otherwise **No**."
        ),
        fine_print=(
            "*TODO* means TODO.\n\n- TODO: partial.\n- TODO: denied.\n- TODO: renamed.\n\n"
            "TODO: whether the source or the fact decides.\n\n"
            "Ambiguous: TODO. Annulled: TODO."
        ),
        domain="todo",
        window_starts_at=starts,
        deadline_at=deadline,
        opens_at=opens,
        closes_at=deadline,
        resolves_by=deadline.replace(month=2),
        sources=tuple(_source(role) for role in ("primary", "fallback")),
        draft=True,
    )


def _source(role: Literal["primary", "fallback"]) -> Source:
    return Source(name="TODO", url="https://todo.invalid/", role=role)


def _annotated(toml: str, claims: list[Claim], manuscript: Manuscript) -> str:
    """Add a comment with the places and words of its claim above each implication."""
    numbers = scan(toml)
    lines = toml.split("\n")
    for index, claim in reversed(list(enumerate(claims))):
        number = numbers["implications", index]
        lines[number - 1 : number - 1] = _comment(claim, manuscript)
    return "\n".join(lines)


def _comment(claim: Claim, manuscript: Manuscript) -> Iterator[str]:
    for number, place in enumerate(claim.places):
        yield _line("repeated at" if number else "claim at", place, manuscript)
    if claim.lead:
        yield _line("under", claim.lead, manuscript)


def _line(label: str, place: Place, manuscript: Manuscript) -> str:
    page = manuscript.page(place.start)
    where = f"{place.start}-{place.end}" + (f" (page {page})" if page else "")
    return f"# {label} {where}: {_shown(manuscript.text[slice(*place)])}"


def _shown(words: str) -> str:
    """Return words on one line, without the control characters that TOML refuses in comments."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())
