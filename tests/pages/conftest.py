"""A real server with a lively database, and a real browser that looks at it."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from everything import address_of, furnish_everything, readable  # noqa: F401  # fixtures
from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Page,
    expect,
    sync_playwright,
)

from forecasting.posterior import FORMAT, Posterior
from service.curation import resolutions
from service.database.engine import Database
from service.demo.population import (
    ADMINISTRATOR,
    CURATOR,
    FORECASTERS,
    VIEWER,
    labelled,
    populate,
)
from service.models import Fit, FitStatus
from service.settings import Settings

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
SIMULATED = {*FORECASTERS, CURATOR, ADMINISTRATOR, VIEWER}
PATIENCE_SECONDS = 60
PICTURES = Path("var/pictures")

expect.set_options(timeout=PATIENCE_SECONDS * 1000)


def apart(work: Coroutine[Any, Any, None]) -> None:
    """Run something in a thread of its own: the browser's driver keeps a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """The settings of a server with a lively database: SQLite unless a test asks for the other.

    How a page looks does not depend on the database, and that each is made is tried on both without
    a browser; what forecasters do is tried on both here.
    """
    if getattr(request, "param", "sqlite") == "sqlite":
        settings = Settings(
            database_url=f"sqlite:///{tmp_path_factory.mktemp('pages')}/credence.db"
        )
        apart(furnish(settings))
        yield settings
        return
    with request.getfixturevalue("postgresql").fresh() as url:
        settings = Settings(database_url=url)
        apart(furnish(settings))
        yield settings


@pytest.fixture(scope="session")
def address(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the server of these tests answers."""
    with serve(settings, tmp_path_factory.mktemp("serving")) as found:
        _warm(found)
        yield found


@pytest.fixture(scope="session")
def everything(
    tmp_path_factory: pytest.TempPathFactory,
    furnish_everything,  # noqa: F811  # the fixture
) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """Where a server answers whose database holds one of everything, and what fills its paths."""
    folder = tmp_path_factory.mktemp("everything")
    settings = Settings(database_url=f"sqlite:///{folder}/credence.db")
    filled: dict[str, list[Any]] = {}

    async def furnish() -> None:
        database = Database(settings.url)
        await database.migrate()
        filled.update(await furnish_everything(database))
        await database.close()

    apart(furnish())
    with serve(settings, folder) as found:
        yield found, filled


@contextmanager
def serve(settings: Settings, folder: Path) -> Iterator[str]:
    """Where a real server answers while the block runs; it has no worker."""
    environment = {name: value for name, value in os.environ.items() if "CREDENCE" not in name}
    environment |= {"CREDENCE_DATABASE_URL": settings.database_url, "CREDENCE_READERS": "everyone"}
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
            yield found
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser of these tests; while it is open, no other test can run an event loop."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:  # the one thing that a wheel cannot bring
        pytest.fail("no Chromium is installed here; as root `make browser` installs Debian's")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=[1280, 390], ids=["wide", "phone"])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def silent() -> dict[Page, CDPSession]:
    """The pages that run no scripts, each with what can let it."""
    return {}


@pytest.fixture
def visit(
    browser: Browser, address: str, silent: dict[Page, CDPSession]
) -> Iterator[Callable[..., Page]]:
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
            timezone_id="Asia/Tokyo",
            locale="en-GB",
            **more,
        )
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        if not script:
            silent[page] = context.new_cdp_session(page)
            _allow_scripts(silent[page], allowed=False)
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
def refit(settings: Settings) -> Callable[..., None]:
    """Store a fit to the present resolutions, as a worker would."""

    async def store(status: FitStatus, reason: str) -> None:
        database = Database(settings.url)
        async with database.write() as session:
            session.add(fit_of(await resolutions.count(session), status, reason))
        await database.close()

    def refit(status: str, reason: str = "") -> None:
        apart(store(FitStatus(status), reason))

    return refit


@pytest.fixture
def check(silent: dict[Page, CDPSession]) -> Callable[..., None]:
    """What holds of every page: accessible, no wider than the screen, and it has its picture.

    On a page that runs no scripts axe alone may run: what the page itself would do was passed over
    when it was read.
    """

    def check(page: Page, name: str) -> None:
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        PICTURES.mkdir(parents=True, exist_ok=True)
        width = page.viewport_size["width"] if page.viewport_size else 0
        kind = "-plain" if page in silent else ""
        page.screenshot(path=PICTURES / f"{name}-{width}{kind}.png", full_page=True)
        if page in silent:
            _allow_scripts(silent[page], allowed=True)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        if page in silent:
            _allow_scripts(silent[page], allowed=False)

    return check


def _allow_scripts(session: CDPSession, *, allowed: bool) -> None:
    session.send("Emulation.setScriptExecutionDisabled", {"value": not allowed})


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.goto("/sign-in")
    page.get_by_label("Name").fill(labelled(name) if name in SIMULATED else name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: not url.endswith("/sign-in"))


@pytest.fixture
def tab_to() -> Callable[[Page, str], None]:
    """Go on by the key Tab until something that a selector names has the focus."""

    def tab_to(page: Page, selector: str) -> None:
        for _ in range(120):
            page.keyboard.press("Tab")
            if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
                return
        raise AssertionError(f"the keyboard does not lead to {selector}")

    return tab_to


async def furnish(settings: Settings) -> None:
    """Fill the database as the demonstration does, with a fit in the place of those it samples."""
    database = Database(settings.url)
    await database.migrate()
    await populate(database, settings, PASSWORD)
    async with database.write() as session:
        session.add(fit_of(await resolutions.count(session)))
    await database.close()


def fit_of(resolutions: int, status: FitStatus = FitStatus.accepted, reason: str = "") -> Fit:
    """A fit whose posterior is the prior: it answers as one that learned little."""
    posterior = Posterior.prior()
    accepted = status is FitStatus.accepted
    return Fit(
        status=status,
        reason=reason,
        resolutions=resolutions,
        questions=24,
        forecasts=200,
        forecasters=7,
        data_hash="0" * 64,
        fingerprint=posterior.fingerprint if accepted else "",
        seed=1,
        priors={},
        versions={},
        format=FORMAT,
        diagnostics={
            "max_r_hat": 1.003 if accepted else 1.09,
            "min_ess_bulk": 1210.0,
            "min_ess_tail": 980.0,
            "divergences": 0,
            "monte_carlo_error": 0.0021,
        },
        started_at=datetime.now(UTC) - timedelta(seconds=40),
        created_at=datetime.now(UTC),
        posterior=posterior.to_bytes() if accepted else None,
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
