"""Exports of each platform are stored by the command, once, and shown like other questions."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, update

from forecasting.panel import QUESTION_COLUMNS
from service.accounts import sessions
from service.cli import main
from service.database.engine import Database
from service.models import Account, Base, Role

FILES: dict[str, dict[str, Any]] = {
    "the Good Judgment Project": {
        "ifps.csv": "ifp_id,q_text,q_status,date_start,date_to_close,date_closed,outcome,options\n"
        '1002-0,Who wins?,closed,9/1/11,5/15/12,5/6/12,b,"(a) Red, (b) Blue, (c) Neither"\n',
        "survey_fcasts.yr1.csv": "ifp_id,user_id,fcast_type,answer_option,value,fcast_date,"
        "timestamp\n1002-0,600,0,a,0.2,2011-09-05,2011-09-05 16:17:18\n"
        "1002-0,600,0,b,0.7,2011-09-05,2011-09-05 16:17:18\n"
        "1002-0,600,0,c,0.1,2011-09-05,2011-09-05 16:17:18\n",
    },
    "Good Judgment Open": {
        "prediction_sets.json": {
            "prediction_sets": [
                {
                    "id": 1,
                    "question_id": 10,
                    "question_name": "Who wins?",
                    "membership_id": 7,
                    "created_at": "2018-01-26T01:34:25.519Z",
                    "predictions": [
                        {"answer_name": name, "forecasted_probability": value}
                        for name, value in (("Red", 0.2), ("Blue", 0.7), ("Neither", 0.1))
                    ],
                }
            ]
        },
        "questions.json": {
            "questions": [
                {
                    "id": 10,
                    "name": "Who wins?",
                    "published_at": "2018-01-01T00:00:00.000Z",
                    "ends_at": "2018-02-01T00:00:00.000Z",
                    "resolved_at": "2018-02-02T00:00:00.000Z",
                    "answers": [
                        {"id": 1, "name": "Red", "probability": 0.0},
                        {"id": 2, "name": "Blue", "probability": 1.0},
                        {"id": 3, "name": "Neither", "probability": 0.0},
                    ],
                }
            ]
        },
    },
    "Manifold": {
        "bets.json": [
            {
                "id": f"b{number}",
                "userId": "ann",
                "contractId": f"m{number}",
                "createdTime": 1_683_604_157_926,
                "probBefore": 0.4,
                "probAfter": 0.5,
            }
            for number in range(3)
        ],
        "markets.json": [
            {
                "id": f"m{number}",
                "question": f"Will {number} win?",
                "createdTime": 1_683_600_000_000,
                "closeTime": 1_683_700_000_000,
                "resolution": "NO",
                "resolutionTime": 1_683_700_000_000,
            }
            for number in range(3)
        ],
    },
    "ForecastBench": {
        "2024-07-21-llm.json": {
            "forecast_due_date": "2024-07-21",
            "question_set": "2024-07-21-llm.json",
            "questions": [
                {
                    "id": "GDP",
                    "source": "fred",
                    "question": "Will it rise by {resolution_date}?",
                    "resolution_dates": ["2024-07-28", "2024-08-20", "2024-10-19"],
                }
            ],
        },
        "2024-07-21.acme.1.json": {
            "organization": "acme",
            "model": "oracle",
            "question_set": "2024-07-21-llm.json",
            "forecasts": [
                {"id": "GDP", "source": "fred", "forecast": 0.3, "resolution_date": date}
                for date in ("2024-07-28", "2024-08-20", "2024-10-19")
            ],
        },
        "2024-07-21_resolution_set.json": {
            "forecast_due_date": "2024-07-21",
            "question_set": "2024-07-21-llm.json",
            "resolutions": [
                {
                    "id": "GDP",
                    "source": "fred",
                    "resolution_date": date,
                    "resolved": True,
                    "resolved_to": 1.0,
                }
                for date in ("2024-07-28", "2024-08-20", "2024-10-19")
            ],
        },
    },
}


@pytest.fixture
def credence(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("CREDENCE_DATABASE_URL", database_url)

    def run(*arguments: object) -> str:
        done = CliRunner().invoke(main, [str(one) for one in arguments])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("platform", FILES)
def test_an_export_is_stored_once_and_shown(
    platform: str, tmp_path: Path, credence, account, client, on_database
) -> None:
    root = account("root", Role.administrator)
    for name, content in FILES[platform].items():
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text)
    stored = "set cup: 3 questions (3 resolved), 3 forecasts of 1 forecasters imported\n"
    assert credence("import", tmp_path, "--set", "cup").startswith(stored)
    again = "set cup: 0 questions (0 resolved), 0 forecasts of 0 forecasters imported\n"
    assert credence("import", tmp_path, "--set", "cup").startswith(again)
    listed = root.get("/questions", set="cup").json()["items"]
    assert len(listed) == 3
    assert root.get("/sets/cup").json()["description"].startswith(f"Imported from {platform}")
    cookie = f"__Host-credence={on_database(lambda database: sessions.begin(database, root.id))}"
    for question in listed:
        answer = root.get(f"/questions/{question['id']}")
        assert answer.json()["resolution"]["outcome"] in {"yes", "no"}
        page = client.get(f"/questions/{question['id']}", headers={"Cookie": cookie})
        assert page.status_code == 200
        assert question["title"] in page.text


def panel_of(*last: str) -> str:
    """A table of many forecasts that are fine, and a last one."""
    at = datetime.now(UTC) - timedelta(days=9)
    rows = [f"ann,q{number % 60},{at.isoformat()},0.4" for number in range(600)]
    return "\n".join(["forecaster_id,question_id,time,probability", *rows, ",".join(last)]) + "\n"


def days(number: int) -> str:
    return (datetime.now(UTC) + timedelta(days=number)).isoformat()


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (("ann", "q1", days(-1), "much"), "much"),
        (("eve", "q1", days(-1), "0.5"), "cup:eve"),
    ],
    ids=["a word as probability", "a name that is taken"],
)
def test_a_bad_file_stores_nothing_and_others_write_on(
    last, reason, tmp_path: Path, serving, account, question, on_database, monkeypatch, settings
) -> None:
    bob, rain, taken = account("bob"), question(), account("eve")
    (tmp_path / "forecasts.csv").write_text(panel_of(*last))
    asked = "\n".join(f"q{number},Will {number} come?,,,,," for number in range(60))
    (tmp_path / "questions.csv").write_text(f"{','.join(QUESTION_COLUMNS)}\n{asked}\n")
    monkeypatch.setenv("CREDENCE_DATABASE_URL", settings.database_url)

    async def rename(database: Database) -> None:
        """As names could be once."""
        async with database.write() as session:
            await session.execute(
                update(Account).where(Account.id == taken.id).values(name="cup:eve", key="cup:eve")
            )

    async def sizes(database: Database) -> dict[str, int]:
        async with database.read() as session:
            return {
                table.name: await session.scalar(select(func.count()).select_from(table)) or 0
                for table in Base.metadata.sorted_tables
                if table.name not in {"aggregate", "idempotent_request"}
            }

    on_database(rename)
    before, ended = on_database(sizes), threading.Event()
    with serving() as served, ThreadPoolExecutor(1) as pool:

        def write() -> list[int]:
            headers, statuses = {"Authorization": f"Bearer {bob.token}"}, []
            path = f"{served.url}/api/v1/questions/{rain}/forecasts"
            while len(statuses) < 3 or not ended.is_set():
                answer = httpx.post(path, json={"probability": 0.3}, headers=headers, timeout=60)
                statuses.append(answer.status_code)
            return statuses

        writing = pool.submit(write)
        try:
            done = CliRunner().invoke(main, ["import", str(tmp_path), "--set", "cup"])
        finally:
            ended.set()
        statuses = writing.result()
    assert set(statuses) == {201}
    assert done.exit_code == 1
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert on_database(sizes) == before | {"forecast": len(statuses)}
