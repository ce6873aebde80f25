"""Whatever is asked, the API answers as its document says, from a database full of everything."""

import asyncio
import logging
import math
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zlib import crc32

import httpx
import numpy as np
import pytest
import schemathesis
import time_machine
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from litestar.testing import TestClient
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import select

from forecasting.panel import Panel, PanelQuestion
from forecasting.posterior import FORMAT, Posterior
from questions.load import find_sets, read_set
from service.accounts import accounts, sessions, tokens
from service.accounts.passwords import digest
from service.accounts.schemas import PASSWORD
from service.app import create_app
from service.background import tasks
from service.clock import now
from service.database.engine import Database
from service.exchange import imports
from service.models import Fit, FitStatus, Role, WebhookDelivery
from service.notifications import webhooks
from service.notifications.webhooks import Event
from service.questions import questions
from service.questions.aggregates import Aggregator
from service.settings import SHIPPED_SETS, Settings

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
log = logging.getLogger(__name__)


@dataclass
class World:
    """A service on a database full of everything, whose writes can be undone."""

    client: TestClient[Any]
    copy: Callable[[], None]
    tokens: dict[str, str]
    known: dict[str, list[Any]]
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)

    def restore(self) -> None:
        """Put the database back to what it was made as."""
        database = self.client.app.state.database
        with self.client.portal() as portal:
            portal.call(database.engine.dispose)
        self.copy()

    def check(self, who: str, case: schemathesis.Case) -> None:
        """Ask as someone, of something that there is if the case means well."""
        if case.meta is None or case.meta.generation.mode.is_positive:
            for name, value in case.path_parameters.items():
                if known := self.known.get(name):
                    case.path_parameters[name] = known[crc32(str(value).encode()) % len(known)]
        sent = case.as_transport_kwargs()
        sent["headers"] = {
            name: value
            for name, value in sent["headers"].items()
            if str(value).isascii() and str(value).isprintable()
        } | {"Authorization": f"Bearer {self.tokens[who]}"}
        sent["content"] = sent.pop("data", None)
        try:
            request = self.client.build_request(**sent)
        except (httpx.InvalidURL, TypeError, ValueError):
            return
        answer = self.client.send(request, follow_redirects=False)
        self.answered[case.operation.label, answer.status_code] += 1
        if request.method != "GET" and answer.is_success:
            self.restore()
        case.validate_response(answer, checks=CHECKS)

    def ask(self, method: str, path: str, body: Any) -> httpx.Response:
        """Ask as the administrator, and undo it."""
        answer = self.client.request(
            method,
            path,
            json=body,
            params={"reason": "So."} if method == "DELETE" else None,
            headers={"Authorization": f"Bearer {self.tokens['ann']}"},
        )
        self.restore()
        return answer


async def fill(database: Database) -> dict[str, str]:
    """Store the shipped sets, people with tokens, and a settled set with a fit; the tokens."""
    sky = np.random.default_rng(0)
    asked, people, said_at = range(24), range(5), (NOW - 20 * DAY).timestamp()
    panel = Panel.of(
        forecasts=[
            (f"p{person}", f"q{one}", said_at, math.inf, sky.uniform(0.05, 0.95))
            for one in asked
            for person in people
        ],
        questions=[
            PanelQuestion(
                f"q{one}",
                f"Question {one}?",
                outcome=float(one % 2),
                opens=(NOW - 30 * DAY).timestamp(),
                closes=(NOW - 10 * DAY).timestamp(),
                resolved=(NOW - 9 * DAY).timestamp(),
                domain="sky",
            )
            for one in asked
        ],
    )
    made = {}
    async with database.write() as session:
        for path in find_sets(SHIPPED_SETS):
            if path.name == "power-systems":
                await questions.load(session, read_set(path))
        for name, role in (("ann", "administrator"), ("fay", "forecaster"), ("carl", "curator")):
            hashed = await digest(PASSWORD)
            actor = await accounts.create(session, name, Role(role), password_hash=hashed)
            made[name] = (await tokens.issue(session, actor.id, "first"))[1]
        await imports.import_panel(session, Aggregator(0.8), panel, "settled")
        session.add(
            Fit(
                status=FitStatus.accepted,
                reason="",
                resolutions=24,
                questions=24,
                forecasts=120,
                forecasters=5,
                data_hash="0" * 64,
                fingerprint="0" * 64,
                seed=1,
                priors={"pull": 1.0},
                versions={"numpy": "2.4"},
                format=FORMAT,
                diagnostics={"max_r_hat": 1.0},
                started_at=now(),
                created_at=now(),
                posterior=Posterior.prior().to_bytes(),
            )
        )
    return made


class Teller:
    """A client that speaks as one account, and must be answered well."""

    def __init__(self, client: TestClient[Any], token: str) -> None:
        self.client, self.headers = client, {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, f"/api/v1{path}", json=body, headers=self.headers)
        assert answer.status_code < 300, (path, answer.text)
        return answer.json() if answer.content else None


def live(client: TestClient[Any], made: dict[str, str]) -> dict[str, list[Any]]:
    """Let people do everything once; the values of the paths' parameters that came of it."""
    ann, fay, carl = (Teller(client, made[name]) for name in ("ann", "fay", "carl"))
    asked = [one["id"] for one in ann("GET", "/questions?set=power-systems")["items"]]
    free, yes, void, back, shut = asked[:5]
    hook = {"url": "https://example.org/", "events": list(Event), "moved_by": 0.01}
    hooks = [teller("POST", "/webhooks", hook)["id"] for teller in (ann, fay)]
    for teller in (ann, fay, carl):
        for probability, one in enumerate(asked, start=1):
            teller("POST", f"/questions/{one}/forecasts", {"probability": probability / 10})
    fay("DELETE", f"/questions/{back}/forecasts/current")
    said = fay("POST", f"/questions/{free}/comments", {"text": "It *rained*."})["id"]
    fay("POST", f"/comments/{said}/revisions", {"text": "It snowed."})
    answered = ann("POST", f"/questions/{free}/comments", {"text": "No.", "parent_id": said})["id"]
    hidden = fay("POST", f"/questions/{free}/comments", {"text": "Rude.", "private": True})["id"]
    carl("DELETE", f"/comments/{hidden}?reason=Rude.")
    carl("POST", f"/questions/{yes}/resolution", {"outcome": "yes", "note": "It came."})
    carl("POST", f"/questions/{void}/resolution", {"outcome": "annulled"})
    carl("POST", f"/questions/{back}/resolution", {"outcome": "no"})
    carl("DELETE", f"/questions/{back}/resolution?reason=Too%20soon.")
    carl("POST", f"/questions/{shut}/closing", {"based_on": 1, "reason": "It is settled."})
    frozen = carl("POST", "/leaderboards", {"name": "cup", "pools": True})["id"]
    fay_id, ann_id = (teller("GET", "/account")["id"] for teller in (fay, ann))
    told: dict[str, Any] = {"role": "forecaster", "bot": True, "owner_id": fay_id}
    bot = ann("POST", "/accounts", {"name": "gauge", **told})["id"]
    opened = fay("POST", f"/accounts/{bot}/tokens", {"label": "for the robot"})["token"]["id"]
    mine = [
        teller("POST", "/account/tokens", {"label": "spare"})["token"]["id"]
        for teller in (ann, fay)
    ]
    invited = ann("POST", "/invitations", {"role": "viewer"})["invitation"]["id"]
    back_in = ann("POST", "/invitations", {"account_id": fay_id})["secret"]
    written = ann("POST", "/account/exports/forecasts")["id"]

    async def look() -> list[int]:
        database = client.app.state.database
        for teller_id in (ann_id, fay_id):
            await sessions.begin(database, teller_id, browser="Firefox")
        async with database.write() as session:
            await webhooks.note(session, now() + DAY / 24)
        await tasks.run(database, written, kept=DAY, stopped=lambda: False)
        async with database.read() as session:
            return list((await session.scalars(select(WebhookDelivery.id))).all())

    with client.portal() as portal:
        deliveries = portal.call(look)
    assert deliveries
    return {
        "question_id": [free, *asked, ann("GET", "/questions?set=settled")["items"][0]["id"]],
        "slug": ["power-systems", "settled"],
        "implication": ["battery-pace", "price-valleys"],
        "forecaster_id": [ann_id, fay_id, bot],
        "account_id": [ann_id, fay_id, bot],
        "comment_id": [said, answered, hidden],
        "token_id": [opened, *mine, 1, 2],
        "session_id": [1, 2],
        "invitation_id": [invited],
        "webhook_id": hooks,
        "delivery_id": deliveries,
        "leaderboard_id": [frozen],
        "fit_id": [1],
        "task_id": [written],
        "what": ["forecasts", "scores"],
        "ann's token": [mine[0]],
        "ann's comment": [answered],
        "hidden comment": [hidden],
        "yes": [yes],
        "shut": [shut],
        "shut's revision": [2],
        "robot": [bot],
        "fay": [fay_id],
        "invitation": [back_in],
    }


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """Two databases, the first one migrated, and how to make the second a copy of it."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("world")
        template, file = folder / "template.db", folder / "credence.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), template)

        def copy_file() -> None:
            for beside in ("-wal", "-shm"):
                file.with_name(file.name + beside).unlink(missing_ok=True)
            shutil.copy(template, file)

        yield f"sqlite:///{template}", f"sqlite:///{file}", copy_file
        return
    server = request.getfixturevalue("postgresql")
    migrated = request.getfixturevalue("migrated_postgresql")
    with server.fresh(migrated) as made, server.fresh() as url:
        yield made, url, partial(server.replace, url, made)


@pytest.fixture(scope="module")
def world(databases: tuple[str, str, Callable[[], None]]) -> Iterator[World]:
    template, url, copy = databases

    def settings_for(url: str) -> Settings:
        return Settings(database_url=url, registration="open", requests_per_minute=0)

    async def filled() -> dict[str, str]:
        database = Database(settings_for(template).url)
        try:
            return await fill(database)
        finally:
            await database.close()

    with time_machine.travel(NOW - DAY, tick=True):
        made = asyncio.run(filled())
        with TestClient(create_app(settings_for(template))) as client:
            known = live(client, made)
    copy()
    with (
        time_machine.travel(NOW, tick=True),
        TestClient(create_app(settings_for(url)), raise_server_exceptions=False) as client,
    ):
        yield World(client, copy, made, known)


def document() -> dict[str, Any]:
    return create_app(Settings()).openapi_schema.to_schema()


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("who", ["ann", "fay"], ids=["administrator", "forecaster"])
def test_every_answer_is_as_the_document_says(world: World, examples, who: str, mode: Any) -> None:
    made_up = schemathesis.openapi.from_dict(document()).include(path_regex="^/api/v1/")
    made_up.config.generation.update(with_security_parameters=False)
    operations = [found.ok() for found in made_up.get_all_operations()]
    failed = []
    world.answered.clear()

    def ask(case: schemathesis.Case) -> None:
        world.check(who, case)

    for operation in operations:
        run = settings(
            max_examples=examples(4),
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )(given(operation.as_strategy(generation_mode=mode))(ask))
        try:
            run()
        except Unsatisfiable:  # of what takes nothing, nothing can be wrong
            assert mode is schemathesis.GenerationMode.NEGATIVE, operation.label
        except FailureGroup as found:
            failed.append(f"{operation.label}: {found}")
    log.info(
        "%s: %d operations, %d cases, %d failures",
        who,
        len(operations),
        world.answered.total(),
        len(failed),
    )
    assert not failed, "\n".join(failed)
    if mode is schemathesis.GenerationMode.POSITIVE:
        assert {label for label, _ in world.answered} == {one.label for one in operations}
        well = {label for label, status in world.answered if status < 300}
        assert len(well) > len(operations) / 2


FITTING: dict[tuple[str, str], tuple[dict[str, str], dict[str, str]]] = {
    ("post", "/renewals"): ({}, {"invitation": "invitation"}),
    ("patch", "/accounts/{account_id}"): ({"account_id": "fay"}, {}),
    ("post", "/accounts/{account_id}/tokens"): ({"account_id": "robot"}, {}),
    ("post", "/accounts/{account_id}/deactivation"): ({"account_id": "robot"}, {}),
    ("delete", "/accounts/{account_id}/tokens/{token_id}"): ({"account_id": "robot"}, {}),
    ("delete", "/account/tokens/{token_id}"): ({"token_id": "ann's token"}, {}),
    ("post", "/questions/{question_id}/comments"): ({}, {"parent_id": "comment_id"}),
    ("post", "/comments/{comment_id}/revisions"): ({"comment_id": "ann's comment"}, {}),
    ("delete", "/comments/{comment_id}"): ({"comment_id": "ann's comment"}, {}),
    ("post", "/comments/{comment_id}/restoration"): ({"comment_id": "hidden comment"}, {}),
    ("delete", "/questions/{question_id}/resolution"): ({"question_id": "yes"}, {}),
    ("post", "/questions/{question_id}/reopening"): (
        {"question_id": "shut"},
        {"based_on": "shut's revision"},
    ),
}
"""What of the world an operation's example is about, where the first thing at hand is not it."""


def test_what_the_document_gives_as_an_example_is_accepted(world: World) -> None:
    refused = []
    for path, item in document()["paths"].items():
        if not path.startswith("/api/v1/"):
            continue
        for method in item.keys() & {"post", "put", "patch", "delete"}:
            in_path, in_body = FITTING.get((method, path.removeprefix("/api/v1")), ({}, {}))
            asked = path
            for name in re.findall(r"{(\w+)}", path):
                asked = asked.replace(f"{{{name}}}", str(world.known[in_path.get(name, name)][0]))
            body = None
            if "requestBody" in item[method]:
                body = item[method]["requestBody"]["content"]["application/json"]["example"]
            if in_body:
                body = body | {name: world.known[known][0] for name, known in in_body.items()}
            if path.endswith("/registrations"):
                body = {"name": "zoe", "password": body["password"]}
            answer = world.ask(method, asked, body)
            if answer.status_code >= 300:
                refused.append((method, asked, body, answer.text))
    assert not refused
