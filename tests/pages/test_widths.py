"""No text, however long without a break, makes a page wider than the screen."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from service.app import create_app
from service.settings import Settings

WIDTHS = (1280, 390, 360)
TRIED = 4
"""How many of the things that a page can be of are tried here, but for questions: all of those."""
FILES = (".svg", ".png", ".json", ".atom", ".toml", "/file", "/preview", ".js")
LAID_BARE = """document.querySelectorAll("details").forEach((one) => (one.open = true));
    document.querySelector("main").style.overflowX = "visible";"""
"""Everything that folds is open, and what would be cut off at the edge is not."""
TOO_WIDE = """[...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
    .filter((one) => !one.closest("pre, table, .scroll, .offscreen, .skip, svg, textarea"))
    .slice(0, 5).map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("who", ["administrator", "forecaster"])
def test_no_content_widens_a_page(browser, everything, readable, address_of, who: str) -> None:
    address, filled = everything
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
    page: Page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Name").fill(who)
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    seen = 0
    wide = []
    for path in _paths(readable, address_of, filled):
        answer = page.goto(path, wait_until="domcontentloaded")
        seen += answer is not None and answer.status == 200
        page.evaluate(LAID_BARE)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            found = page.evaluate("document.documentElement.scrollWidth")
            if found != width:
                wide.append((path, width, found, page.evaluate(TOO_WIDE)))
    context.close()
    assert wide == []
    assert seen > 40


def _paths(readable: Any, address_of: Any, filled: dict[str, list[Any]]) -> Iterator[str]:
    app = create_app(Settings(database_url="sqlite:///unused.db"))
    for path, names in readable(app):
        if not path.endswith(FILES):
            most = None if path == "/questions/{question_id:int}" else TRIED
            for values in filled[names][:most] if names else [()]:
                yield address_of(path, values)
    yield "/nowhere/" + "a" * 300
    yield "/questions?q=" + "a" * 200


def test_what_no_browser_can_break_is_cut_off_at_the_edge(browser, everything) -> None:
    address, _ = everything
    page: Page = browser.new_page(base_url=address, viewport={"width": 390, "height": 900})
    page.goto("/questions")
    page.evaluate("""document.querySelector("h1").textContent = "\\u{1F46A}\\u200d".repeat(300)""")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.close()
