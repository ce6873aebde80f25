"""Markdown in user texts, rendered to HTML in a separate process.

The template filter `markdown` leaves a placeholder, and `pages.rendering.Page` inserts the rendered
text before the page is sent, transparently for templates and handlers. The cost of a text is
bounded: one that takes too long to parse, or whose HTML is disproportionately long, is shown as
plain text. Rendered texts are cached.
"""

import asyncio
import hashlib
import re
import secrets
import signal
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from service.web.processes import ChildProcess

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

CPU_SECONDS: Final = 0.25
"""Processor time for one text; 20,000 characters of ordinary Markdown take about 0.04 s."""
LONGEST_HTML: Final = 10
"""Largest ratio of HTML to text length; a table of short cells reaches 6."""
LONGEST_HTML_OF_NOTHING: Final = 1_000
KEPT_CHARACTERS: Final = 20_000_000
HEADING_SHIFT: Final = 3

PROCESS: Final = ChildProcess()
"""Shared by every application in this process and ended with it."""

_marks: ContextVar[dict[str, str]] = ContextVar("marks")


def mark(text: str) -> Markup:
    """Leave a placeholder for a text; the filter `markdown`."""
    if not text.strip():
        return Markup()
    name = f"markdown-{secrets.token_hex(16)}"
    _marks.get()[name] = text
    return Markup(name)  # noqa: S704  # letters and digits


@contextmanager
def marking() -> Iterator[dict[str, str]]:
    """Collect the texts by placeholder within the block."""
    marks: dict[str, str] = {}
    token = _marks.set(marks)
    try:
        yield marks
    finally:
        _marks.reset(token)


class MarkdownRenderer:
    """Renders and caches texts; one instance per application."""

    def __init__(self, process: ChildProcess = PROCESS) -> None:
        self._process = process
        self._kept: OrderedDict[bytes, Markup] = OrderedDict()
        self._size = 0
        self._under_way: dict[bytes, asyncio.Task[Markup]] = {}

    async def fill(self, page: str, marks: dict[str, str]) -> str:
        """Replace the placeholders of a page by rendered texts.

        Renders one text at a time, so that concurrent pages take turns.
        """
        rendered = {name: await self.render(text) for name, text in marks.items()}
        return re.sub(r"markdown-[0-9a-f]{32}", lambda m: rendered.get(m[0], m[0]), page)

    async def render(self, text: str) -> Markup:
        """Render a text as HTML: raw HTML is escaped, and unsafe links are not rendered."""
        key = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._under_way:
            self._under_way[key] = asyncio.create_task(self._render(key, text))
        return await asyncio.shield(self._under_way[key])

    async def _render(self, key: bytes, text: str) -> Markup:
        try:
            html = await self._process.run(to_html, text)
        except (Exception, _Overtime):  # noqa: BLE001  # whatever it is, the text is shown plain
            html = None
        finally:
            del self._under_way[key]
        shown = plain(text) if html is None else Markup(html)  # noqa: S704  # raw HTML is off
        self._kept[key] = shown
        self._size += len(shown)
        while self._size > KEPT_CHARACTERS:
            self._size -= len(self._kept.popitem(last=False)[1])
        return shown


def plain(text: str) -> Markup:
    """Return the plain text as a paragraph that preserves line breaks."""
    return Markup('<p class="as-written">{}</p>\n').format(escape(text))


class _Overtime(BaseException):
    """Not an Exception, so that no parser catches it."""


def to_html(text: str) -> str | None:
    """Convert Markdown to HTML, or None if too costly; runs in the separate process.

    Headings are lowered below those of the surrounding page.
    """
    _parser()  # importing does not count as time of the text
    signal.signal(signal.SIGVTALRM, _stop)
    try:
        try:  # the timer may fire at any point until it is cancelled
            # Repeatedly, because exceptions raised in a finalizer are lost.
            signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS, CPU_SECONDS)
            html = _to_html(text)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except (_Overtime, RecursionError):
        return None
    return html if len(html) <= LONGEST_HTML * len(text) + LONGEST_HTML_OF_NOTHING else None


def _stop(*_: object) -> None:
    raise _Overtime


def _to_html(text: str) -> str:
    parser = _parser()
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + HEADING_SHIFT, 6)}"
    return str(parser.renderer.render(tokens, parser.options, {}))


def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415  # only the process of its own loads it

    return MarkdownIt("commonmark", {"html": False}).enable("table")
