"""Speed and memory of the service, as ratios to a baseline measured in the same run.

Run: `python benchmarks/submissions.py` (about a minute). The baseline is an empty Litestar handler
that does one insert into the same kind of database, in the same server.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil

from service import accounts, questions, tokens
from service.database import Database
from service.models import Question, QuestionRevision, QuestionSet, Role
from service.settings import Settings

FORECASTERS = 300
REPEATS = 200
BASELINE = """
from sqlalchemy import text
from litestar import Litestar, post
from service.database import Database
from service.settings import Settings
import uvicorn, sys

database = Database(Settings().url)

@post("/insert")
async def insert() -> dict[str, int]:
    async with database.write() as session:
        await session.execute(text("INSERT INTO baseline (value) VALUES (1)"))
    return {"ok": 1}

async def create() -> None:
    async with database.write() as session:
        await session.execute(text("CREATE TABLE baseline (id INTEGER PRIMARY KEY, value REAL)"))

uvicorn.run(
    Litestar([insert], on_startup=[create]), port=int(sys.argv[1]), log_level="error"
)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        tokens, question_id = asyncio.run(prepare(Path(folder)))
        command = [sys.executable, "-m", "service.cli", "serve", "--no-worker", "--port", "8931"]
        with serving(command, folder, "http://127.0.0.1:8931/readyz") as (server, ready):
            path = f"/api/v1/questions/{question_id}/forecasts"
            with httpx.Client(base_url="http://127.0.0.1:8931") as client:
                for token in tokens:
                    submit(client, path, token, 0.5)
                submits = timed(
                    REPEATS, lambda step: submit(client, path, tokens[step % 300], 0.001 * step)
                )
                reads = timed(
                    REPEATS,
                    lambda _: get(client, f"/api/v1/questions/{question_id}", tokens[0]),
                )
            memory = psutil.Process(server.pid).memory_info().rss / 1e6
        command = [sys.executable, "-c", BASELINE, "8932"]
        with (
            serving(command, folder, "http://127.0.0.1:8932/insert"),
            httpx.Client(base_url="http://127.0.0.1:8932") as client,
        ):
            inserts = timed(REPEATS, lambda _: client.post("/insert").raise_for_status())
    print(f"web process ready after {ready:.2f} s, resident {memory:.0f} MB")
    report("one insert by an empty handler (baseline)", inserts, inserts)
    report(f"submit on {FORECASTERS} forecasters, with the aggregate", submits, inserts)
    report("read a question with its aggregate", reads, inserts)


async def prepare(folder: Path) -> tuple[list[str], int]:
    """A migrated database with one open question and its forecasters."""
    database = Database(Settings(database_url=f"sqlite:///{folder / 'credence.db'}").url)
    await database.migrate()
    at = datetime.now(UTC)
    async with database.write() as session:
        stored = QuestionSet(
            slug="b", title="b", description="", defaults="", document={}, created_at=at
        )
        session.add(stored)
        await session.flush()
        question = Question(set_id=stored.id, slug="q", created_at=at)
        session.add(question)
        await session.flush()
        texts = dict.fromkeys(("why", "background", "criteria", "fine_print"), "text " * 200)
        await questions.add_revision(
            session,
            QuestionRevision(
                question_id=question.id,
                number=1,
                content_hash="",
                implication_id=None,
                polarity="neutral",
                title="Will it?",
                background_as_of=None,
                sources=[],
                domain="d",
                tags=[],
                weight=1.0,
                draft=False,
                window_starts_at=None,
                deadline_at=None,
                opens_at=at - timedelta(days=1),
                closes_at=at + timedelta(days=30),
                resolves_by=None,
                created_at=at,
                **texts,
            ),
        )
        secrets = []
        for index in range(FORECASTERS):
            made = await accounts.create(session, f"f{index}", Role.forecaster)
            secrets.append((await tokens.issue(session, made.id, "first"))[1])
    await database.close()
    return secrets, question.id


@contextmanager
def serving(
    command: list[str], folder: str, address: str
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    started = time.perf_counter()
    server = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        while True:
            if server.poll() is not None:
                raise SystemExit(f"{command[1:3]} ended with {server.returncode}")
            try:
                httpx.get(address)
                break
            except httpx.TransportError:
                time.sleep(0.02)
        yield server, time.perf_counter() - started
    finally:
        server.terminate()
        server.wait()


def submit(client: httpx.Client, path: str, token: str, probability: float) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    client.post(path, json={"probability": probability}, headers=headers).raise_for_status()


def get(client: httpx.Client, path: str, token: str) -> None:
    client.get(path, headers={"Authorization": f"Bearer {token}"}).raise_for_status()


def timed(repeats: int, call: Callable[[int], object]) -> list[float]:
    seconds = []
    for step in range(repeats):
        started = time.perf_counter()
        call(step)
        seconds.append(time.perf_counter() - started)
    return seconds


def report(what: str, seconds: list[float], baseline: list[float]) -> None:
    middle = statistics.median(seconds)
    p95 = statistics.quantiles(seconds, n=20)[-1]
    ratio = middle / statistics.median(baseline)
    print(f"{what}: median {middle * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms, {ratio:.1f} x baseline")


if __name__ == "__main__":
    main()
