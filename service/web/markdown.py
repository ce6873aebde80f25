"""Markdown in texts of users, rendered to HTML in a process of its own.

The filter `markdown` of the templates leaves a mark in the page, and `pages.rendering.Page` puts
the rendered text in its place before the page is sent, so that neither a template nor a handler has
to know. What a text may cost is bounded: one that takes too long to parse, or whose HTML is out of
proportion, is shown as it was written. Rendered texts are kept.
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
"""How many times longer than its text HTML may be; a table of short cells is 6 times longer."""
LONGEST_HTML_OF_NOTHING: Final = 1_000
KEPT_CHARACTERS: Final = 20_000_000
HEADING_SHIFT: Final = 3

PROCESS: Final = ChildProcess()
"""Shared by every application of this process, and ended with it."""

_marks: ContextVar[dict[str, str]] = ContextVar("marks")


def mark(text: str) -> Markup:
    """Leave a mark for a text; the filter `markdown`."""
    if not text.strip():
        return Markup()
    name = f"markdown-{secrets.token_hex(16)}"
    _marks.get()[name] = text
    return Markup(name)  # noqa: S704  # letters and digits


@contextmanager
def marking() -> Iterator[dict[str, str]]:
    """The texts by the marks that are left for them within the block."""
    marks: dict[str, str] = {}
    token = _marks.set(marks)
    try:
        yield marks
    finally:
        _marks.reset(token)


class MarkdownRenderer:
    """Renders texts and keeps what came of them; one for an application."""

    def __init__(self, process: ChildProcess = PROCESS) -> None:
        self._process = process
        self._kept: OrderedDict[bytes, Markup] = OrderedDict()
        self._size = 0
        self._under_way: dict[bytes, asyncio.Task[Markup]] = {}

    async def fill(self, page: str, marks: dict[str, str]) -> str:
        """A page with the rendered texts in place of their marks.

        One text after the other, so that pages that are filled at the same time take turns.
        """
        rendered = {name: await self.render(text) for name, text in marks.items()}
        return re.sub(r"markdown-[0-9a-f]{32}", lambda m: rendered.get(m[0], m[0]), page)

    async def render(self, text: str) -> Markup:
        """A text as HTML: raw HTML in it is shown as text, and links go to the web alone."""
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
    """A text as it was written, in one paragraph that keeps its lines."""
    return Markup('<p class="as-written">{}</p>\n').format(escape(text))


class _Overtime(BaseException):
    """Not an Exception, so that no parser takes it for one of its own."""


def to_html(text: str) -> str | None:
    """Markdown as HTML, or None where that costs too much; for the process of its own.

    Its headings become smaller than those of the page around it.
    """
    _parser()  # importing it is not the text's work
    signal.signal(signal.SIGVTALRM, _stop)
    try:
        try:  # the clock may run out at any point between here and its end
            # Again and again: what is raised while an object is being deleted is lost.
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
