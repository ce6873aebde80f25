"""The first five minutes in a real browser: from the link that a server prints to a token."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

PASSWORD = "a sentence that nobody guesses"  # noqa: S105  # of an account that this test makes
LINK = re.compile(r"http://\S+/join\?invitation=cri_\S+")


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a service without a database yet, of each kind."""
    kept = {name: text for name, text in os.environ.items() if "CREDENCE" not in name}
    if request.param == "sqlite":
        yield kept | {"CREDENCE_DATABASE_URL": f"sqlite:///{tmp_path}/credence.db"}
        return
    with request.getfixturevalue("postgresql").fresh() as url:
        yield kept | {"CREDENCE_DATABASE_URL": url}


def credence(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "service.cli", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout


@contextmanager
def started(environment: dict[str, str], *printed: re.Pattern[str]) -> Iterator[list[str]]:
    """A server while the block runs, with what it printed that looks so, in that order."""
    command = [sys.executable, "-m", "service.cli", "serve", "--no-worker", "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        lines = iter(server.stdout.readline, "")
        try:
            yield [next(found[0] for found in map(one.search, lines) if found) for one in printed]
        finally:
            server.terminate()
            rest = server.stdout.read()
        assert not LINK.search(rest)


def test_the_first_administrator_comes_in_by_the_printed_link_and_gets_a_token(
    environment: dict[str, str], browser: Browser, check: Any
) -> None:
    said = credence(environment, "init")
    assert "crd_" not in said
    with started(environment, LINK) as (link,):
        site = link.partition("/join")[0]
        context = browser.new_context(viewport={"width": 390, "height": 844})
        page: Page = context.new_page()
        page.goto(site)
        expect(page.get_by_text("for the probabilities of events")).to_be_visible()
        check(page, "first-sign-in")
        page.goto(link)
        page.reload()
        expect(page.get_by_label("Name")).to_have_value("administrator")
        check(page, "first-join")
        page.get_by_label("Name").fill("Ada Okafor")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Welcome, Ada Okafor")).to_be_visible()
        check(page, "welcome")
        page.get_by_role("button", name="Make a token").click()
        token = page.locator("p.secret").inner_text()
        check(page, "welcome-token")
        asked = httpx.get(f"{site}/api/v1/account", headers={"Authorization": f"Bearer {token}"})
        assert asked.json()["name"] == "Ada Okafor"
        page.get_by_role("button", name="Sign out").click()
        page.goto(link)
        expect(page.get_by_role("heading", name="no longer valid")).to_be_visible()
        check(page, "first-used")
        page.get_by_role("link", name="sign in", exact=True).click()
        page.get_by_label("Name").fill("Ada Okafor")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("link", name="Ada Okafor")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Password").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("link", name="Ada Okafor")).to_be_visible()
        context.close()
    with started(environment, re.compile(r"answers at \S+")):
        pass
