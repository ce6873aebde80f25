"""Texts of users on pages: what rendering one may cost, and that nobody else pays for it."""

import asyncio
import gc
import os
import re
import signal
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest

from service.web import markdown
from service.web.markdown import LONGEST_HTML, LONGEST_HTML_OF_NOTHING, MarkdownRenderer
from service.web.processes import ChildProcess

LONGEST = 20_000
TABLE = ("|a" * 100 + "\n" + "|-" * 100 + "\n" + "|\n" * 9_000)[:LONGEST]
HOSTILE = {
    "wide and long table": TABLE,
    "long table": ("|a|b\n|-|-\n" + "|\n" * LONGEST)[:LONGEST],
    "wide tables": (("|a" * 1_000 + "\n" + "|-" * 1_000 + "\n") * 5)[:LONGEST],
    "pictures": "![" * 10_000,
    "brackets": "[" * LONGEST,
    "bold": "**x" * 6_666,
    "quotes": ">" * LONGEST,
    "quoted lists": "> - " * 5_000,
    "nested lists": "".join(" " * depth + "- a\n" for depth in range(198)),
    "emphasis": "*a_" * 6_666,
    "mixed emphasis": "*_" * 10_000,
    "backticks": "".join("`" * length + "a" for length in range(1, 199)),
    "definitions": "".join(f"[{number}]: /x\n" for number in range(1_800)),
    "references": "[a]: /x\n" + "[a]" * 6_600,
    "open definitions": "[a\n" * 6_666,
    "angles": "<" * LONGEST,
    "open tags": "<a " * 6_666,
    "open comments": "<!--" * 5_000,
    "entities": "&" * LONGEST,
    "links": "[a](b)" * 3_333,
    "open links": "[a](" * 5_000,
    "open titles": '[a](b "' * 2_857,
    "headings": "#\n" * 10_000,
    "lists": "- a\n" * 5_000,
    "lines": "a\n\n" * 6_666,
    "percent-encoded link": "<http://" + "\N{DUCK}" * 19_000 + ">",
    "quotation marks": '"' * LONGEST,
    "control characters": "\x00\x1b\x7f\u202e" * 5_000,
    "half characters": "\ud800" * LONGEST,
}


def render(*texts: str, renderer: MarkdownRenderer | None = None) -> list[str]:
    async def work() -> list[str]:
        one = renderer or MarkdownRenderer()
        return [str(await one.render(text)) for text in texts]

    return asyncio.run(work())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_html_is_in_proportion_to_its_text(text: str) -> None:
    (html,) = render(text)
    assert len(html) <= LONGEST_HTML * len(text) + LONGEST_HTML_OF_NOTHING


def test_a_text_that_costs_too_much_is_shown_as_it_was_written() -> None:
    text = f"<b>\n\n{TABLE}"
    assert render(text) == [f'<p class="as-written">{text.replace("<b>", "&lt;b&gt;")}</p>\n']


def test_the_processor_time_of_a_text_is_bounded(monkeypatch) -> None:
    """In this process, without the child around it, and without the hooks of test tools into it."""
    monkeypatch.setattr(markdown, "CPU_SECONDS", 0.005)
    gc.disable()
    try:
        assert markdown.to_html("*a* " * 5_000) is None
    finally:
        gc.enable()
    monkeypatch.undo()
    assert markdown.to_html("*a*") == "<p><em>a</em></p>\n"


def test_ordinary_texts_are_rendered_with_their_tables_and_links() -> None:
    rows = "".join(f"| 2027-{month:02} | {month / 13:.2f} | [source](https://a.org/{month}) |\n"
                   for month in range(1, 13))  # fmt: skip
    paper = f"# Rates\n\n**Rising**, says `A`:\n\n| month | share | link |\n|-|-:|-|\n{rows}\n" * 15
    (html,) = render(paper)
    assert html.count("<table>") == 15
    assert html.count('<a href="https://a.org/12">source</a>') == 15
    assert "<h4>Rates</h4>" in html
    assert render("<script>alert(1)</script> [x](javascript:alert(1))") == [
        "<p>&lt;script&gt;alert(1)&lt;/script&gt; [x](javascript:alert(1))</p>\n"
    ]


def test_a_text_is_rendered_once(monkeypatch) -> None:
    """Also when many ask for it at the same time."""
    process = Counting()
    renderer = MarkdownRenderer(process)

    async def work() -> list[Any]:
        return await asyncio.gather(*(renderer.render("*a*") for _ in range(20)))

    assert set(map(str, asyncio.run(work()))) == {"<p><em>a</em></p>\n"}
    assert render("*a*", "*b*", "*a*", renderer=renderer)[1] == "<p><em>b</em></p>\n"
    assert process.runs == 2
    monkeypatch.setattr(markdown, "KEPT_CHARACTERS", 40)
    render("*c*", "*d*", "*c*", renderer=renderer)
    assert process.runs == 4, "two of these texts are within what is kept"
    render("*a*", renderer=renderer)
    assert process.runs == 5, "what was not asked for lately is not kept beyond that"
    process.close()


class Counting(ChildProcess):
    """A process of its own that counts what it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def run(self, *given: Any, **named: Any) -> Coroutine[Any, Any, Any]:
        self.runs += 1
        return super().run(*given, **named)


def test_a_process_that_dies_costs_one_text_and_is_started_again() -> None:
    process = ChildProcess()
    renderer = MarkdownRenderer(process)

    async def work() -> list[str]:
        first = str(await renderer.render("*a*"))
        os.kill(await process.run(os.getpid), signal.SIGKILL)
        second, third = str(await renderer.render("*b*")), str(await renderer.render("*c*"))
        return [first, second, third]

    first, second, third = asyncio.run(work())
    assert first == "<p><em>a</em></p>\n"
    assert second == '<p class="as-written">*b*</p>\n'
    assert third == "<p><em>c</em></p>\n"
    process.close()


@pytest.mark.slow
def test_a_page_full_of_hostile_comments_is_bounded_and_keeps_nobody_waiting(
    serving, account, question
) -> None:
    ann = account("ann")
    rain = question()
    for number in range(30):
        text = f"{number}\n\n{TABLE}"[:LONGEST]
        said = ann.post(f"/questions/{rain}/comments", {"text": text})
        assert said.status_code == 201, said.text
    ann.post(f"/questions/{rain}/comments", {"text": "It *rains*."})

    async def work(url: str) -> tuple[str, list[str]]:
        order: list[str] = []
        async with httpx.AsyncClient(base_url=url, timeout=300) as client:

            async def read(path: str) -> str:
                answer = await client.get(path)
                order.append(path)
                assert answer.status_code == 200, answer.text
                return answer.text

            page = asyncio.create_task(read(f"/questions/{rain}"))
            for _ in range(3):
                await read("/healthz")
            return await page, order

    with serving(CREDENCE_READERS="everyone") as served:
        page, order = asyncio.run(work(served.url))
    assert order[:3] == ["/healthz"] * 3
    assert "<p>It <em>rains</em>.</p>" in page
    assert page.count('<p class="as-written">') == 30
    assert not re.search("markdown-[0-9a-f]{32}", page)
    assert len(page) < 2_000_000
