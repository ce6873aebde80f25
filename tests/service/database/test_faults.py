"""Faults, injected: nothing acknowledged is lost, nothing is double, and it goes on by itself.

`make faults` injects each many times (FAULT_ROUNDS) and prints what was lost.
"""

import hashlib
import io
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import time_machine
from sqlalchemy import delete, select, update
from sqlalchemy.engine import make_url

import migrations
from forecasting.panel import Panel, PanelQuestion
from forecasting.posterior import Posterior
from service.database.engine import Database, newest_revision
from service.exchange import imports
from service.fits.fits import Sampled
from service.models import Fit, FitStatus, Forecast, Role, Score
from service.questions import hash_chain
from service.questions.aggregates import Aggregator
from service.scoring import scores
from service.scoring.verification import compare

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
WRITERS = 8
PATIENCE_SECONDS = 6


@dataclass
class Writers:
    """Callers that submit until they are stopped, and repeat what got no answer under its key."""

    url: str
    tokens: list[str]
    questions: list[int]
    acknowledged: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)
    answer: threading.Event = field(default_factory=threading.Event)
    refusal: threading.Event = field(default_factory=threading.Event)

    def wait_for_an_answer(self) -> None:
        """Wait until a forecast is stored from now on."""
        self.answer.clear()
        assert self.answer.wait(120), "no forecast was taken within 120 s"

    def wait_for_a_refusal(self) -> None:
        self.refusal.clear()
        assert self.refusal.wait(120), "no forecast was refused within 120 s"

    def run(self, token: str, seed: int) -> None:
        chance = random.Random(seed)
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self.stopped.is_set():
                self._submit(client, token, chance)

    def _submit(self, client: httpx.Client, token: str, chance: random.Random) -> None:
        """One forecast, whatever happens: asked again until it is answered."""
        key = uuid4().hex
        path = f"/api/v1/questions/{chance.choice(self.questions)}/forecasts"
        body = {"probability": chance.randint(1, 99) / 100, "rationale": key}
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        for _ in range(3000):
            with suppress(httpx.TransportError):
                answer = client.post(path, json=body, headers=headers)
                if answer.status_code == 201:
                    self.acknowledged[key] = answer.json()["forecast"]["id"]
                    self.answer.set()
                    return
                assert answer.status_code == 503, answer.text
                self.refused += 1
                self.refusal.set()
            pause(0.05)
        raise AssertionError("a submission was not answered")


@contextmanager
def writing(url: str, tokens: list[str], questions: list[int]) -> Iterator[Writers]:
    """Eight writers while the block runs."""
    writers = Writers(url, tokens, questions)
    with ThreadPoolExecutor(len(tokens)) as pool:
        running = [pool.submit(writers.run, token, seed) for seed, token in enumerate(tokens)]
        try:
            yield writers
        finally:
            writers.stopped.set()
    for one in running:
        one.result()


@pytest.fixture
def crowd(account, question) -> tuple[list[str], list[int]]:
    tokens = [account(f"writer-{number}").token for number in range(WRITERS)]
    return tokens, [question(f"q{number}") for number in range(3)]


@pytest.fixture
def lost(on_database) -> Callable[[dict[str, int]], int]:
    """How many acknowledged forecasts are gone; fails if any is double, or anything derived off."""

    def count(acknowledged: dict[str, int]) -> int:
        async def work(database: Database) -> int:
            async with database.read() as session:
                rows = (await session.execute(select(Forecast.rationale, Forecast.id))).all()
                broken = [one.broken async for one in hash_chain.check(session) if one.broken]
            async with database.dry_run() as session:
                found = await compare(session)
            assert broken == found.differing == []
            assert not found.earlier
            stored = dict(rows)
            assert len(stored) == len(rows), "a forecast is there twice"
            return sum(stored.get(key) != row for key, row in acknowledged.items())

        return int(on_database(work))

    return count


def report(what: str, database_url: str, injected: int, writers_: list[Writers], gone: int) -> None:
    """Say how it went, for `make faults`."""
    acknowledged = sum(len(one.acknowledged) for one in writers_)
    refused = sum(one.refused for one in writers_)
    kind = make_url(database_url).get_backend_name()
    said = f"{what} ({kind}): {injected} injected, {acknowledged} acknowledged, {refused} answered"
    print(f"{said} with 503 and repeated, {gone} lost or double")  # noqa: T201  # what `make faults` is for


def pause(seconds: float) -> None:
    """Let what runs beside go on for a moment."""
    threading.Event().wait(seconds)


def test_a_web_process_killed_under_writers(serving, crowd, lost, database_url) -> None:
    chance, met = random.Random(1), []
    with serving() as served:
        for _ in range(ROUNDS):
            with writing(served.url, *crowd) as writers:
                writers.wait_for_an_answer()
                pause(chance.uniform(0, 0.5))
                served.process.kill()
                served.process.wait()
                served.start()
                writers.wait_for_an_answer()
            met.append(writers)
    gone = sum(lost(writers.acknowledged) for writers in met)
    report(f"web process killed under {WRITERS} writers", database_url, ROUNDS, met, gone)
    assert gone == 0


@pytest.mark.parametrize("database_url", ["own_server"], indirect=True)
def test_postgresql_killed_in_mid_transaction(
    serving, crowd, lost, own_server, database_url
) -> None:
    chance, met = random.Random(2), []
    with serving() as served:
        for _ in range(ROUNDS):
            with writing(served.url, *crowd) as writers:
                writers.wait_for_an_answer()
                pause(chance.uniform(0, 0.5))
                own_server.kill()
                assert httpx.get(f"{served.url}/readyz").status_code == 503
                assert httpx.get(f"{served.url}/healthz").status_code == 200
                own_server.start()
                writers.wait_for_an_answer()
            met.append(writers)
    gone = sum(lost(writers.acknowledged) for writers in met)
    report(f"PostgreSQL killed under {WRITERS} writers", database_url, ROUNDS, met, gone)
    assert gone == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_disk_that_is_full(serving, crowd, lost, database_url) -> None:
    """As the system tells a process whose files may not grow: on RLIMIT_FSIZE, not on a disk."""
    met = []
    with serving() as served:
        for _ in range(ROUNDS):
            with writing(served.url, *crowd) as writers:
                writers.wait_for_an_answer()
                resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (65_536, -1))
                writers.wait_for_a_refusal()
                assert httpx.get(f"{served.url}/readyz", timeout=60).status_code == 200
                resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (-1, -1))
                writers.wait_for_an_answer()
            met.append(writers)
    gone = sum(lost(writers.acknowledged) for writers in met)
    report("disk full", database_url, ROUNDS, met, gone)
    assert gone == 0


@dataclass
class Crew:
    """Two workers, one of which may be killed: another takes its place."""

    environment: dict[str, str]
    log: Path
    asked: Callable[[], dict[str, Any]]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def hire(self) -> None:
        command = [sys.executable, "-m", "service.cli", "worker"]
        with self.log.open("ab") as log:
            worker = subprocess.Popen(command, env=self.environment, stderr=log)
        self.workers[str(worker.pid)] = worker

    def busy(self, what: str) -> str:
        """The process of ours that does something, if one does."""
        for one in self.asked()["workers"]:
            pid = one["name"].split("-")[-2]
            if one["alive"] and what in one["doing"] and pid in self.workers:
                return pid
        return ""

    def kill(self, pid: str) -> None:
        worker = self.workers.pop(pid)
        worker.kill()
        worker.wait()
        self.hire()

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        """What a condition gives once it gives something."""
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            if found := condition():
                return found
            pause(0.1)
        raise AssertionError(f"it did not come within 600 s\n{self.log.read_text()}")


@pytest.fixture
def crew(settings, curator, tmp_path) -> Iterator[Crew]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CREDENCE_")}
    environment = kept | {
        "CREDENCE_DATABASE_URL": settings.database_url,
        "CREDENCE_FIT_DEBOUNCE_SECONDS": "0.2",
        "CREDENCE_FIT_CHECK_SECONDS": "2",
        "CREDENCE_WORKER_PATIENCE_SECONDS": str(PATIENCE_SECONDS),
    }
    # What the workers beat by is what tells who is alive.
    curator.client.app.state.settings = replace(
        settings, worker_patience_seconds=PATIENCE_SECONDS, fit_debounce_seconds=0.2
    )
    found = Crew(environment, tmp_path / "workers.log", lambda: curator.get("/jobs").json())
    found.hire()
    found.hire()
    yield found
    for worker in found.workers.values():
        worker.kill()
        worker.wait()


def test_a_worker_killed_in_mid_fit(
    serving, crowd, crew, account, curator, question, lost, database_url
) -> None:
    """Each time another worker makes the fit, once, without a hand."""
    chance = random.Random(3)
    tokens, open_ones = crowd
    people = [account(name) for name in ("ann", "bob", "eve")]
    asked = [question(f"asked-{number}") for number in range(ROUNDS + 1)]
    for number, one in enumerate(asked):
        for place, person in enumerate(people):
            said = 0.2 + 0.1 * (number % 5) + 0.05 * place
            person.forecast(one, said, rationale=uuid4().hex)
    interrupted = resolved = 0

    def made() -> int:
        return len(curator.get("/fits", limit=200).json()["items"])

    def behind() -> bool:
        return bool(crew.asked()["refit_behind"])

    with serving() as served, writing(served.url, tokens[:1], open_ones) as writers:
        for number in range(ROUNDS):
            writers.wait_for_an_answer()
            if not behind():
                curator.resolve(asked[resolved], "yes" if resolved % 2 else "no")
                resolved += 1
            before = made()
            victim = crew.wait_for(lambda: crew.busy("refit"))
            pause(chance.uniform(0, 8))
            crew.kill(victim)
            interrupted += made() == before
            if number % 5 == 4:
                crew.wait_for(lambda: not behind())
            writers.wait_for_an_answer()
        crew.wait_for(lambda: not behind())
    found = curator.get("/fits", limit=200).json()["items"]
    assert {fit["status"] for fit in found} == {"accepted"}, found
    covered = [fit["resolutions"] for fit in found]
    assert sorted(covered) == list(range(1, resolved + 1)), "a fit is missing, or made twice"
    gone = lost(writers.acknowledged)
    what = f"worker killed {interrupted} times in mid-fit, {len(found)} fits made"
    report(what, database_url, ROUNDS, [writers], gone)
    assert gone == 0


def test_a_worker_killed_in_a_rebuild(
    crew, account, question, curator, lost, on_database, database_url
) -> None:
    """Each time another worker goes on with it, and the scores are the same bytes in the end."""
    chance = random.Random(6)
    root, kept = account("root", Role.administrator), Writers("", [], [])
    people = [account(f"p{number}") for number in range(4)]
    asked = [question(f"asked-{number}") for number in range(120)]
    for one in asked:
        for person in people:
            key = uuid4().hex
            answer = person.forecast(one, chance.random(), rationale=key)
            kept.acknowledged[key] = answer.json()["forecast"]["id"]
        curator.resolve(one, "yes")

    async def stored(database: Database) -> bytes:
        async with database.read() as session:
            return b"".join([line async for line in scores.canonical(session)])

    async def spoil(database: Database) -> None:
        async with database.write() as session:
            await session.execute(delete(Score).where(Score.method == "median"))

    before, interrupted = on_database(stored), 0
    for _ in range(ROUNDS):
        on_database(spoil)
        task = f"/tasks/{root.post('/tasks/scores', None).json()['id']}"

        def ended(task: str = task) -> bool:
            return root.get(task).json()["status"] == "done"

        victim = crew.wait_for(lambda: crew.busy("scores") or ended())
        if victim is not True:
            pause(chance.uniform(0, 1.5))
            interrupted += not ended()
            crew.kill(victim)
        crew.wait_for(ended)
        assert on_database(stored) == before
    gone = lost(kept.acknowledged)
    what = f"worker killed {interrupted} times while it rebuilt scores"
    report(what, database_url, ROUNDS, [kept], gone)
    assert gone == 0


def test_a_worker_killed_in_an_export(crew, curator, on_database, database_url) -> None:
    """Each time another worker makes the whole file, the same as the one that is streamed."""
    chance = random.Random(7)
    questions = [PanelQuestion(f"q{number}") for number in range(20)]
    at = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    panel = Panel.of(
        forecasts=[
            (f"f{person}", one.id, at + person, math.inf, chance.random())
            for one in questions
            for person in range(300)
        ],
        questions=questions,
    )

    async def store(database: Database) -> None:
        async with database.write() as session:
            await imports.import_panel(session, Aggregator(0.8), panel, "crowd", origin="a test")

    on_database(store)
    path, interrupted = "/sets/crowd/exports/forecasts", 0

    def packed(answer: Any) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
            return {name: file.read(name) for name in file.namelist()}

    streamed = packed(curator.get(path, names="true"))
    assert len(streamed["forecasts.csv"].splitlines()) == 6001
    for _ in range(ROUNDS):
        task = f"/tasks/{curator.post(f'{path}?names=true', None).json()['id']}"

        def ended(task: str = task) -> bool:
            return curator.get(task).json()["status"] == "done"

        victim = crew.wait_for(lambda: crew.busy("export") or ended())
        if victim is not True:
            interrupted += not ended()
            crew.kill(victim)
        crew.wait_for(ended)
        made = curator.get(task).json()["file"]
        answer = curator.get(f"{task}/file")
        assert hashlib.sha256(answer.content).hexdigest() == made["sha256"]
        assert packed(answer) == streamed
        curator("DELETE", f"{task}/file")
    report(f"worker killed {interrupted} times in an export", database_url, ROUNDS, [], 0)


def learned(record: Callable[[Sampled], Fit], status: FitStatus = FitStatus.accepted) -> Fit:
    """Store what would be a fit to what is resolved now."""
    posterior = Posterior.prior() if status is FitStatus.accepted else None
    return record(Sampled(status, "R-hat is 1.3" if posterior is None else "", posterior=posterior))


def test_a_clock_that_jumps(account, curator, question, lost, record, database_url) -> None:
    chance = random.Random(4)
    people = [account(f"p{number}") for number in range(3)]
    kept = Writers("", [], [])
    at = datetime.now(UTC) - timedelta(days=2)
    for number in range(ROUNDS):
        rain, snow = question(f"rain-{number}"), question(f"snow-{number}")
        for _ in range(8):
            at += timedelta(hours=chance.choice([-30, -1, 0, 1, 30]))
            with time_machine.travel(at, tick=False):
                for person in chance.sample(people, 2):
                    key = uuid4().hex
                    answer = person.forecast(rain, chance.random(), rationale=key)
                    assert answer.status_code == 201
                    kept.acknowledged[key] = answer.json()["forecast"]["id"]
                if chance.random() < 0.3:
                    learned(record)
                shown = people[0].get(f"/questions/{rain}/aggregate").json()
                assert shown["probability"] == answer.json()["aggregate"]["probability"]
        with time_machine.travel(at - timedelta(hours=40), tick=False):
            people[0].forecast(snow, 0.2, rationale=uuid4().hex)
            assert curator.resolve(rain, "yes").status_code == 201
    gone = lost(kept.acknowledged)
    report("clock jumped eight times", database_url, ROUNDS, [kept], gone)
    assert gone == 0


def test_a_posterior_that_is_damaged(
    account, question, lost, record, on_database, database_url
) -> None:
    chance = random.Random(5)
    ann, rain, kept = account("ann"), question(), Writers("", [], [])
    good = learned(record)

    async def damage(database: Database, fit_id: int) -> None:
        async with database.write() as session:
            held = await session.scalar(select(Fit.posterior).where(Fit.id == fit_id))
            stored = bytearray(held or b"")
            if chance.random() < 0.5:
                del stored[chance.randrange(len(stored)) :]
            else:
                for _ in range(64):
                    stored[chance.randrange(len(stored))] ^= 1 + chance.randrange(255)
            values = {"posterior": bytes(stored)}
            await session.execute(update(Fit).where(Fit.id == fit_id).values(values))

    for _ in range(ROUNDS):
        fit_id = learned(record).id
        on_database(lambda database, fit_id=fit_id: damage(database, fit_id))
        key = uuid4().hex
        answer = ann.forecast(rain, 0.3, rationale=key)
        assert (answer.status_code, answer.json()["aggregate"]["fit_id"]) == (201, good.id)
        kept.acknowledged[key] = answer.json()["forecast"]["id"]
    gone = lost(kept.acknowledged)
    report("posterior damaged", database_url, ROUNDS, [kept], gone)
    assert gone == 0


SLOW = '''"""A step that takes its time once it has begun."""

import time

import sqlalchemy as sa
from alembic import op

revision = "29991231_01"
down_revision = "{newest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("half", sa.Column("id", sa.Integer(), primary_key=True))
    op.execute("DELETE FROM score")
    op.execute("DELETE FROM forecast")
    print("half way", flush=True)
    time.sleep(600)
'''
MIGRATE = """
import asyncio, sys
import migrations
migrations.__file__ = sys.argv[1]
from service.database.engine import Database
from service.settings import Settings
asyncio.run(Database(Settings.from_environment().url).migrate())
"""


def test_a_migration_that_is_interrupted(
    account, question, lost, on_database, database_url, tmp_path
) -> None:
    ann, rain, kept = account("ann"), question(), Writers("", [], [])
    folder = tmp_path / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, folder)
    step = folder / "versions" / "29991231_01_slow.py"
    step.write_text(SLOW.format(newest=newest_revision()), encoding="utf-8")
    for _ in range(ROUNDS):
        key = uuid4().hex
        kept.acknowledged[key] = ann.forecast(rain, 0.3, rationale=key).json()["forecast"]["id"]
        process = subprocess.Popen(
            [sys.executable, "-c", MIGRATE, folder / "__init__.py"],
            env=os.environ | {"CREDENCE_DATABASE_URL": database_url},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"half way\n"
        process.kill()
        process.communicate()
        assert on_database(Database.schema_is_current)
        on_database(Database.migrate)
    gone = lost(kept.acknowledged)
    report("migration killed half way", database_url, ROUNDS, [kept], gone)
    assert gone == 0


def test_an_accepted_fit_comes_into_force_in_every_web_process(
    serving, account, question, record
) -> None:
    ann, rain, snow = account("ann"), question("rain"), question("snow")
    with serving() as one, serving() as other:

        def shown(served: Any, of: int) -> Any:
            headers = {"Authorization": f"Bearer {ann.token}"}
            path = f"{served.url}/api/v1/questions/{of}/aggregate"
            return httpx.get(path, headers=headers, timeout=60).json()["fit_id"]

        def submitted(served: Any) -> Any:
            headers = {"Authorization": f"Bearer {ann.token}"}
            path = f"{served.url}/api/v1/questions/{rain}/forecasts"
            answer = httpx.post(path, json={"probability": 0.4}, headers=headers, timeout=60)
            return answer.json()["aggregate"]["fit_id"]

        for _ in range(2):
            fit = learned(record).id
            for served in (one, other):
                assert submitted(served) == shown(served, rain) == shown(served, snow) == fit
        refused = learned(record, FitStatus.refused)
        assert refused.status == FitStatus.refused
        assert submitted(one) == submitted(other) == fit
