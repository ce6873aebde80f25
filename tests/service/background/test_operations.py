"""Operations: backups that come back whole, logs, metrics, health, and an orderly end."""

import json
import logging
import re
import signal
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner, Result
from litestar.testing import TestClient
from sqlalchemy import text

from service.app import create_app
from service.cli import main
from service.database.engine import Database
from service.models import Role
from service.settings import Settings
from service.web import request_logging


@pytest.fixture
def credence(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CREDENCE_DATABASE_URL", database_url)
    return lambda *arguments: CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture
def lived_in(account, curator, question) -> int:
    """A database with forecasts, a resolution, scores, answers to comments and somebody's bot."""
    ann, bob = account("ann"), account("bob")
    bot = {"name": "annbot", "role": "forecaster", "bot": True, "owner_id": ann.id}
    assert account("root", Role.administrator).post("/accounts", bot).status_code == 201
    rain, snow = question("rain"), question("snow")
    for person, chance in ((ann, 0.3), (bob, 0.8), (ann, 0.25)):
        person.forecast(rain, chance, rationale="Wölken — “dark”\n")
    bob.forecast(snow, 0.5)
    bob("DELETE", f"/questions/{snow}/forecasts/current")
    said = ann.post(f"/questions/{rain}/comments", {"text": "It rains."}).json()["id"]
    bob.post(f"/questions/{rain}/comments", {"text": "It does.", "parent_id": said})
    curator.resolve(rain, "yes")
    return rain


def told(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def test_a_backup_comes_back_whole_into_either_database(
    credence, lived_in, tmp_path, monkeypatch: pytest.MonkeyPatch, empty_postgresql, settings
) -> None:
    file = tmp_path / "backup.db"
    before = told(credence("verify", "--derived"))
    assert "rows, checked" in told(credence("backup", file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.glob("*backup*")] == ["backup.db"]
    again = credence("backup", file)
    assert (again.exit_code, "overwrites nothing" in again.output) == (1, True)
    held = credence("restore", file)
    assert (held.exit_code, "holds rows already" in held.output) == (1, True)

    for url in (f"sqlite:///{file}", f"sqlite:///{tmp_path / 'new.db'}", empty_postgresql):
        monkeypatch.setenv("CREDENCE_DATABASE_URL", url)
        if not url.endswith("/backup.db"):
            assert "rows restored" in told(credence("restore", file))
        assert told(credence("verify", "--derived")) == before
    moved = Settings(database_url=empty_postgresql, jobs_database_url=settings.jobs_database_url)
    with TestClient(create_app(moved)) as client:
        made = told(credence("account", "create", "zoe", "--role", "forecaster", "--token"))
        headers = {"Authorization": f"Bearer {made.strip().splitlines()[-1]}"}
        shown = client.get(f"/api/v1/questions/{lived_in}", headers=headers).json()
    assert shown["state"] == "resolved"


def test_what_is_no_backup_is_refused(credence, lived_in, tmp_path, monkeypatch) -> None:
    good, cut, other = tmp_path / "good.db", tmp_path / "cut.db", tmp_path / "other.db"
    told(credence("backup", good))
    cut.write_bytes(good.read_bytes()[:-8192])
    with closing(sqlite3.connect(other)) as connection:
        connection.executescript("CREATE TABLE mine (id INTEGER)")
    monkeypatch.setenv("CREDENCE_DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    for file in (cut, other, tmp_path / "none.db", tmp_path):
        refused = credence("restore", file)
        assert refused.exit_code == 1
        assert refused.output.startswith("credence: "), refused.output


def test_a_score_or_an_aggregate_that_the_facts_do_not_lead_to_is_told(
    credence, lived_in, on_database
) -> None:
    async def change(database: Database) -> None:
        async with database.write() as session:
            await session.execute(text("UPDATE aggregate SET probability = 0.111"))
            await session.execute(text("UPDATE score SET brier = 0.5"))

    on_database(change)
    assert credence("verify").exit_code == 0
    found = credence("verify", "--derived")
    assert found.exit_code == 1
    assert found.output.count("does not follow from the facts") == 2
    assert "the scores do not follow from the facts" in found.output


def test_an_error_and_its_log_carry_the_id_of_their_request(
    client, account, caplog: pytest.LogCaptureFixture
) -> None:
    ann = account("ann")
    given = ann("GET", "/questions/9", headers={"X-Request-Id": "abc-1.2"})
    assert given.headers["x-request-id"] == given.json()["request_id"] == "abc-1.2"
    for bad in ("a b", "x" * 65, "<script>"):
        made = ann("GET", "/questions/9", headers={"X-Request-Id": bad})
        assert made.headers["x-request-id"] == made.json()["request_id"] != bad
    lost = client.get("/api/v1/nowhere")
    assert lost.headers["x-request-id"] == lost.json()["request_id"]
    assert client.get("/healthz").headers["x-request-id"] != lost.headers["x-request-id"]


def test_a_line_of_the_log_is_json_with_the_request(settings, monkeypatch) -> None:
    lines: list[str] = []
    handler = logging.StreamHandler()
    handler.setFormatter(request_logging.Json())
    handler.addFilter(request_logging._mark)
    monkeypatch.setattr(handler, "emit", lambda record: lines.append(handler.format(record)))
    logger = logging.getLogger("service.web.request_logging")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    chatty = Settings(
        database_url=settings.database_url,
        jobs_database_url=settings.jobs_database_url,
        log_requests="all",
    )
    try:
        with TestClient(create_app(chatty)) as client:
            client.get("/readyz?secret=1", headers={"X-Request-Id": "r-1"})
            client.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"})
    finally:
        logger.removeHandler(handler)
    line, refused = map(json.loads, lines[-2:])
    assert (line["path"], line["status"], line["request_id"]) == ("/readyz", 200, "r-1")
    assert "secret" not in lines[-2]
    assert (refused["path"], refused["status"]) == ("/sign-out", 403)


def test_the_metrics_tell_requests_aggregates_fits_and_deliveries(
    client, account, question
) -> None:
    account("ann").forecast(question(), 0.3)
    shown = client.get("/metrics").text
    for line in (
        'path="/api/v1/questions/{question_id}/forecasts",status_code="201"}',
        "credence_request_duration_seconds_bucket",
        'credence_aggregates_total{cause="forecast"}',
        "credence_database_up 1.0",
        "credence_fit_behind 0.0",
        'credence_fits{status="accepted"} 0.0',
        "credence_deliveries_due 0.0",
    ):
        assert line in shown, line


def test_health_and_readiness_tell_the_truth(settings, tmp_path) -> None:
    """Of a database that is away, and of one whose migrations are behind."""
    with TestClient(create_app(settings)) as client:
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["fit_age_seconds"]) == (200, None)
    for url, reason in (
        (f"sqlite:///{tmp_path / 'empty.db'}", "another schema version"),
        (f"sqlite:///{tmp_path / 'none' / 'x.db'}", "does not answer"),
        ("postgresql://127.0.0.1:1/none", "does not answer"),
    ):
        away = Settings(database_url=url, jobs_database_url=settings.jobs_database_url)
        with TestClient(create_app(away)) as client:
            answer = client.get("/readyz")
            assert (answer.status_code, reason in answer.json()["reason"]) == (503, True)
            assert client.get("/healthz").status_code == 200
            assert "credence_database_up 0.0" in client.get("/metrics").text


@pytest.mark.slow
@pytest.mark.real_clock
def test_requests_that_are_being_answered_finish_when_the_process_is_told_to_end(
    account, question, serving, lived_in
) -> None:
    ann, rain = account("zoe"), question("late")
    with serving() as served:
        process, url = served.process, served.url
        # A body of which the end is still to come holds its request open.
        went_on, ended = threading.Event(), threading.Event()

        def body() -> Any:
            yield b'{"probability": '
            went_on.set()
            ended.wait(20)
            yield b"0.4}"

        answers: list[httpx.Response] = []

        def submit() -> None:
            headers = {
                "Authorization": f"Bearer {ann.token}",
                "Content-Type": "application/json",
            }
            path = f"{url}/api/v1/questions/{rain}/forecasts"
            answers.append(httpx.post(path, content=body(), headers=headers, timeout=60))

        caller = threading.Thread(target=submit)
        caller.start()
        assert went_on.wait(20)
        process.send_signal(signal.SIGTERM)
        refused = False
        while not refused:
            try:
                httpx.get(f"{url}/healthz", timeout=5)
            except httpx.TransportError:
                refused = True
        ended.set()
        caller.join()
        assert answers[0].status_code == 201
        assert process.wait(timeout=30) in {0, -signal.SIGTERM}
    listed = ann.get(f"/questions/{rain}/forecasts", mine=True).json()["items"]
    assert [one["probability"] for one in listed] == [0.4]


DOCS = Path(__file__).parents[3] / "docs"
WRITTEN = (DOCS / "operations.md").read_text(encoding="utf-8")
DEPLOYED = "".join(
    file.read_text(encoding="utf-8") for file in sorted((DOCS / "deployment").iterdir())
)


def test_what_the_page_on_operations_names_is_there(settings) -> None:
    with TestClient(create_app(settings)) as client:
        client.get("/healthz")
        shown = client.get("/metrics").text
    for name in set(re.findall(r"\bcredence_\w+", WRITTEN)):
        assert f"# TYPE {name.removesuffix('_total')}" in shown, name
    known = {variable for variable, _, _ in Settings.table()}
    assert set(re.findall(r"\bCREDENCE_[A-Z_]+", WRITTEN + DEPLOYED)) <= known
    for command in re.findall(r"(?:`|bin/|    |&& exec |\")credence ([a-z]+)", WRITTEN + DEPLOYED):
        assert command in main.list_commands(click.Context(main))
    for link in re.findall(r"\]\(([^)#:]+)\)", WRITTEN):
        assert (DOCS / link).exists()


def test_what_is_deployed_runs_commands_with_options_that_there_are() -> None:
    told = re.findall(r"bin/credence (\w+)(.*)|credence (serve)( --.*)\"", DEPLOYED)
    started = [(one[0] or one[2], one[1] or one[3]) for one in told]
    assert {name for name, _ in started} == {"init", "serve"}
    for name, options in started:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        known = {text for option in command.params for text in option.opts}
        assert set(re.findall(r"--\S+", options)) <= known
    for copied in re.findall(r"^COPY (?!--)(.*) \S+$", DEPLOYED, re.MULTILINE):
        for one in copied.split():
            assert (DOCS.parent / one).exists()


def test_links_lead_back_through_the_proxy_that_says_how_it_was_asked(settings, question) -> None:
    question()
    told = {"Host": "forecasts.example", "X-Forwarded-Proto": "gopher, https"}
    for trusted, scheme in (("X-Forwarded-For", "https"), ("", "http")):
        proxied = replace(settings, client_address_header=trusted, readers="everyone")
        with TestClient(create_app(proxied)) as client:
            asked = client.get("/sets/tests/feed.atom", headers=told)
            assert f"{scheme}://forecasts.example/sets/tests" in asked.text
