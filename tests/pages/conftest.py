"""A real server with a lively database, and a real browser that looks at it."""

import asyncio
import math
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.posterior import FORMAT, Posterior
from questions.load import find_sets, read_set
from service import accounts, forecasts, passwords, questions, resolutions
from service.accounts import Actor
from service.aggregates import Aggregator
from service.database import Database
from service.models import Fit, FitStatus, Outcome, Question, Role
from service.questions import View
from service.settings import SHIPPED_SETS, Settings

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PASSWORD = "correct horse battery"  # noqa: S105  # of accounts that these tests make
NAMES = ("Ada Okafor", "Bruno Keller", "Chen Li", "Dara Singh", "Elif Demir", "Farid Rahimi")
DAYS = 18
PATIENCE_SECONDS = 60
PICTURES = Path("var/pictures")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the server of these tests answers."""
    folder = tmp_path_factory.mktemp("pages")
    database = f"sqlite:///{folder / 'credence.db'}"
    with ThreadPoolExecutor(1) as apart:  # the browser's driver keeps a loop in this thread
        apart.submit(asyncio.run, furnish(Settings(database_url=database))).result()
    environment = {name: value for name, value in os.environ.items() if "CREDENCE" not in name}
    environment |= {"CREDENCE_DATABASE_URL": database, "CREDENCE_READERS": "everyone"}
    environment |= {"CREDENCE_SIGN_IN_ATTEMPTS": "1000"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with (folder / "serve.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve", "--port", port, "--no-worker"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            found = f"http://127.0.0.1:{port}"
            _wait(found, folder / "serve.log")
            _warm(found)
            yield found
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:  # the one thing that a wheel cannot bring
        pytest.skip("no Chromium is installed here; `make browser` installs Debian's as root")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=[1280, 390], ids=["wide", "phone"])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Open a page as someone, with or without scripts; nothing may be loaded from elsewhere.

    A page that logs an error, among them what the content policy refuses, fails the test.
    """
    opened: list[BrowserContext] = []
    wrong: list[str] = []

    def visit(
        path: str, *, as_: str | None = None, width: int = 1280, script: bool = True, **more: Any
    ) -> Page:
        context = browser.new_context(
            base_url=address,
            viewport={"width": width, "height": 900},
            java_script_enabled=script,
            timezone_id="Asia/Tokyo",
            locale="en-GB",
            **more,
        )
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda said: wrong.append(said.text) if _serious(said) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: wrong.extend(_foreign(asked.url, address)))
        if as_:
            sign_in(page, as_)
        page.goto(path)
        return page

    yield visit
    for context in opened:
        context.close()
    assert wrong == []


@pytest.fixture
def check() -> Callable[..., None]:
    """What holds of every page: accessible, no wider than the screen, and it has its picture."""

    def check(page: Page, name: str, *, script: bool = True) -> None:
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        if script:  # axe is one
            found = Axe().run(page)
            assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        PICTURES.mkdir(parents=True, exist_ok=True)
        width = page.viewport_size["width"] if page.viewport_size else 0
        page.screenshot(path=PICTURES / f"{name}-{width}.png", full_page=True)

    return check


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.goto("/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: not url.endswith("/sign-in"))


async def furnish(settings: Settings) -> None:
    """Load the shipped sets and let people forecast for some weeks; some questions resolve."""
    database = Database(settings.url)
    await database.migrate()
    aggregator = Aggregator(settings.interval_level)
    chance = random.Random(7)
    begins = datetime.now(UTC) - timedelta(days=DAYS)
    digest = await passwords.digest(PASSWORD)
    with time_machine.travel(begins - timedelta(days=2), tick=False):
        async with database.write() as session:
            for path in find_sets(SHIPPED_SETS):
                await questions.load(session, read_set(path))
            people = [
                await accounts.create(session, name, Role.forecaster, password_hash=digest)
                for name in NAMES
            ]
            people.append(await accounts.create(session, "baserate", Role.forecaster, bot=True))
            curator = await accounts.create(
                session, "Ines Curator", Role.curator, password_hash=digest
            )
            await accounts.create(session, "Root", Role.administrator, password_hash=digest)
            await accounts.create(session, "Vera Viewer", Role.viewer, password_hash=digest)
            views = await questions.views(
                session, questions.views_query(None).order_by(Question.id)
            )
    asked = [
        view
        for view in views
        if view.revision.opens_at < begins and view.id % 5 and not view.revision.draft
    ]
    centre = {view.id: chance.gauss(-0.4, 1.2) for view in asked}
    for day in range(DAYS):
        with time_machine.travel(begins + timedelta(days=day, hours=9)):
            async with database.write() as session:
                for view in asked:
                    centre[view.id] += chance.gauss(0, 0.15)
                    who = chance.sample(people, chance.choice([0, 0, 0, 1, 2]))
                    await _forecast(session, aggregator, view, who, centre[view.id], chance)
    async with database.write() as session:
        for view, outcome in zip(asked[2:26], ["yes", "no", "no"] * 8, strict=True):
            await resolutions.resolve(
                session,
                aggregator,
                curator,
                view.id,
                outcome=Outcome(outcome),
                occurred_at=datetime.now(UTC) - timedelta(days=2),
                evidence_url="https://example.org/report",
                note="The *ministry* published the figure on Friday.",
            )
        session.add(_fit(len(asked[2:26])))
    await database.close()


async def _forecast(
    session: AsyncSession,
    aggregator: Aggregator,
    view: View,
    people: list[Actor],
    centre: float,
    chance: random.Random,
) -> None:
    for who in people:
        said = 1 / (1 + math.exp(-centre - chance.gauss(0, 0.6)))
        why = chance.choice(["", "", "Ten years of data say so; **nothing** has changed since."])
        draft = forecasts.Draft(view.id, round(said, 2), why)
        ((held, row, _),) = await forecasts.submit(session, who, [draft])
        await aggregator.publish_one(session, who, held, cause="forecast", at=row.created_at)


def _fit(resolved: int) -> Fit:
    """An accepted fit whose posterior is the prior: it answers as one that learned little."""
    posterior = Posterior.prior()
    return Fit(
        status=FitStatus.accepted,
        reason="",
        resolutions=resolved,
        questions=resolved,
        forecasts=200,
        forecasters=7,
        data_hash="0" * 64,
        fingerprint=posterior.fingerprint,
        seed=1,
        priors={},
        versions={},
        format=FORMAT,
        diagnostics={
            "max_r_hat": 1.003,
            "min_ess_bulk": 1210.0,
            "min_ess_tail": 980.0,
            "divergences": 0,
        },
        started_at=datetime.now(UTC) - timedelta(seconds=40),
        created_at=datetime.now(UTC),
        posterior=posterior.to_bytes(),
    )


def _serious(said: Any) -> bool:
    """Whether a message of the console is an error, but for the status of a refused page."""
    return said.type == "error" and "Failed to load resource" not in said.text


def _foreign(url: str, address: str) -> list[str]:
    return [] if url.startswith((address, "data:")) else [f"loaded from elsewhere: {url}"]


def _warm(address: str) -> None:
    """Let the process that draws start before anyone waits for it."""
    html = httpx.get(f"{address}/questions/2", timeout=PATIENCE_SECONDS).text
    (bundle,) = set(re.findall(r'data-bundle="([^"]+)"', html))
    for path in ("/questions/2/history.svg", bundle):
        assert httpx.get(address + path, timeout=PATIENCE_SECONDS).status_code == 200


def _wait(address: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the server was not ready; it said: {log.read_text()}")
