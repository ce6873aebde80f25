"""From a document to a set in the browser: drafted, examined as it is edited, and loaded."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from questions.documents import DocumentError
from questions.draft import draft
from questions.lint import Finding, lint
from questions.load import SetError, read_located
from questions.schema import QuestionSet as WrittenSet
from service import questions
from service.accounts import Actor
from service.errors import Invalid
from service.models import Role
from service.questions import Loaded

SLUG: Final = re.compile(r'^slug = "([a-z0-9]+(?:-[a-z0-9]+)*)"$', re.MULTILINE)
LONGEST: Final = 1_500_000


@dataclass(frozen=True, slots=True)
class Examined:
    """A set as it is being written: `refusal` says why it cannot be loaded at all."""

    written: WrittenSet | None
    findings: list[Finding]
    refusal: str | None

    @property
    def ready(self) -> bool:
        """Whether it can be loaded: readable, and without an error."""
        return self.written is not None and all(one.severity != "error" for one in self.findings)


async def propose(actor: Actor, content: bytes, name: str, slug: str) -> str:
    """A first set from a document, in TOML, with an implication for each thing it says may follow.

    Args:
        actor: a curator.
        content: the document.
        name: its file's name, whose ending says what it is.
        slug: the set's slug, or words to make it of.
    """
    actor.require(Role.curator, "draft a set")
    if not content.strip():
        raise Invalid("paste a text or choose a file", field="document")
    with _file(Path(name).name or "document.md", content) as path:
        try:
            return await asyncio.to_thread(draft, path, slug=slug or None)
        except DocumentError as error:
            raise Invalid(_without(path, str(error)), field="document") from error


async def examine(actor: Actor, toml: str) -> Examined:
    """What the lint says of a set as it is being written."""
    actor.require(Role.curator, "examine a set")
    if len(toml) > LONGEST:
        raise Invalid(f"a set must be at most {LONGEST:,} characters", field="toml")
    return await asyncio.to_thread(_examined, toml)


async def load(session: AsyncSession, actor: Actor, toml: str) -> Loaded:
    """Bring a written set into the database; Invalid while the lint finds an error in it."""
    examined = await examine(actor, toml)
    if examined.written is None:
        raise Invalid(examined.refusal or "the set cannot be read", field="toml")
    if not examined.ready:
        raise Invalid("the lint finds errors, which are listed below", field="toml")
    return await questions.load(session, examined.written, by=actor)


def _examined(toml: str) -> Examined:
    slug = SLUG.search(toml)
    name = f"{slug[1] if slug else 'set'}.toml"
    with _file(name, toml.encode()) as path:
        try:
            written, places = read_located(path)
        except SetError as error:
            return Examined(None, [], _without(path, str(error)))
        return Examined(written, lint(written, locations=places), None)


@contextmanager
def _file(name: str, content: bytes) -> Iterator[Path]:
    """A file of that name for as long as it is needed; drafts and sets are read from files."""
    with TemporaryDirectory(prefix="credence-") as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def _without(path: Path, said: str) -> str:
    """A sentence without the name of a file that the reader does not know."""
    return said.replace(f"{path}: ", "").replace(f"{path}:", "line ").replace(str(path), "it")
