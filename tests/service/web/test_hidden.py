"""Nothing that depends on hidden forecasts reaches a reader, found by difference.

Two databases are alike in everything, ids and times included, except for what hidden forecasts say.
Every GET route is read in both by readers who may not see them, and every byte of the answers must
be the same. A new route is covered by itself; a new parameter fails until the tables below know it.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import time_machine
from litestar.routes import HTTPRoute
from litestar.testing import TestClient
from sqlalchemy import select

from forecasting.posterior import Posterior
from service.accounts import accounts, sessions, tokens
from service.accounts.sessions import cookie_name
from service.app import create_app
from service.background import tasks
from service.database import backup
from service.database.engine import Database
from service.exchange.exports import Format, PersonalExport
from service.fits import fits
from service.fits.fits import Sampled
from service.models import Account, Aggregate, FitStatus, Forecast, Question, Role
from service.notifications import webhooks
from service.notifications.webhooks import Event
from service.questions import forecasts, questions
from service.questions.aggregates import Aggregator
from service.questions.questions import State
from service.questions.search import Order
from service.settings import Settings

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
OPENS = datetime(2026, 11, 1, tzinfo=UTC)
NOW = OPENS + 12 * DAY
CLOSES = OPENS + 300 * DAY

# Answers that are the same for everybody, and no part of the service's own.
FILES = ("/static/", "/documentation", "/schema", "/charts/")
KEYS = re.compile(r'(name="key" value=)"[0-9a-f]{32}"')
"""The key of a form, which is drawn for each page, so that sending it twice stores it once."""
COUNTED = re.compile(
    r"^(credence_requests|credence_request_|credence_aggregates|python_|process_).*\n", re.MULTILINE
)
"""Metrics of the process: how many requests it answered and how fast; the others are compared."""


@dataclass(frozen=True)
class Reader:
    """Someone who reads: by a token, by a browser's session, or (neither) without an account."""

    name: str
    token: str = ""
    session: str = ""
    scheme: str = "Bearer"

    def headers(self) -> dict[str, str]:
        """Every request has the same id, which answers repeat, and none is compressed."""
        opens = {"Authorization": f"{self.scheme} {self.token}"} if self.token else {}
        shows = {"Cookie": f"{cookie_name(secure=True)}={self.session}"} if self.session else {}
        return opens | shows | {"X-Request-Id": "crawl", "Accept-Encoding": "identity"}


@dataclass
class World:
    """A database with what there is in it, by name."""

    settings: Settings
    ids: dict[str, int] = field(default_factory=dict)
    readers: dict[str, Reader] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def run(self, work: Callable[[Database], Any]) -> Any:
        async def on() -> Any:
            database = Database(self.settings.url)
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(on())

    @contextmanager
    def client(self) -> Iterator[TestClient[Any]]:
        app = create_app(self.settings)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client


Ask = Callable[..., Any]


def speaking(client: TestClient[Any], world: World, name: str) -> Ask:
    """Ask the API as an account; it must work."""

    def ask(method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {world.tokens[name]}"}
        answer = client.request(method, f"/api/v1{path}", headers=headers, **options)
        assert answer.is_success, answer.text
        return answer.json()

    return ask


async def _register(database: Database, world: World) -> None:
    """Accounts with a token and a session each."""
    people = {
        "ann": Role.forecaster,
        "bob": Role.forecaster,
        "eve": Role.forecaster,
        "visitor": Role.viewer,
        "judge": Role.curator,
    }
    async with database.write() as session:
        for name, role in people.items():
            world.ids[name] = (await accounts.create(session, name, role)).id
        eve = await session.get_one(Account, world.ids["eve"])
        bot = await accounts.create(session, "evebot", Role.forecaster, bot=True, owner=eve)
        world.ids["evebot"] = bot.id
        for name in (*people, "evebot"):
            world.tokens[name] = (await tokens.issue(session, world.ids[name], "first"))[1]
    for name in people:
        secret = await sessions.begin(database, world.ids[name])
        world.readers[name] = Reader(name, world.tokens[name], secret)
    world.readers["evebot"] = Reader("evebot", world.tokens["evebot"])


def learned(trusted: int) -> Posterior:
    """A posterior that trusts one account more than anyone else."""
    prior = Posterior.prior()
    names = ("t_w", "rho", "k0", "v0", "g0", "a0", "gamma", "alpha")
    return Posterior(
        **{name: getattr(prior, name) for name in names},
        omega=np.full((prior.draws, 1), 3.0),
        offset=np.array([-0.25]),
        forecasters=(str(trusted),),
        domains=prior.domains,
        metadata={},
    )


async def _fit(database: Database, trusted: int) -> int:
    async with database.read() as session:
        job = await fits.read_job(session)
    sampled = Sampled(FitStatus.accepted, posterior=learned(trusted))
    return (await fits.record(database, Aggregator(0.8), job, sampled, seed=1)).id


HIDDEN = ("rain", "snow", "hail")
"""Questions whose forecasts are hidden from all readers but the curator.

The first two are shown to those who have forecast them, `hail` to nobody yet. Eve has forecast
`hail` and `wind`, and `sun` is resolved.
"""


@pytest.fixture
def world(settings: Settings, sky) -> World:
    """A set with hidden and shown questions: forecasts of ten days, a fit, scores, webhooks."""
    made = World(replace(settings, readers="everyone", requests_per_minute=0))
    with time_machine.travel(OPENS, tick=False) as clock:
        made.ids |= sky(
            {"visibility": "after_forecast"},
            rain={},
            snow={},
            hail={"reveal_at": CLOSES},
            wind={},
            sun={},
        )
        made.run(lambda database: _register(database, made))
        with made.client() as on:
            _live(made, on, clock)
    return made


def _live(world: World, on: TestClient[Any], clock: Any) -> None:
    """What happens in the twelve days."""
    ids = world.ids
    ann, bob, eve, judge = (speaking(on, world, name) for name in ("ann", "bob", "eve", "judge"))
    everything = [str(event) for event in Event]
    hook = {"url": "https://hooks.example/", "events": everything, "moved_by": 0.01}
    ids["webhook"] = eve("POST", "/webhooks", json=hook)["id"]
    for caller in (ann, bob):
        number = ids["ann"] if caller is ann else ids["bob"]
        caller("PUT", f"/forecasters/{number}/showing", json={"shows_record": True})
    for day in range(1, 10):
        clock.move_to(OPENS + day * DAY)
        for place, name in enumerate(("rain", "snow", "hail", "wind", "sun")):
            caller = ann if (day + place) % 2 else bob
            said = {"probability": round(0.05 + 0.09 * ((day * (place + 2)) % 10), 4)}
            said["rationale"] = f"On day {day} I say {said['probability']}."
            if name == "snow" and day == 8:  # the last but one
                said["expires_at"] = (NOW - DAY / 2).isoformat()
            caller("POST", f"/questions/{ids[name]}/forecasts", json=said)
        if day == 4:  # in the middle
            clock.move_to(OPENS + day * DAY + timedelta(hours=1))
            for name in ("wind", "hail"):
                eve("POST", f"/questions/{ids[name]}/forecasts", json={"probability": 0.44})
            ids["fit"] = world.run(lambda database: _fit(database, ids["ann"]))
    bob("DELETE", f"/questions/{ids['rain']}/forecasts/current")
    mine = ann("GET", f"/questions/{ids['rain']}/forecasts", params={"mine": True})["items"][0]
    told = {"text": "This is why.", "forecast_id": mine["id"]}
    ids["comment"] = ann("POST", f"/questions/{ids['rain']}/comments", json=told)["id"]
    clock.move_to(OPENS + 10 * DAY)
    judge("POST", f"/questions/{ids['sun']}/resolution", json={"outcome": "yes"})
    ids["leaderboard"] = judge("POST", "/leaderboards", json={"name": "November"})["id"]
    for what in (PersonalExport.forecasts, PersonalExport.scores):
        ids["task"] = eve("POST", f"/account/exports/{what}")["id"]


async def _believe_otherwise(database: Database, hidden: list[int], eve: int) -> None:
    """Change what hidden forecasts say, and what was made of them, and nothing else.

    The digests of the chain stay: each is salted by 16 random bytes of its own, so they are as
    likely to stand for these forecasts as for the others.
    """
    aggregator = Aggregator(0.8)
    async with database.write() as session:
        others = Forecast.question_id.in_(hidden), Forecast.account_id != eve
        for row in await session.scalars(select(Forecast).where(*others)):
            row.probability = round(1 - row.probability**2, 4)
            row.rationale = f"I think otherwise: {row.probability}, and say so at length."
        await session.flush()
        rows = await session.scalars(select(Aggregate).where(Aggregate.question_id.in_(hidden)))
        for row in rows.all():
            at = row.created_at
            query = questions.views_query(at).where(Question.id == row.question_id)
            (view,) = await questions.views(session, query)
            stands = await forecasts.stands(session, [row.question_id], known_at=at)
            belief = await aggregator.belief_of(session, row.fit_id)
            again = aggregator.read(view, stands[row.question_id], at, belief)
            row.probability, row.lower, row.upper = again.probability, again.lower, again.upper


async def _work(database: Database) -> None:
    """What workers do: derive deliveries, and write the exports that were asked for."""
    async with database.write() as session:
        await webhooks.note(session, datetime.now(UTC))
    async with database.read() as session:
        waiting = [task.id for task in await tasks.unfinished(session)]
    for task_id in waiting:
        await tasks.run(database, task_id, kept=timedelta(hours=24))


@pytest.fixture
def twin(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[World], World]]:
    """Copy a world, by a backup."""
    with ExitStack() as kept:

        def copy(world: World) -> World:
            file = tmp_path / "twin.db"
            world.run(lambda database: backup.write(database, file))
            url = f"sqlite:///{file}"
            if world.settings.url.get_backend_name() == "postgresql":
                template = request.getfixturevalue("migrated_postgresql")
                server = request.getfixturevalue("postgresql")
                url = kept.enter_context(server.fresh(template))
            other = replace(world, settings=replace(world.settings, database_url=url))
            if other.settings.url.get_backend_name() != "sqlite":
                other.run(lambda database: backup.restore(database, file))
            return other

        yield copy


def places(world: World) -> dict[str, list[Any]]:
    """What a path's parameters are filled with."""
    ids = world.ids
    asked = [ids["rain"], ids["hail"], ids["wind"]]
    return {
        "question_id": asked,
        "post_id": asked,
        "slug": ["almanac"],
        "implication": ["wet"],
        "forecaster_id": [ids["ann"], ids["eve"]],
        "account_id": [ids["eve"], ids["evebot"]],
        "comment_id": [ids["comment"]],
        "fit_id": [ids["fit"]],
        "webhook_id": [ids["webhook"]],
        "task_id": [ids["task"]],
        "leaderboard_id": [ids["leaderboard"]],
        "what": list(PersonalExport),
        "number": [1, 2],
    }


def queries(world: World) -> dict[str, list[dict[str, Any]]]:
    """What can be asked for by each parameter of a query, by its name in the handler."""
    ids = world.ids
    soon = {"within_hours": 7 * 24}
    past = (OPENS + 6 * DAY).isoformat()
    of = [{"of": "aggregate"}, {"of": str(ids["ann"])}, {"of": "mean"}]
    sets = [{"set": "almanac"}]
    orders = [{"sort": order} for order in Order]
    listed = {
        "order_by": ["-weekly_movement", "scheduled_close_time"],
        "statuses": ["open"],
        "tournaments": ["almanac"],
        "forecaster_id": [ids["eve"]],
    }
    return {
        "after": [{"after": ids["rain"]}, {"after": ids["hail"]}],
        "as_of": [{"as_of": past}],
        "archived": [{"archived": "true"}],
        "author": [{"author": ids["ann"]}],
        "before": [{"before": 30}],
        "by": [{"by": ids["ann"]}],
        "comment": [{"comment": "Something."}],
        "cursor": [{"limit": 1}],
        "done": [{"done": "forecast"}],
        "following": [{"next": "/"}],
        "forecaster_id": [{"forecaster_id": ids["ann"]}],
        "form": [{"format": one} for one in Format],
        "horizon": [{"horizon": 7}],
        "horizon_days": [{"horizon_days": 7}],
        "hours": [{"hours": 48}],
        "imported": [{"imported": "true"}],
        "in_set": sets,
        "in_state": [{"state": State.open}],
        "invitation": [{"invitation": "none"}],
        "is_private": [{"is_private": "true"}],
        "kind": [{"kind": "export"}],
        "least": [{"least": 1}],
        "least_questions": [{"least_questions": 1}],
        "limit": [{"limit": 2}],
        "method": [{"method": method} for method in ("bayes", "median")],
        "mine": [{"mine": "true"}],
        "name": [{"name": "November"}],
        "names": [{"names": "true"}],
        "of": of,
        "offset": [{"offset": 1}],
        "on_post": [{"post": ids["rain"]}],
        "order": orders,
        "parent": [{"parent": ids["comment"]}],
        "points": [{"points": 20}],
        "pool": [{"pool": ["median", "mean"]}],
        "pools": [{"pools": "true"}],
        "probability": [{"probability": 30}],
        "q": [{"q": "fall"}],
        "question": [{"question": ids["rain"]}],
        "rationale": [{"rationale": "Because."}],
        "score": [{"score": "peer"}],
        "set_slug": sets,
        "since": [{"since": past}],
        "size": [{"size": "narrow"}],
        "sort": [{"sort": "-created_at"}, *orders],
        "tag": [{"tag": "sky"}],
        "text": [{"q": "fall"}],
        "theme": [{"theme": "dark"}],
        "wanted": [{name: value} for name, values in listed.items() for value in values],
        "who": [{"who": "all"}],
        "within": [*sets, {"as_of": past}],
        "within_hours": [soon],
        "action": [{"action": "question.resolved"}],
    }


WIRED = {"request", "actor", "reading", "writing", "aggregator", "submissions", "scope", "self"}
"""What handlers are given by the application, and nobody asks for."""


def requests(world: World, client: TestClient[Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every address to read: each route with each filling, plain and with each parameter.

    Pictures are of the same data as the JSON beside them: their own parameters change how they are
    drawn, so those are asked of one.
    """
    fills, known = places(world), queries(world)
    found: list[tuple[str, dict[str, Any]]] = []
    for route in client.app.routes:
        if not isinstance(route, HTTPRoute) or "GET" not in route.methods:
            continue
        if route.path.startswith(FILES):
            continue
        names = list(route.path_parameters)
        assert names == [one for one in names if one in fills], (
            f"fill the parameters of {route.path}"
        )
        (handler,) = {one for one in route.route_handlers if "GET" in one.http_methods}
        given = set(handler.parsed_fn_signature.parameters) - WIRED - set(names)
        assert given <= set(known), f"say what to ask {route.path} for: {given - set(known)}"
        drawn = route.path.endswith((".png", ".svg"))
        if drawn:
            given -= {"theme", "size", "of", "in_set", "horizon"}
        for values in product(*(fills[one] for one in names)):
            path = route.path
            for (name, kind), value in zip(route.path_parameters.items(), values, strict=True):
                del kind
                path = re.sub(rf"{{{name}:\w+}}", str(value), path)
            if "/preview" not in path:
                found.append((path, {}))
            found += [(path, query) for one in sorted(given) for query in known[one]]
    return found


def said(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """What an answer says, without what is drawn or counted for each."""
    headers, body = dict(answer.headers), answer.content
    if "text/" in answer.headers.get("content-type", ""):
        body = COUNTED.sub("", KEYS.sub(r"\1", answer.text)).encode()
        if "metrics" in answer.request.url.path:
            headers.pop("content-length")
    return answer.status_code, headers, body


Answers = dict[tuple[str, str, str], tuple[int, dict[str, str], bytes]]


def crawl(world: World, readers: list[Reader], *, plain: bool = False) -> Answers:
    """Every answer that each of some readers gets, by reader, path and query.

    Where a list has a page that follows, that one is read too, by the list's own cursor. `plain`
    leaves out what is asked for by a query, where the path gives something without.
    """
    found: Answers = {}
    with world.client() as client:
        asked = requests(world, client)
        for reader, (path, query) in product(readers, asked):
            if not _reads(reader, path) or (plain and query and (path, {}) in asked):
                continue
            answer = client.get(
                path, params=query, headers=reader.headers(), follow_redirects=False
            )
            assert answer.status_code < 500, (path, query, answer.text)
            found[reader.name, path, str(query)] = said(answer)
            if "limit" in query and path.startswith("/api/v1/") and answer.is_success:
                more = query | {"cursor": answer.json()["next"] or ""}
                following = client.get(path, params=more, headers=reader.headers())
                found[reader.name, path, str(more)] = said(following)
    return found


def _reads(reader: Reader, path: str) -> bool:
    """Whether a reader's client reads such addresses: the API by a token, pages without one."""
    if path.startswith("/api/metaculus/"):
        return reader.scheme == "Token"
    if path.startswith("/api/"):
        return bool(reader.token) and reader.scheme == "Bearer"
    return not reader.token


def test_no_route_gives_away_what_is_hidden(world: World, twin) -> None:
    with time_machine.travel(NOW, tick=False):
        other = twin(world)
        hidden = [world.ids[name] for name in HIDDEN]
        other.run(lambda on: _believe_otherwise(on, hidden, world.ids["eve"]))
        for each in (world, other):
            each.run(_work)
        known = world.readers
        eve, visitor, judge = known["eve"], known["visitor"], known["judge"]
        readers = [
            Reader("nobody"),
            Reader("eve", session=eve.session),
            Reader("eve's token", eve.token),
            Reader("eve's bot", known["evebot"].token),
            Reader("visitor's token", visitor.token),
            Reader("eve at Metaculus's client", eve.token, scheme="Token"),
        ]
        told, otherwise = crawl(world, readers), crawl(other, readers)
        assert told.keys() == otherwise.keys()
        assert [asked for asked in told if told[asked] != otherwise[asked]] == []
        # What the curator reads shows that there is a difference to be found.
        curators = [Reader("curator", session=judge.session), Reader("its token", judge.token)]
        told, otherwise = crawl(world, curators, plain=True), crawl(other, curators, plain=True)
        found = {path for one in told if told[one] != otherwise[one] for _, path, _ in [one]}
        rain = f"/questions/{world.ids['rain']}"
        for path in ("aggregate", "aggregate/history", "forecasts", "provenance"):
            assert f"/api/v1{rain}/{path}" in found
        for path in ("", "/card", "/history.json", "/history.png", "/histogram.svg", "/preview"):
            assert f"{rain}{path}" in found
        ann = world.ids["ann"]
        for path in (f"/forecasters/{ann}", f"/api/v1/forecasters/{ann}/movements", "/questions"):
            assert path in found
        for path in (
            "/",
            "/sets/almanac",
            "/api/v1/questions",
            "/api/v1/sets/almanac/implications",
        ):
            assert path in found
