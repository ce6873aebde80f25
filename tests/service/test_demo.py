"""The demonstration: it has life on every page, on any day, and leaves one's own database alone."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner
from litestar.testing import TestClient
from sqlalchemy import select

from service import questions
from service.app import create_app
from service.cli import main
from service.database import Database
from service.demo.population import populate
from service.models import Fit
from service.questions import State
from service.settings import Settings

YEARS_AHEAD = [0, 1, 5]
PAGES = (
    "/",
    "/questions",
    "/questions/1",
    "/sets/port-aldery",
    "/leaderboard",
    "/calibration",
    "/model",
)


async def _states(database: Database) -> dict[str, set[str]]:
    """The slugs of the questions in each state."""
    async with database.read() as session:
        views = await questions.views(session, questions.views_query(None))
    at = datetime.now(UTC)
    return {
        state: {view.question.slug for view in views if view.state(at) is state} for state in State
    }


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("years", YEARS_AHEAD)
def test_on_any_day_there_are_questions_in_every_state(settings, on_database, years: int) -> None:
    async def fill(database: Database) -> dict[str, set[str]]:
        await populate(database, settings, "any password")
        return await _states(database)

    with time_machine.travel(datetime.now(UTC) + timedelta(days=365 * years)):
        states = on_database(fill)
    assert {"ferries-carry-12000", "tunnel-opens", "night-ferry-starts"} <= states[State.open]
    assert "bridge-referendum" in states[State.upcoming]
    assert "harbour-fees-raised" in states[State.closed]
    assert "pier-museum" in states[State.draft]
    assert len(states[State.resolved]) > 100
    assert {"storm-closes-the-port", "ferry-company-sold"} <= states[State.resolved]


def test_the_demonstration_fills_pages_boards_and_fits(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = f"sqlite:///{tmp_path / 'own.db'}"
    monkeypatch.setenv("CREDENCE_DATABASE_URL", own)
    monkeypatch.setenv("CREDENCE_READERS", "members")
    monkeypatch.setenv("CREDENCE_BANNER", "Our own service")
    folder = tmp_path / "demo"
    done = CliRunner().invoke(main, ["demo", "--no-serve", "--folder", str(folder)])
    assert done.exit_code == 0, done.output
    assert "Ada Okafor (simulated)" in done.output
    assert not (tmp_path / "own.db").exists()
    settings = Settings(
        database_url=f"sqlite:///{folder / 'demo.db'}", readers="everyone", banner="A demonstration"
    )

    async def fits(database: Database) -> set[str]:
        async with database.read() as session:
            return set(await session.scalars(select(Fit.status)))

    assert run_on(settings, fits) == {"refused", "accepted"}
    with TestClient(create_app(settings)) as client:
        for path in PAGES:
            page = client.get(path)
            assert page.status_code == 200, path
            assert "A demonstration" in page.text, path
        assert "(simulated)" in client.get("/leaderboard").text
        assert "Not enough" not in client.get("/calibration").text


def run_on(settings: Settings, work: Callable[[Database], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        database = Database(settings.url)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())
