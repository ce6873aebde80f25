"""What a browser shows after a form was sent: what came of it, in view and in focus."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

QUESTION = "/questions/2"
OPEN = "/questions?state=open&sort=id"


def forecast(page: Page) -> None:
    page.get_by_label("Probability of yes, in per cent").fill("64")
    page.locator("form.forecast button.main").click()


def forecast_wrongly(page: Page) -> None:
    page.get_by_label("Probability of yes, in per cent").fill("640")
    page.locator("form.forecast button.main").click()


def withdraw(page: Page) -> None:
    forecast(page)
    page.get_by_role("button", name="Withdraw my forecast").click()


def comment(page: Page) -> None:
    page.get_by_label("Your comment (Markdown)").fill("I saw it.")
    page.get_by_role("button", name="Comment", exact=True).click()


def make_a_token(page: Page) -> None:
    page.get_by_text("Make a token").click()
    page.get_by_label("What it is for").fill("nightly")
    page.get_by_role("button", name="Make it").click()


def register_a_webhook(page: Page) -> None:
    page.get_by_role("textbox", name="Address").fill("https://hooks.example/new")
    page.get_by_role("button", name="Register").click()


def export(page: Page) -> None:
    page.get_by_role("button", name="Export").click()


def curate(page: Page) -> None:
    """From a list, go to what may be done to its last question."""
    page.goto(f"/curate{page.locator('.question .what > a').last.get_attribute('href')}")


def close_early(page: Page) -> None:
    curate(page)
    page.locator("#close-reason").fill("It is known.")
    page.get_by_role("button", name="Close now").click()


def resolve(page: Page) -> None:
    curate(page)
    page.get_by_label("annulled").check()
    page.get_by_role("button", name="Resolve and score").click()


FORMS: dict[str, tuple[str, str, Callable[[Page], None], str]] = {
    "forecast": (QUESTION, "Bruno Keller", forecast, "Your forecast is saved"),
    "refused": (QUESTION, "Bruno Keller", forecast_wrongly, "enter a number from 0 to 100"),
    "withdrawal": (QUESTION, "Bruno Keller", withdraw, "Your forecast is withdrawn"),
    "comment": (QUESTION, "Bruno Keller", comment, "Your comment is posted"),
    "token": ("/account", "Bruno Keller", make_a_token, "shown only once"),
    "webhook": ("/account/webhooks", "Bruno Keller", register_a_webhook, "now receives events"),
    "export": ("/tasks", "Bruno Keller", export, "will start within seconds"),
    "closing": (OPEN, "Ines Curator", close_early, "closed to new forecasts"),
    "resolution": (OPEN, "Ines Curator", resolve, "question is resolved"),
}


@pytest.mark.parametrize(
    ("width", "script"), [(1280, True), (390, False)], ids=["scripts", "no-scripts-phone"]
)
@pytest.mark.parametrize("form", FORMS)
def test_what_came_of_a_form_is_in_view_and_has_the_focus(
    visit, check, width: int, form: str, script: bool
) -> None:
    path, who, send, said = FORMS[form]
    page: Page = visit(path, as_=who, width=width, script=script)
    send(page)
    told = page.locator("#done")
    expect(told).to_contain_text(said)
    expect(told).to_be_in_viewport(ratio=0.9)
    expect(told).to_be_focused()
    check(page, f"done-{form}")


def test_the_next_question_is_one_key_away_from_a_forecast(visit) -> None:
    page: Page = visit(QUESTION, as_="Farid Rahimi")
    forecast(page)
    expect(page.locator("#done")).to_contain_text("Next:")
    title = page.locator("#done a").inner_text()
    page.keyboard.press("n")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def test_what_was_done_is_not_told_to_whoever_is_sent_the_address(visit) -> None:
    page: Page = visit(QUESTION, as_="Farid Rahimi")
    forecast(page)
    expect(page.locator("#done")).to_be_visible()
    assert page.url.endswith(QUESTION)


@pytest.mark.parametrize(
    ("width", "script"), [(1280, True), (390, False)], ids=["scripts", "no-scripts-phone"]
)
def test_a_forecast_of_an_ended_session_is_sent_after_signing_in(
    visit, check, width: int, script: bool
) -> None:
    page: Page = visit(QUESTION, as_="Elif Demir", width=width, script=script)
    name = page.locator(".who .name").inner_text()
    page.context.clear_cookies()
    rationale = page.get_by_label("Rationale (optional, others can read it)")
    rationale.fill("First.\n\nThen <b>this</b>.")
    forecast(page)
    expect(page.locator("#done")).to_contain_text("Your session has ended")
    expect(page.locator("#done")).to_be_focused()
    check(page, "session-ended")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Probability of yes, in per cent")).to_have_value("64")
    expect(page.get_by_label("Why")).to_have_value("First.\n\nThen <b>this</b>.")
    check(page, "session-resumed")
    page.get_by_role("button", name="Send it").click()
    expect(page.locator("#done")).to_contain_text("Your forecast is saved")
    expect(page.locator(".rationales li").first).to_contain_text("Then <b>this</b>.")
