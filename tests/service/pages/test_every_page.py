"""Every page, for everyone, of databases that hold one of everything, nothing, or an import."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from litestar.testing import TestClient
from sqlalchemy import select

from service.accounts import accounts, sessions
from service.app import create_app
from service.cli import main
from service.database.engine import Database
from service.models import Account, Question, QuestionSet, Role
from service.settings import Settings

pytestmark = pytest.mark.slow

SURVEY = Path(__file__).parents[2] / "data" / "replication_surveys"
SURVEYED = 3
"""How many of the survey's questions are imported here."""
DRAWN = 4
"""How many charts of a kind are drawn as pictures here: it is the same data as in the others."""
VISITOR = "visitor"
QUERIES = {
    "/questions/{question_id:int}": ["", "probability=40&rationale=why", "pool=mean&pool=median"],
    "/questions/{question_id:int}/preview": ["probability=40"],
    "/leaderboard": [f"score={kind}&pools=true" for kind in ("peer", "baseline", "brier", "log")],
    "/calibration": ["", "of=mean&horizon=7", "of=2"],
    "/questions": ["", *(f"state={one}" for one in ("draft", "open", "closed", "resolved"))],
}
"""What some pages are asked with."""
NOTHING_TO_SHOW = {
    "/questions/{question_id:int}/preview": {204, 409},
    "/tasks/{task_id:int}/file": {404, 409},
    "/curate/sets/{slug:str}/set.toml": {409},
    "/calibration.json": {422},
    "/calibration.svg": {422},
    "/calibration.png": {422},
}
"""What a page may answer that has nothing to show; somebody can read every other page."""
REFUSED = {303, 403, 404}
"""What a page may answer: sign in, not for you, nothing that you may know of."""
NOTHING: dict[str, list[Any]] = {
    "question_id": [1],
    "slug": ["none"],
    "slug, implication": [("none", "none")],
    "forecaster_id": [99],
    "account_id": [99],
    "leaderboard_id": [1],
    "webhook_id": [1],
    "task_id": [1],
}


@pytest.fixture
def crawl(
    settings: Settings, on_database, caplog: pytest.LogCaptureFixture, readable, address_of
) -> Callable[[dict[str, list[Any]]], dict[tuple[str, str], int]]:
    """Open every page as everybody; the statuses by reader and address, after checks of each."""

    def read(filled: dict[str, list[Any]]) -> dict[tuple[str, str], int]:
        secrets = on_database(_enter)
        found: dict[tuple[str, str], int] = {}
        open_to_all = replace(settings, readers="everyone", requests_per_minute=0)
        with TestClient(create_app(open_to_all), raise_server_exceptions=False) as client:
            for path, names in readable(client.app):
                picture = path.endswith((".svg", ".png"))
                # A page with a new name in its path needs a line in what fills the paths.
                for values in filled[names][: DRAWN if picture else None] if names else [()]:
                    for query in QUERIES.get(path, [""]):
                        address = address_of(path, values, query)
                        for who in [Role.administrator] if picture else [VISITOR, *secrets]:
                            headers = {"Cookie": f"__Host-credence={secrets.get(who, '')}"}
                            answer = client.get(address, headers=headers, follow_redirects=False)
                            status = found[who, address] = answer.status_code
                            allowed = NOTHING_TO_SHOW.get(path, set())
                            assert status in {200} | REFUSED | allowed, (who, address)
                            assert status != 200 or answer.content, (who, address)
                            assert "Traceback" not in answer.text, (who, address)
                        shown = any(found.get((who, address)) == 200 for who in [VISITOR, *Role])
                        assert shown or allowed or filled is NOTHING, address
        assert [one for one in caplog.records if one.name == "service.web.problems"] == []
        return found

    return read


async def _enter(database: Database) -> dict[str, str]:
    """The secret of a browser's session of somebody of each role."""
    found = {}
    for role in Role:
        async with database.write() as session:
            one = await session.scalar(select(Account.id).where(Account.role == role).limit(1))
            account_id = one or (await accounts.create(session, role, role)).id
        found[role] = await sessions.begin(database, account_id)
    return found


def test_everything_that_can_be_stored_can_be_shown(crawl, on_database, furnish_everything) -> None:
    filled = on_database(furnish_everything)
    found = crawl(filled)
    for role in set(Role) - {Role.viewer}:
        assert sum(status == 200 for (who, _), status in found.items() if who == role) > 200


def test_every_page_of_an_empty_database_says_that_there_is_nothing(crawl) -> None:
    found = crawl(NOTHING)
    assert found[Role.administrator, "/"] == found[VISITOR, "/questions"] == 200
    assert found[VISITOR, "/questions/1"] == 404


def test_every_page_of_an_imported_folder_can_be_read(
    crawl, on_database, account, settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account("root", Role.administrator)
    monkeypatch.setenv("CREDENCE_DATABASE_URL", settings.database_url)
    done = CliRunner().invoke(main, ["import", str(_survey(tmp_path / "survey"))])
    assert done.exit_code == 0, done.output

    async def fill(database: Database) -> dict[str, list[Any]]:
        async with database.read() as session:
            people = list(await session.scalars(select(Account.id).limit(5)))
            return {name: [] for name in NOTHING} | {
                "question_id": list(await session.scalars(select(Question.id))),
                "slug": list(await session.scalars(select(QuestionSet.slug))),
                "forecaster_id": people,
                "account_id": people,
            }

    filled = on_database(fill)
    found = crawl(filled)
    assert len(filled["question_id"]) == SURVEYED
    for who in (VISITOR, *Role):
        assert {found[who, f"/questions/{one}"] for one in filled["question_id"]} == {200}


def _survey(folder: Path) -> Path:
    """The first questions of the survey with their forecasts, in a folder of their own."""
    folder.mkdir()
    lines = (SURVEY / "questions.csv").read_text("utf-8").splitlines(keepends=True)
    (folder / "questions.csv").write_text("".join(lines[: SURVEYED + 1]), "utf-8")
    kept = {line.split(",")[0] for line in lines[1 : SURVEYED + 1]}
    with gzip.open(SURVEY / "forecasts.csv.gz", "rt", encoding="utf-8") as file:
        head, *rows = file
    chosen = [row for row in rows if row.split(",")[1] in kept]
    (folder / "forecasts.csv").write_text(head + "".join(chosen), "utf-8")
    return folder
