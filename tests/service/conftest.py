"""Real databases of both kinds, migrated once and copied for each test, and the app on them."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import time_machine
from everything import TODAY, address_of, furnish_everything, readable  # noqa: F401  # fixtures
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncSession

from questions.load import find_sets, read_set
from questions.schema import Document, Implication
from questions.schema import Question as WrittenQuestion
from questions.schema import QuestionSet as WrittenSet
from service.accounts import accounts, sessions, tokens
from service.app import create_app
from service.database.engine import Database
from service.fits import fits
from service.fits.fits import Sampled
from service.models import Fit, Question, QuestionRevision, QuestionSet, Role
from service.permissions import Actor
from service.questions import questions
from service.questions.aggregates import Aggregator
from service.settings import SHIPPED_SETS, Settings

hypothesis.settings.register_profile("fuzz", deadline=None)


@pytest.fixture(scope="session")
def examples() -> Callable[[int], int]:
    """How many made-up things to try: few, or ten times as many by `--hypothesis-profile=fuzz`."""
    times = 10 if hypothesis.settings.get_current_profile_name() == "fuzz" else 1
    return lambda few: few * times


@pytest.fixture(autouse=True)
def today(request: pytest.FixtureRequest) -> Iterator[datetime]:
    """Let a test take place on one day, from noon on, so that it can write dates out.

    A test that starts other processes, which keep the machine's clock, is marked `real_clock`, and
    its dates must be relative to `today`.
    """
    if request.node.get_closest_marker("real_clock"):
        yield datetime.now(UTC)
        return
    with time_machine.travel(TODAY):
        yield TODAY


@pytest.fixture
def opened_at(today: datetime) -> datetime:
    """When questions open unless a test says otherwise: a midnight 26 days ago."""
    return today.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=26)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: Any) -> str:
    postgresql.administer("CREATE DATABASE template_credence")
    _migrate(postgresql.url("template_credence"))
    return "template_credence"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, migrated database."""
    if request.param == "own_server":
        url = request.getfixturevalue("own_server").url()
        _migrate(url)
        yield url
    elif request.param == "sqlite":
        file = tmp_path / "credence.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), file)
        yield f"sqlite:///{file}"
    else:
        template = request.getfixturevalue("migrated_postgresql")
        with request.getfixturevalue("postgresql").fresh(template) as url:
            yield url


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url, jobs_database_url=f"sqlite:///{tmp_path / 'jobs.db'}"
    )


@pytest.fixture
def on_database(settings: Settings) -> Callable[[Callable[[Database], Any]], Any]:
    """Run a piece of asynchronous work on the test's database."""
    return lambda work: run_on(settings, work)


@dataclass(frozen=True)
class Caller:
    """A client that speaks as one account."""

    client: TestClient[Any]
    id: int
    token: str

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return self.client.request(method, f"/api/v1{path}", headers=headers, **options)

    def get(self, path: str, **params: Any) -> Any:
        return self("GET", path, params=params)

    def post(self, path: str, body: Any, **options: Any) -> Any:
        return self("POST", path, json=body, **options)

    def forecast(self, question_id: int, probability: float, **more: Any) -> Any:
        return self.post(
            f"/questions/{question_id}/forecasts", {"probability": probability, **more}
        )

    def resolve(self, question_id: int, outcome: str, **more: Any) -> Any:
        return self.post(f"/questions/{question_id}/resolution", {"outcome": outcome, **more})


@dataclass
class Served:
    """A server in a process of its own, and its address; it can be started again there."""

    command: list[str]
    environment: dict[str, str]
    url: str
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stderr=log)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 120
        pause = threading.Event()
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200:
                    return
            assert self.process.poll() is None, self.log.read_text()
            pause.wait(0.2)
        raise AssertionError("the server was not ready within 120 s")


_apps: dict[Settings, Litestar] = {}


def app_for(settings: Settings) -> Litestar:
    """The application on a test's databases; it is wired once, as that takes longer than a test."""
    wired = replace(settings, database_url=Settings.database_url, jobs_database_url="")
    if wired not in _apps:
        _apps[wired] = create_app(wired)
    _apps[wired].state.settings = settings
    return _apps[wired]


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient[Any]]:
    with TestClient(app_for(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def serving(settings: Settings, tmp_path: Path) -> Callable[..., AbstractContextManager[Served]]:
    """Run the real server on the test's database, in a process of its own, without a worker."""

    @contextmanager
    def serve(**environment: str) -> Iterator[Served]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        kept = {name: text for name, text in os.environ.items() if not name.startswith("CREDENCE_")}
        given = {
            "CREDENCE_DATABASE_URL": settings.database_url,
            "CREDENCE_JOBS_DATABASE_URL": settings.jobs_database_url,
        }
        command = [sys.executable, "-m", "service.cli", "serve", "--no-worker", "--port", str(port)]
        address, log = f"http://127.0.0.1:{port}", tmp_path / f"serve-{port}.log"
        served = Served(command, kept | given | environment, address, log)
        served.start()
        try:
            yield served
        finally:
            served.process.kill()
            served.process.wait()

    return serve


@pytest.fixture
def record(on_database) -> Any:
    """Store a fit to what is resolved now, with what became of its sampling."""

    def store(sampled: Sampled) -> Fit:
        async def work(database: Database) -> Fit:
            async with database.read() as session:
                job = await fits.read_job(session)
            return await fits.record(database, Aggregator(0.8), job, sampled, seed=1)

        return on_database(work)

    return store


@pytest.fixture
def account(client: TestClient[Any], settings: Settings) -> Callable[..., Caller]:
    """Make an account and speak as it."""

    def make(name: str, role: Role = Role.forecaster, *, bot: bool = False) -> Caller:
        async def create(database: Database) -> tuple[Actor, str]:
            async with database.write() as session:
                actor = await accounts.create(session, name, role, bot=bot)
                return actor, (await tokens.issue(session, actor.id, "first"))[1]

        actor, token = run_on(settings, create)
        return Caller(client, actor.id, token)

    return make


@pytest.fixture
def refused() -> Callable[..., None]:
    """Check that an answer is problem+json with a status, some words and a field."""

    def check(answer: Any, status: int, *words: str, field: str | None = None) -> None:
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        said = answer.json()
        assert said["status"] == status
        assert {"type", "title", "detail", "instance"} <= said.keys()
        for word in words:
            assert word in said["detail"]
        if field is not None:
            assert field in [error["field"] for error in said["errors"]]

    return check


@pytest.fixture
def statements(client: TestClient[Any]) -> Callable[[], AbstractContextManager[list[str]]]:
    """Collect the statements that the service sends while a block runs."""

    @contextmanager
    def collect() -> Iterator[list[str]]:
        sent: list[str] = []
        engine = client.app.state.database.engine.sync_engine

        def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            sent.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            yield sent
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return collect


@pytest.fixture
def opened(client, account, on_database) -> Callable[..., Any]:
    """Ask for a page as an account of a role, or as a visitor."""
    secrets: dict[str, str] = {}

    def ask(method: str, path: str, who: str = "visitor", **options: Any) -> Any:
        headers = {"Sec-Fetch-Site": "same-origin"}
        if who != "visitor":
            if who not in secrets:
                caller = account(who, Role(who))

                async def begin(database: Database) -> str:
                    return await sessions.begin(database, caller.id)

                secrets[who] = on_database(begin)
            headers["Cookie"] = f"__Host-credence={secrets[who]}"
        return client.request(method, path, headers=headers, follow_redirects=False, **options)

    return ask


@pytest.fixture
def curator(account: Callable[..., Caller]) -> Caller:
    return account("curator", Role.curator)


@pytest.fixture
def question(settings: Settings, opened_at: datetime) -> Callable[..., int]:
    """Store a question; by default it is open."""

    def make(slug: str = "rain", in_set: str = "tests", **changes: Any) -> int:
        async def store(database: Database) -> int:
            async with database.write() as session:
                return await _store_question(session, slug, in_set, opened_at, changes)

        return run_on(settings, store)

    return make


@pytest.fixture
def sky(settings: Settings, curator: Caller, opened_at: datetime) -> Callable[..., dict[str, int]]:
    """Load the set `almanac` with questions as a file says them; the ids of its questions."""

    def make(head: dict[str, Any] | None = None, **asked: dict[str, Any]) -> dict[str, int]:
        told: dict[str, Any] = {
            "implication": "wet",
            "polarity": "supports",
            "why": "Rain is wet.",
            "kind": "binary",
            "title": "Will it fall?",
            "background": "It did.",
            "background_as_of": opened_at.date(),
            "criteria": "Yes if it does.",
            "fine_print": "None.",
            "domain": "sky",
            "window_starts_at": opened_at,
            "deadline_at": opened_at + timedelta(days=300),
            "opens_at": opened_at,
            "closes_at": opened_at + timedelta(days=300),
            "resolves_by": opened_at + timedelta(days=300),
        }
        written = WrittenSet(
            version=1,
            slug="almanac",
            title="Almanac",
            description="The sky.",
            defaults="UTC.",
            document=Document(title="Almanac", origin="our own"),
            implications=(
                Implication(
                    slug="wet", section="1", paraphrase="Rain.", hedge="may", actors=("the sky",)
                ),
            ),
            questions=tuple(
                WrittenQuestion(slug=slug, **(told | changes)) for slug, changes in asked.items()
            ),
            **(head or {}),
        )

        async def load(database: Database) -> None:
            async with database.write() as session:
                await questions.load(session, written)

        run_on(settings, load)
        listed = curator.get("/questions", set="almanac", limit=200).json()["items"]
        return {one["slug"]: one["id"] for one in listed}

    return make


@pytest.fixture
def shipped(settings: Settings) -> list[questions.Loaded]:
    """The shipped sets, loaded."""

    async def load(database: Database) -> list[questions.Loaded]:
        async with database.write() as session:
            return [
                await questions.load(session, read_set(path)) for path in find_sets(SHIPPED_SETS)
            ]

    return run_on(settings, load)


def run_on(settings: Settings, work: Callable[[Database], Any]) -> Any:
    """Run a piece of work on the test's database, in a loop of its own."""

    async def run() -> Any:
        database = Database(settings.url)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


async def _store_question(
    session: AsyncSession, slug: str, in_set: str, opened_at: datetime, changes: dict[str, Any]
) -> int:
    stored = await session.scalar(select(QuestionSet).where(QuestionSet.slug == in_set))
    if stored is None:
        stored = QuestionSet(
            slug=in_set,
            title="Tests",
            description="",
            defaults="",
            document={},
            created_at=opened_at,
        )
        session.add(stored)
        await session.flush()
    row = Question(set_id=stored.id, slug=slug, created_at=opened_at)
    session.add(row)
    await session.flush()
    values: dict[str, Any] = {
        "number": 1,
        "content_hash": "0" * 64,
        "implication_id": None,
        "polarity": "neutral",
        "why": "",
        "title": f"Will {slug} come before December 1, 2027?",
        "background": "",
        "background_as_of": None,
        "criteria": "",
        "fine_print": "",
        "sources": [],
        "domain": "weather",
        "tags": [],
        "weight": 1.0,
        "draft": False,
        "window_starts_at": None,
        "deadline_at": None,
        "opens_at": opened_at,
        "closes_at": opened_at + timedelta(days=300),
        "resolves_by": None,
        "created_at": opened_at,
    }
    await questions.add_revision(
        session, QuestionRevision(question_id=row.id, **(values | changes))
    )
    return int(row.id)


def _migrate(url: str) -> None:
    async def migrate(database: Database) -> None:
        await database.migrate()

    run_on(Settings(database_url=url, jobs_database_url="sqlite:///unused.db"), migrate)
