"""What a forecaster does, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from service.pages.forms import chance
from service.text.formatting import odds

QUESTION = "/questions/2"

pytestmark = pytest.mark.parametrize("settings", ["sqlite", "postgresql"], indirect=True)


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
    preview = page.locator(".preview")
    expect(preview).to_contain_text("With your forecast, the community forecast would be")
    page.get_by_label("Rationale (optional, others can read it)").fill("<b>Because</b> *I say so*.")
    page.get_by_label("How long it stands").select_option("a week")
    page.locator("form.forecast button.main").click()
    expect(page.get_by_role("status")).to_contain_text("Your forecast is saved")
    expect(page.get_by_role("heading", name="Your forecast: 90%")).to_be_visible()
    expect(page.locator(".yours")).to_contain_text("expires in 7 days")
    expect(page.locator(".rationales li").first).to_contain_text("<b>Because</b> I say so.")
    check(page, f"forecast-{'live' if script else 'plain'}")
    page.get_by_role("button", name="Withdraw my forecast").click()
    expect(page.get_by_role("status")).to_contain_text("Your forecast is withdrawn")
    expect(page.get_by_role("heading", name="Your forecast", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    "typed", ["0", "0.7", "12.5", "30", "49.5", "57.5", "68.97", "90", "99.99", "100"]
)
def test_the_browser_gives_the_odds_that_the_server_gives(visit, typed: str) -> None:
    page: Page = visit(QUESTION, as_="Chen Li")
    page.get_by_label("Probability of yes, in per cent").fill(typed)
    expect(page.locator("#odds")).to_have_text(odds(chance(typed)))


def test_the_arrow_keys_keep_the_decimals_of_a_forecast(visit) -> None:
    page: Page = visit(QUESTION, as_="Chen Li")
    number = page.get_by_label("Probability of yes, in per cent")
    number.fill("12.34")
    number.press("ArrowUp")
    expect(number).to_have_value("13.34")
    number.press("PageDown")
    number.press("PageDown")
    expect(number).to_have_value("0")


def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(visit, check) -> None:
    page: Page = visit(QUESTION, as_="Chen Li")
    number = page.get_by_label("Probability of yes, in per cent")
    number.fill("150")
    page.get_by_label("Rationale (optional, others can read it)").fill("It will.")
    page.locator("form.forecast button.main").click()
    expect(page.locator("#probability-problem")).to_have_text("enter a number from 0 to 100")
    number = page.get_by_label("Probability of yes, in per cent")
    expect(number).to_have_value("150")
    expect(number).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Rationale (optional, others can read it)")).to_have_value("It will.")
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
    expect(page.get_by_role("status")).to_contain_text("Your forecast is saved")


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
    page.get_by_label("Your comment (Markdown)").fill(words)
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


def test_a_token_is_made_shown_once_and_revoked(visit, check, width: int) -> None:
    page: Page = visit("/account", as_="Farid Rahimi", width=width)
    page.get_by_text("Make a token", exact=True).click()
    page.get_by_label("What it is for").fill(f"nightly {width}")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator(".secret")).to_have_text(re.compile("^crd_"))
    check(page, "account")
    page.goto("/account")
    expect(page.locator(".secret")).to_have_count(0)
    page.get_by_role("button", name=f"Revoke nightly {width}").click()
    expect(page.get_by_role("status")).to_contain_text("has been revoked")


def test_a_wrong_password_and_a_closed_session_say_so_and_lead_on(visit) -> None:
    page: Page = visit("/sign-in?next=//evil.example")
    page.get_by_label("Name").fill("Ada Okafor (simulated)")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("the name or the password is wrong")
    expect(page.get_by_label("Name")).to_have_value("Ada Okafor (simulated)")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"127\.0\.0\.1:\d+/(#done)?$"))
    page.get_by_role("button", name="Sign out").click()
    page.goto("/account")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_one_shows_ones_record_and_hides_it_again(visit, check, width: int) -> None:
    page: Page = visit("/account", as_="Bruno Keller", width=width)
    page.get_by_role("link", name="Your record").click()
    mine = page.url
    expect(page.locator(".moves li").first).to_contain_text("forecast")
    check(page, "record")
    other: Page = visit(mine, as_="Ada Okafor", width=width)
    expect(other.get_by_text("Only they and curators see this")).to_be_visible()
    expect(other.locator(".moves li")).to_have_count(0)
    page.goto("/account")
    page.get_by_role("button", name="Show it to everyone").click()
    expect(page.get_by_role("status")).to_contain_text("Everyone can now see")
    other.reload()
    expect(other.locator(".moves li").first).to_contain_text("forecast")
    page.get_by_role("button", name="Show it only to me and curators").click()
    expect(page.get_by_role("status")).to_contain_text("Only you and curators")


@pytest.mark.parametrize("script", [True, False], ids=["scripts", "no-scripts"])
def test_a_webhook_is_registered_and_removed(visit, check, width: int, script: bool) -> None:
    page: Page = visit("/account/webhooks", as_="Elif Demir", width=width, script=script)
    address = page.get_by_label("Address", exact=True)
    address.fill("https://user:word@hooks.example/")
    page.get_by_label("the community forecast has moved").check()
    page.get_by_label("Moved by more than").fill("7,5")
    page.get_by_role("button", name="Register").click()
    expect(page.locator("#url-problem")).to_contain_text("must not contain a user name")
    expect(address).to_have_value("https://user:word@hooks.example/")
    check(page, "webhook-refused")
    address.fill("https://hooks.example/elif")
    page.get_by_role("button", name="Register").click()
    expect(page.locator(".secret")).to_have_text(re.compile("^whsec_"))
    check(page, "webhooks")
    page.get_by_role("link", name="https://hooks.example/elif").click()
    expect(page.get_by_text("by more than 7.5 points")).to_be_visible()
    expect(page.get_by_text("Nothing yet.")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status")).to_contain_text("has been removed")


def test_what_a_webhook_was_told_can_be_sent_again(visit, check, width: int) -> None:
    page: Page = visit("/account/webhooks", as_="Chen Li", width=width)
    page.get_by_role("link", name="https://hooks.example/credence").click()
    expect(page.locator(".rows .meta", has_text="· 503").first).to_be_visible()
    page.locator(".rows li").last.get_by_text("Payload").click()
    expect(page.locator(".rows li").last).to_contain_text("question.resolved")
    check(page, "webhook")
    which = {1280: "· 200", 390: "· 503"}[width]
    told = page.locator(".rows li", has=page.locator(".meta", has_text=which))
    told.first.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("status")).to_contain_text("will resend")


def test_an_administrator_sees_what_everybody_asked_for(visit, check, width: int) -> None:
    page: Page = visit("/tasks", as_="Root", width=width)
    expect(page.get_by_text("by Elif Demir").first).to_be_visible()
    expect(page.get_by_role("link", name="forecasts.csv")).to_have_count(1)
    check(page, "tasks of everybody")


def test_an_export_is_asked_for_and_what_closes_soon_is_read(visit, check, width: int) -> None:
    page: Page = visit("/account", as_="Elif Demir", width=width)
    page.get_by_role("link", name="Exports").click()
    page.get_by_label("What", exact=True).select_option("scores")
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_role("status")).to_contain_text("will start within seconds")
    expect(page.get_by_role("cell", name="scores, csv").first).to_be_visible()
    check(page, "tasks")
    page.goto("/account/reminders")
    page.get_by_role("link", name="a week").click()
    expect(page.get_by_text("close within a week")).to_be_visible()
    check(page, "reminders")
