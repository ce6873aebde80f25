"""What curators and administrators do, in a real browser."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect


@pytest.mark.parametrize("width", [1280, 390])
def test_a_curator_resolves_takes_back_closes_and_reopens(visit, check, width: int) -> None:
    number = 6 if width == 390 else 7
    page: Page = visit("/curate", as_="Ines Curator", width=width)
    check(page, "curate")
    page.goto(f"/curate/questions/{number}")
    if page.get_by_role("heading", name="Take the resolution back").count():
        _take_back(page)
    page.get_by_label("yes", exact=True).check()
    page.get_by_label("Evidence (URL)").fill("https://example.org/report")
    page.get_by_role("button", name="Resolve and score").click()
    expect(page.get_by_role("status")).to_contain_text("question is resolved")
    check(page, "curated")
    page.goto(f"/questions/{number}")
    expect(page.get_by_role("heading", name="Resolved: yes")).to_be_visible()
    page.goto(f"/curate/questions/{number}")
    _take_back(page)
    page.locator("#close-reason").fill("The vote was brought forward.")
    page.get_by_role("button", name="Close now").click()
    expect(page.get_by_role("status")).to_contain_text("closed to new forecasts")
    page.get_by_label("Until (UTC)").fill(
        f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT12:00}"
    )
    page.locator("form[action*='/reopen'] textarea").fill("It was put off again.")
    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_role("status")).to_contain_text("open for forecasts again")
    page.goto("/curate/audit")
    expect(page.get_by_text("It was put off again.").first).to_be_visible()
    check(page, "audit")


def test_a_curator_needs_no_mouse(visit, tab_to) -> None:
    page: Page = visit("/curate/questions/8", as_="Ines Curator")
    tab_to(page, "[name=outcome]")
    page.keyboard.press("Space")
    tab_to(page, "[name=evidence_url]")
    page.keyboard.type("https://example.org/report")
    tab_to(page, "button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("question is resolved")


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
    expect(page.get_by_role("heading", name="You do not have access to this page")).to_be_visible()
    check(page, "forbidden")


def _take_back(page: Page) -> None:
    page.get_by_label("Why (forecasters read it)").fill("The report was wrong.")
    page.get_by_role("button", name=re.compile("Take back")).click()
    expect(page.get_by_role("status")).to_contain_text("has been withdrawn")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_curator_hides_the_crowd_of_a_set_and_shows_it_again(visit, check, width: int) -> None:
    page: Page = visit("/sets/port-aldery", as_="Ines Curator", width=width)
    page.get_by_role("link", name="curate", exact=True).click()
    _decide(page, "after they forecast, or after the question closes")
    check(page, "curated-set")
    other: Page = visit("/questions/3", as_="Vera Viewer", width=width)
    expect(other.locator(".crowd .hidden-note")).to_contain_text("once you have forecast it")
    check(other, "hidden")
    _decide(page, "always")
    other.reload()
    expect(other.locator(".crowd .hidden-note")).to_have_count(0)


def test_a_refused_fit_warns_on_every_page_until_one_is_accepted(visit, check, refit) -> None:
    page: Page = visit("/curate/questions/5", as_="Ines Curator")
    page.get_by_label("ambiguous", exact=True).check()
    page.get_by_role("button", name="Resolve and score").click()
    refit("refused", "R-hat is 1.09, above 1.01")
    for path in ("/", "/sets/russia-iran", "/questions/2", "/model"):
        page.goto(path)
        expect(page.locator(".banner")).to_contain_text("Do not trust the aggregates yet.")
        expect(page.locator(".banner")).to_contain_text("R-hat is 1.09")
    check(page, "model-refused")
    refit("accepted")
    page.reload()
    expect(page.locator(".banner")).to_have_count(0)


def test_a_reviewed_draft_is_completed_and_loaded(visit, check) -> None:
    page: Page = visit("/curate/draft", as_="Ines Curator")
    page.get_by_label("Paste the text").fill("The ministry may open a second harbour in 2027.\n")
    page.get_by_role("button", name="Find what it implies").click()
    told = page.request.get("/curate/sets/power-systems/set.toml")
    written = told.text().replace('"power-systems"', '"power-again"')
    page.get_by_label("The set, in TOML").fill(written)
    expect(page.locator(".examined")).to_contain_text("it can be loaded")
    page.get_by_role("button", name="Load the set").click()
    expect(page).to_have_url(re.compile("/sets/power-again$"))
    expect(page.locator(".implication")).to_have_count(8)
    page.locator(".watched a").first.click()
    expect(page.locator(".crowd")).to_contain_text("Nobody has forecast this yet")
    check(page, "loaded")


@pytest.mark.parametrize("script", [True, False], ids=["scripts", "no-scripts"])
def test_an_administrator_invites_who_then_joins(visit, check, width: int, script: bool) -> None:
    page: Page = visit("/accounts", as_="Root", width=width, script=script)
    page.get_by_label("How many may use it").fill("0")
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator("#uses-problem")).to_be_visible()
    page.get_by_label("How many may use it").fill("1")
    page.get_by_role("button", name="Make a link").click()
    link = page.locator(".secret").inner_text()
    check(page, "accounts")
    guest: Page = visit(link, width=width, script=script)
    expect(guest.get_by_role("heading", name="Welcome")).to_be_visible()
    guest.get_by_label("Name").fill(f"Guest {width}{script}")
    guest.get_by_label("Password").fill("a sentence is good")
    guest.get_by_role("button", name="Join").click()
    expect(guest.get_by_role("link", name=f"Guest {width}{script}")).to_be_visible()


def test_an_administrator_makes_a_bot_and_shuts_it(visit, check, width: int) -> None:
    page: Page = visit("/accounts", as_="Root", width=width)
    name = f"robot {width}"
    new = page.get_by_label("Name", exact=True).last
    new.fill(name)
    page.get_by_label(re.compile("a bot$")).check()
    page.get_by_label("Whose bot (optional)").fill("Nobody Known")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#owner-problem")).to_contain_text("Nobody Known")
    page.get_by_label("Whose bot (optional)").fill("Dara Singh (simulated)")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("status")).to_contain_text("Account created")
    page.get_by_text("Make a token", exact=True).click()
    page.get_by_label("What it is for").fill("nightly")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator(".secret")).to_have_text(re.compile("^crd_"))
    check(page, "person")
    page.get_by_label("What they may do").first.select_option("administrator")
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_text("a bot may not be more than its owner").first).to_be_visible()
    page.get_by_text("Deactivate the account").click()
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("status")).to_contain_text("Account deactivated")
    expect(page.locator("td", has_text="revoked")).to_be_visible()
    page.get_by_role("button", name="Reactivate").click()
    expect(page.get_by_role("status")).to_contain_text("reactivated")
    page.goto("/accounts")
    page.get_by_label("Name", exact=True).first.fill("ROBOT")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("link", name=name)).to_be_visible()
    expect(page.get_by_role("link", name="Ada Okafor")).to_have_count(0)


def test_the_last_administrator_stays_one(visit) -> None:
    page: Page = visit("/accounts?name=Root", as_="Root", script=False)
    page.get_by_role("link", name="Root").last.click()
    page.get_by_label("What they may do").select_option("viewer")
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_role("alert")).to_contain_text("the last active administrator")


def _decide(page: Page, seen: str) -> None:
    page.get_by_label("They see the community forecast").select_option(label=seen)
    page.get_by_label("Why (forecasters read it)").fill("To be fair.")
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("status")).to_contain_text("visibility setting has been saved")
