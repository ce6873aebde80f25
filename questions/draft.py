"""A first draft of a set from a document: its claims, each with a blank question."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Final, Literal

from questions import prose
from questions.claims import Claim, Markup, find_claims
from questions.schema import (
    Document,
    Implication,
    Question,
    QuestionSet,
    Source,
    dump_set,
)

MARKUPS: Final[dict[str, Markup]] = {
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".markdown": "text",
    ".html": "html",
    ".htm": "html",
}
SLUG_WORDS: Final = 4
MAX_BYTES: Final = 1_000_000


class DraftError(ValueError):
    """A document that cannot be drafted from: one sentence that says why and what is allowed."""


def draft(path: Path, *, today: date | None = None) -> str:
    """Return a set in TOML, with an implication and a blank question for every claim found.

    What a person has to write is marked TODO, which the lint reports. Above each implication a
    comment says where in the document its claim stands, in characters from the start.

    Args:
        path: a document in Markdown, plain text or HTML, in UTF-8 and in English.
        today: the day from which the dates of the blank questions are counted; the present day in
            UTC unless given.

    Raises:
        DraftError: the document cannot be read, or nothing in it looks forward.
    """
    document, text = _read(path)
    claims = find_claims(text, MARKUPS[path.suffix.lower()])
    if not claims:
        raise DraftError(
            f"{path}: no sentence looks forward; allowed: an English text that says what may "
            "happen, is expected, or is at risk."
        )
    slugs = _slugs(claims)
    day = today or datetime.now(UTC).date()
    question_set = QuestionSet(
        version=1,
        slug=_slug(path.stem),
        title="TODO: a title",
        description="TODO: what the document is, and what this set makes of it.",
        defaults="TODO: what holds for every question; times are in UTC.",
        document=Document(
            title=path.stem,
            sha256=sha256(document).hexdigest(),
            origin="TODO: where the document came from.",
            language="en",
        ),
        implications=tuple(map(_implication, slugs, claims)),
        questions=tuple(_question(slug, day) for slug in slugs),
    )
    return _annotated(dump_set(question_set), claims, text)


def _read(path: Path) -> tuple[bytes, str]:
    if path.suffix.lower() not in MARKUPS:
        allowed = ", ".join(MARKUPS)
        raise DraftError(f"{path}: cannot be read as a document; allowed: {allowed}.")
    try:
        document = path.read_bytes()
        if len(document) > MAX_BYTES:
            raise DraftError(
                f"{path}: is too large, {len(document)} bytes; allowed: {MAX_BYTES} bytes."
            )
        return document, document.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DraftError(
            f"{path}: is not UTF-8 at byte {error.start}; allowed: UTF-8 text."
        ) from error
    except OSError as error:
        raise DraftError(f"{path}: cannot be read ({error.strerror}).") from error


def _slug(text: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", prose.tidy(text).lower()))[:80].strip("-") or "set"


def _slugs(claims: list[Claim]) -> list[str]:
    """Name each claim by its first telling words, with a number where that is taken."""
    taken: list[str] = []
    for claim in claims:
        base = _slug(" ".join(claim.words[:SLUG_WORDS]))
        numbered = (base if number == 1 else f"{base}-{number}" for number in count(1))
        taken.append(next(slug for slug in numbered if slug not in taken))
    return taken


def _implication(slug: str, claim: Claim) -> Implication:
    return Implication(
        slug=slug,
        section=claim.section,
        paraphrase="TODO: the claim in one sentence, in other words than the document's.",
        hedge=claim.hedge,
        actors=claim.actors,
    )


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


def _annotated(toml: str, claims: list[Claim], text: str) -> str:
    """Put a comment with its claim's places, and its words, above each implication."""
    comments = map(_comment, claims, [text] * len(claims))
    return "".join(
        next(comments) + line if line.startswith("[[implications]]") else line
        for line in toml.splitlines(keepends=True)
    )


def _comment(claim: Claim, text: str) -> str:
    return "".join(_comment_lines(claim, text))


def _comment_lines(claim: Claim, text: str) -> Iterator[str]:
    for position, place in enumerate(claim.places):
        label = "repeated at" if position else "claim at"
        yield f"# {label} {place.start}-{place.end}: {_shown(text[slice(*place)])}\n"
    if claim.lead:
        yield f"# under {claim.lead.start}-{claim.lead.end}: {_shown(text[slice(*claim.lead)])}\n"


def _shown(words: str) -> str:
    """Return words on one line, without the control characters that TOML refuses in comments."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())
