"""What a visitor reads, in a real browser: every page at every width, with and without scripts."""

import re

import pytest
from playwright.sync_api import Page, Request, expect

QUESTION = "/questions/2"
READ = {
    "home": "/",
    "document": "/sets/russia-iran",
    "questions": "/questions?state=open",
    "question": QUESTION,
    "resolved": "/questions/15",
    "leaderboard": "/leaderboard?pools=true",
    "calibration": "/calibration",
    "forecaster": "/forecasters/1",
    "model": "/model",
    "sign-in": "/sign-in",
    "join": "/join",
    "implication": "/sets/russia-iran/implications/neither-bound",
    "missing": "/questions/99999",
}
HEAVIEST = 100_000  # bytes of a first visit before any chart


@pytest.mark.parametrize("name", READ)
def test_a_visitor_can_read_every_page(visit, check, width: int, name: str) -> None:
    page = visit(READ[name], width=width)
    expect(page.locator("h1")).to_have_count(1)
    check(page, name)


@pytest.mark.parametrize("name", READ)
def test_every_page_is_as_accessible_without_scripts(visit, check, name: str) -> None:
    check(visit(READ[name], width=390, script=False), name)


@pytest.mark.parametrize("name", READ)
def test_every_page_is_as_accessible_in_the_dark(visit, check, name: str) -> None:
    check(visit(READ[name], color_scheme="dark"), f"{name}-dark")


def test_a_visitor_needs_no_mouse(visit, tab_to) -> None:
    page: Page = visit("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    tab_to(page, ".set h3 a")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The document at a glance")).to_be_visible()
    tab_to(page, ".watched a")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Resolution criteria")).to_be_visible()
    tab_to(page, "summary")
    page.keyboard.press("Enter")
    expect(page.locator("details[open]")).to_have_count(1)


@pytest.mark.parametrize("name", ["home", "document", "question"])
def test_a_first_visit_takes_less_than_100_kb_before_charts(visit, name: str) -> None:
    page: Page = visit("/join")  # what is kept between pages must count too
    taken: list[int] = []
    page.context.on("requestfinished", lambda asked: taken.append(_weight(asked)))
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    page.goto(READ[name])
    page.wait_for_load_state("networkidle")
    assert 0 < sum(taken) < HEAVIEST


def test_nothing_jumps_while_charts_come(visit) -> None:
    page: Page = visit(QUESTION)
    page.wait_for_selector(".live svg")
    shift = page.evaluate(
        """new Promise((done) => {
            let total = 0;
            new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) total += entry.value;
            }).observe({ type: "layout-shift", buffered: true });
            requestAnimationFrame(() => requestAnimationFrame(() => done(total)));
        })"""
    )
    assert shift < 0.02


def test_charts_are_pictures_without_scripts_and_live_with_them(visit) -> None:
    still: Page = visit(QUESTION, script=False)
    picture = still.locator("#history ~ figure img")
    assert picture.evaluate("async (img) => { await img.decode(); return img.naturalWidth }") == 720
    assert "The community forecast started at" in (picture.get_attribute("alt") or "")
    live: Page = visit(QUESTION)
    expect(live.locator("#history ~ figure .live svg")).to_be_visible()
    live.get_by_label("geometric mean odds").check()
    expect(live.locator("#history ~ figure .live svg text", has_text="geometric")).to_be_visible()


def test_pools_are_compared_without_scripts_too(visit) -> None:
    page: Page = visit(QUESTION, script=False)
    page.get_by_label("recency weighted median").check()
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#history ~ figure img")).to_have_attribute(
        "src", re.compile("pool=recency_weighted_median")
    )


def test_times_are_told_in_the_zone_of_the_reader_and_in_utc(visit) -> None:
    page: Page = visit(QUESTION)
    closes = page.locator("dt", has_text="closes").locator("xpath=following-sibling::dd")
    expect(closes).to_contain_text("UTC")
    expect(closes).to_contain_text("9:00")  # Tokyo's morning of a midnight in UTC
    expect(closes).to_contain_text("where you are")


def _weight(asked: Request) -> int:
    """The bytes that an answer took, headers too; nothing for a chart or what draws it."""
    if "/charts/" in asked.url or re.search(r"\.(svg|json)(\?|$)", asked.url):
        return 0
    sizes = asked.sizes()
    return sizes["responseHeadersSize"] + sizes["responseBodySize"]
