"""What a visitor, a forecaster and a curator do, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

QUESTION = "/questions/2"
READ = {
    "home": "/",
    "document": "/sets/russia-iran",
    "questions": "/questions?state=open",
    "question": QUESTION,
    "resolved": "/questions/4",
    "leaderboard": "/leaderboard?pools=true",
    "calibration": "/calibration",
    "forecaster": "/forecasters/1",
    "model": "/model",
    "sign-in": "/sign-in",
    "join": "/join",
    "missing": "/questions/99999",
}


@pytest.mark.parametrize("name", READ)
def test_a_visitor_can_read_every_page(visit, check, width: int, name: str) -> None:
    page = visit(READ[name], width=width)
    expect(page.locator("h1")).to_have_count(1)
    check(page, name)


@pytest.mark.parametrize("name", ["home", "document", "question", "calibration"])
def test_pages_are_as_accessible_in_the_dark(visit, check, name: str) -> None:
    check(visit(READ[name], color_scheme="dark"), f"{name}-dark")


def test_a_page_is_light_and_does_not_shift(visit) -> None:
    page: Page = visit("/", script=False)
    assert len(page.content().encode()) < 60_000
    page = visit(QUESTION)
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
    assert "The crowd began at" in (picture.get_attribute("alt") or "")
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


@pytest.mark.parametrize("script", [True, False], ids=["scripts", "no-scripts"])
def test_a_forecaster_looks_ahead_submits_changes_and_withdraws(
    visit, check, width: int, script: bool
) -> None:
    page: Page = visit(QUESTION, as_="Chen Li", width=width, script=script)
    number = page.get_by_label("Probability of yes, in per cent")
    number.fill("90")
    if not script:
        page.get_by_role("button", name="Preview").click()
        number = page.get_by_label("Probability of yes, in per cent")
        expect(number).to_have_value("90")
    else:
        expect(page.locator("#odds")).to_have_text("odds of 9 to 1 on")
    expect(page.locator(".preview")).to_contain_text("With it the crowd would say")
    page.get_by_label("Why (optional, others can read it)").fill("<b>Because</b> *I say so*.")
    page.locator("form.forecast button.main").click()
    expect(page.get_by_role("status")).to_contain_text("Your forecast stands")
    expect(page.get_by_role("heading", name="Your forecast: 90%")).to_be_visible()
    expect(page.locator(".rationales li").first).to_contain_text("<b>Because</b> I say so.")
    check(page, f"forecast-{'live' if script else 'plain'}", script=script)
    page.get_by_role("button", name="Withdraw my forecast").click()
    expect(page.get_by_role("status")).to_contain_text("stands no more")
    expect(page.get_by_role("heading", name="Your forecast", exact=True)).to_be_visible()


def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(visit, check) -> None:
    page: Page = visit(QUESTION, as_="Chen Li")
    number = page.get_by_label("Probability of yes, in per cent")
    number.fill("150")
    page.get_by_label("Why (optional, others can read it)").fill("It will.")
    page.locator("form.forecast button.main").click()
    expect(page.get_by_text("write a number from 0 to 100")).to_be_visible()
    number = page.get_by_label("Probability of yes, in per cent")
    expect(number).to_have_value("150")
    expect(number).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Why (optional, others can read it)")).to_have_value("It will.")
    check(page, "refused")


def test_a_forecast_needs_no_mouse(visit) -> None:
    page: Page = visit("/", as_="Dara Singh")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.goto(QUESTION)
    number = page.get_by_label("Probability of yes, in per cent")
    number.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("37,5")
    page.keyboard.press("ArrowUp")
    expect(number).to_have_value("38.5")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    expect(number).to_have_value(re.compile("39|40"))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Your forecast stands")


def test_a_form_sent_twice_is_stored_once(visit) -> None:
    page: Page = visit("/questions/1", as_="Elif Demir", script=False)
    page.get_by_label("Probability of yes, in per cent").fill("61")
    page.locator("form.forecast button.main").click()
    expect(page.get_by_role("status")).to_be_visible()
    page.go_back()
    page.get_by_label("Probability of yes, in per cent").fill("61")
    page.locator("form.forecast button.main").click()
    expect(page.get_by_role("status")).to_be_visible()
    assert page.locator(".moves li", has_text="Elif Demir").filter(has_text="61%").count() == 1


def test_a_comment_is_written_answered_and_taken_back(visit, check, width: int) -> None:
    page: Page = visit("/questions/1", as_="Bruno Keller", width=width)
    words = f"At {width} pixels, *{width}*."
    page.get_by_label("Say something (Markdown)").fill(words)
    page.get_by_role("button", name="Comment", exact=True).click()
    mine = page.locator(".comments > li").first
    expect(mine.locator("em")).to_have_text(str(width))
    mine.get_by_text("Answer").first.click()
    mine.get_by_label("Answer to Bruno Keller").fill("So it is.")
    mine.get_by_role("button", name="Answer").click()
    expect(page.locator(".replies li").first).to_contain_text("So it is.")
    check(page, "comments")
    page.locator(".comments > li").first.get_by_role("button", name="Take back").first.click()
    expect(page.locator(".comments > li").first).to_contain_text("Removed")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_curator_resolves_takes_back_closes_and_reopens(visit, check, width: int) -> None:
    number = 6 if width == 390 else 7
    page: Page = visit("/curate", as_="Ines Curator", width=width)
    check(page, "curate")
    page.goto(f"/curate/questions/{number}")
    if page.get_by_role("heading", name="Take the resolution back").count():
        _take_back(page)
    page.get_by_label("yes", exact=True).check()
    page.get_by_label("Where it can be read").fill("https://example.org/report")
    page.get_by_role("button", name="Resolve and score").click()
    expect(page.get_by_role("status")).to_contain_text("It is resolved")
    check(page, "curated")
    page.goto(f"/questions/{number}")
    expect(page.get_by_role("heading", name="Resolved: yes")).to_be_visible()
    page.goto(f"/curate/questions/{number}")
    _take_back(page)
    page.locator("#close-reason").fill("The vote was brought forward.")
    page.get_by_role("button", name="Close now").click()
    expect(page.get_by_role("status")).to_contain_text("no more forecasts")
    page.get_by_label("Until (UTC)").fill("2027-01-31T12:00")
    page.locator("form[action$='/reopen#reopen'] textarea").fill("It was put off again.")
    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_role("status")).to_contain_text("takes forecasts again")
    page.goto("/curate/audit")
    expect(page.get_by_text("It was put off again.").first).to_be_visible()
    check(page, "audit")


def test_a_curator_drafts_a_set_while_the_lint_looks_on(visit, check) -> None:
    page: Page = visit("/curate/draft", as_="Ines Curator")
    check(page, "draft-asked")
    page.get_by_label("Paste the text").fill(
        "The ministry may open a second harbour in 2027. Exports could double within five years.\n"
    )
    page.get_by_label("A short name for the set").fill("harbours")
    page.get_by_role("button", name="Find what it implies").click()
    text = page.get_by_label("The set, in TOML")
    expect(text).to_have_value(re.compile("second harbour|slug"))
    expect(page.locator(".examined")).to_contain_text("error")
    check(page, "draft-reviewed")
    text.fill("slug = 3")
    expect(page.locator(".examined")).not_to_contain_text("implications,")
    page.get_by_role("button", name="Load the set").click()
    expect(page.locator("#toml-problem")).to_be_visible()
    expect(page.get_by_label("The set, in TOML")).to_have_value("slug = 3")


@pytest.mark.parametrize("path", ["/curate", "/curate/audit", "/curate/draft"])
def test_those_who_may_not_are_told_so(visit, check, path: str) -> None:
    page: Page = visit(path, as_="Vera Viewer")
    expect(page.get_by_role("heading", name="This is not open to you")).to_be_visible()
    check(page, "forbidden")


def test_a_token_is_made_shown_once_and_revoked(visit, check, width: int) -> None:
    page: Page = visit("/account", as_="Farid Rahimi", width=width)
    page.get_by_text("Make a token").click()
    page.get_by_label("What it is for").fill(f"nightly {width}")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator(".secret")).to_have_text(re.compile("^crd_"))
    check(page, "account")
    page.goto("/account")
    expect(page.locator(".secret")).to_have_count(0)
    page.get_by_role("button", name=f"Revoke nightly {width}").click()
    expect(page.get_by_role("status")).to_contain_text("opens nothing any more")


def test_a_wrong_password_and_a_closed_session_say_so_and_lead_on(visit) -> None:
    page: Page = visit("/sign-in?next=//evil.example")
    page.get_by_label("Name").fill("Ada Okafor")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("the name or the password is wrong")
    expect(page.get_by_label("Name")).to_have_value("Ada Okafor")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"127\.0\.0\.1:\d+/$"))
    page.get_by_role("button", name="Sign out").click()
    page.goto("/account")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def _take_back(page: Page) -> None:
    page.get_by_label("Why (forecasters read it)").fill("The report was wrong.")
    page.get_by_role("button", name=re.compile("Take back")).click()
    expect(page.get_by_role("status")).to_contain_text("taken back")
