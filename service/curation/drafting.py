"""Drafting a set from a document in the browser: propose, validate while editing, load.

Documents and sets are parsed in separate processes (`questions.confined`).
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from questions import confined, review
from questions.documents import READERS, DocumentError
from questions.draft import draft
from questions.review import ValidationResult
from questions.schema import QuestionSet
from questions.text import without_refused
from service.exceptions import Conflict, Invalid
from service.models import Role
from service.permissions import Actor

SLUG: Final = re.compile(r'^slug = "([a-z0-9]+(?:-[a-z0-9]+)*)"$', re.MULTILINE)
LONGEST: Final = 1_500_000
LONGEST_TITLE: Final = 200
AT_ONCE: Final = 2
MOST_WAITING: Final = 4

Result = TypeVar("Result")


class DraftingQueue:
    """Runs work for accounts: one job per account at a time, and a few in total."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(AT_ONCE)
        self._own: dict[int, asyncio.Lock] = {}
        self._waiting: Counter[int] = Counter()

    async def run(self, actor: Actor, work: Callable[[], Result]) -> Result:
        """Run work in a thread; Conflict if the account already has too many waiting jobs."""
        if self._waiting[actor.id] >= MOST_WAITING:
            raise Conflict("several of your documents are still being read; wait for them")
        self._waiting[actor.id] += 1
        try:
            async with self._own.setdefault(actor.id, asyncio.Lock()), self._all:
                return await asyncio.to_thread(work)
        finally:
            self._waiting[actor.id] -= 1
            if not self._waiting[actor.id]:
                del self._waiting[actor.id], self._own[actor.id]


async def propose(turns: DraftingQueue, actor: Actor, content: bytes, name: str, slug: str) -> str:
    """Draft a set in TOML from a document, with one implication per consequence it states.

    Args:
        turns: the queue of this process.
        actor: a curator.
        content: the document.
        name: the file name; its extension gives the format, and the rest the document's title.
        slug: the set's slug, or words to derive it from.
    """
    actor.require(Role.curator, "draft a set")
    if not content.strip():
        raise Invalid("paste a text or choose a file", field="document")
    title, ending = _title_and_ending(name)
    with _file(f"document{ending}", content) as path:
        try:
            toml = await turns.run(actor, partial(draft, path, slug=slug or None, title=title))
        except DocumentError as error:
            raise Invalid(_without(path, str(error)), field="document") from error
    if len(toml) > LONGEST:
        raise Invalid(
            f"the draft would have {len(toml):,} characters; at most {LONGEST:,} can be edited "
            "here, so draft from parts of the document",
            field="document",
        )
    return toml


def _title_and_ending(name: str) -> tuple[str, str]:
    """The title and extension from a file name; the name itself is never used as a path."""
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, ending = last.rpartition(".")
    if f".{ending.lower()}" not in READERS or not dot:
        raise Invalid(
            f"the file cannot be read as a document; allowed: {', '.join(READERS)}",
            field="document",
        )
    title = " ".join(without_refused(stem).split())[:LONGEST_TITLE].strip(" .")
    return title or "document", f".{ending.lower()}"


async def validate(turns: DraftingQueue, actor: Actor, toml: str) -> ValidationResult:
    """Lint a set while it is being edited."""
    actor.require(Role.curator, "check a set")
    if len(toml) > LONGEST:
        raise Invalid(f"a set must be at most {LONGEST:,} characters", field="toml")
    slug = SLUG.search(toml)
    name = slug[1][:LONGEST_TITLE] if slug else "set"
    with _file(f"{name}.toml", toml.encode(errors="replace")) as path:
        try:
            found = await turns.run(actor, partial(confined.call, review.validate, path))
        except confined.LimitExceeded as excess:
            return ValidationResult(None, [], f"the set {excess}")
        refusal = found.refusal and _without(path, found.refusal)
    return ValidationResult(found.written, found.findings, refusal)


async def require_ready(turns: DraftingQueue, actor: Actor, toml: str) -> QuestionSet:
    """Parse a set that can be loaded; Invalid while the lint reports errors."""
    result = await validate(turns, actor, toml)
    if result.written is None:
        raise Invalid(result.refusal or "the set cannot be read", field="toml")
    if not result.ready:
        raise Invalid("the lint finds errors, which are listed below", field="toml")
    return result.written


@contextmanager
def _file(name: str, content: bytes) -> Iterator[Path]:
    """A temporary file of that name, since drafts and sets are parsed from files."""
    with TemporaryDirectory(prefix="credence-") as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def _without(path: Path, said: str) -> str:
    """A message without the name of the temporary file, which means nothing to the reader."""
    return said.replace(f"{path}: ", "").replace(f"{path}:", "line ").replace(str(path), "it")
