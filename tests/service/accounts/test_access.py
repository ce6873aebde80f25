"""Who may do what: every endpoint for every role; what happens to tokens; limits and headers."""

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from litestar.routes import HTTPRoute
from sqlalchemy import inspect, select, text

from forecasting.posterior import FORMAT, Posterior
from questions.schema import Document, Implication, Question, QuestionSet
from service.accounts import tokens
from service.clock import now
from service.database.engine import Database
from service.models import Account, Fit, FitStatus, Role
from service.questions import questions

READ = {"viewer": 200, "forecaster": 200, "curator": 200, "administrator": 200}
SUBMIT = {"viewer": 403, "forecaster": 201, "curator": 201, "administrator": 201}
WITHDRAW = {"viewer": 403, "forecaster": 200, "curator": 200, "administrator": 200}
RESOLVE = {"viewer": 403, "forecaster": 403, "curator": 201, "administrator": 201}
UNRESOLVE = {"viewer": 403, "forecaster": 403, "curator": 200, "administrator": 200}
ASK = {"viewer": 403, "forecaster": 403, "curator": 202, "administrator": 202}
NOT_MINE = dict.fromkeys(READ, 403)
# Another's, which is as if it were not there: notifications/test_webhooks.py has one's own.
MISSING = dict.fromkeys(READ, 404)
ADMINISTER = dict.fromkeys(("viewer", "forecaster", "curator"), 403) | {"administrator": 200}
PUBLIC = "public"

ENDPOINTS: dict[tuple[str, str], Any] = {
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    ("GET", "/schema"): PUBLIC,
    ("GET", "/schema/openapi.json"): PUBLIC,
    ("GET", "/documentation/{file_path:path}"): PUBLIC,
    ("GET", "/documentation.js"): PUBLIC,
    ("POST", "/api/v1/registrations"): 403,
    ("POST", "/api/v1/renewals"): 422,
    ("POST", "/api/v1/tokens"): 401,
    ("GET", "/api/v1/account"): READ,
    ("POST", "/api/v1/account/password"): dict.fromkeys(READ, 403),
    ("GET", "/api/v1/account/bots"): READ,
    ("GET", "/api/v1/account/reminders"): READ,
    ("GET", "/api/v1/account/tokens"): READ,
    ("POST", "/api/v1/account/tokens"): dict.fromkeys(READ, 201),
    ("DELETE", "/api/v1/account/tokens/{token_id:int}"): READ,
    ("GET", "/api/v1/account/sessions"): READ,
    ("DELETE", "/api/v1/account/sessions/{session_id:int}"): dict.fromkeys(READ, 404),
    ("GET", "/api/v1/accounts"): ADMINISTER,
    ("POST", "/api/v1/accounts"): ADMINISTER | {"administrator": 201},
    ("PATCH", "/api/v1/accounts/{account_id:int}"): ADMINISTER,
    ("POST", "/api/v1/accounts/{account_id:int}/deactivation"): ADMINISTER,
    ("DELETE", "/api/v1/accounts/{account_id:int}/deactivation"): ADMINISTER,
    ("GET", "/api/v1/accounts/{account_id:int}/tokens"): ADMINISTER,
    ("POST", "/api/v1/accounts/{account_id:int}/tokens"): ADMINISTER | {"administrator": 201},
    ("DELETE", "/api/v1/accounts/{account_id:int}/tokens/{token_id:int}"): ADMINISTER
    | {"administrator": 404},
    ("GET", "/api/v1/invitations"): ADMINISTER,
    ("POST", "/api/v1/invitations"): ADMINISTER | {"administrator": 201},
    ("DELETE", "/api/v1/invitations/{invitation_id:int}"): ADMINISTER,
    ("GET", "/api/v1/sets"): READ,
    ("GET", "/api/v1/sets/{slug:str}"): READ,
    ("GET", "/api/v1/sets/{slug:str}/feed"): READ,
    ("GET", "/api/v1/sets/{slug:str}/implications"): READ,
    ("GET", "/api/v1/sets/{slug:str}/implications/{implication:str}/history"): READ,
    ("POST", "/api/v1/sets/{slug:str}/questions"): RESOLVE,
    ("GET", "/api/v1/sets/{slug:str}/export"): UNRESOLVE,
    ("POST", "/api/v1/sets/{slug:str}/visibility"): RESOLVE,
    ("POST", "/api/v1/sets/{slug:str}/archive"): UNRESOLVE,
    ("DELETE", "/api/v1/sets/{slug:str}/archive"): UNRESOLVE,
    ("GET", "/api/v1/questions"): READ,
    ("GET", "/api/v1/questions/{question_id:int}"): READ,
    ("GET", "/api/v1/questions/{question_id:int}/revisions"): READ,
    ("POST", "/api/v1/questions/{question_id:int}/revisions"): RESOLVE,
    ("POST", "/api/v1/questions/{question_id:int}/closing"): RESOLVE,
    ("POST", "/api/v1/questions/{question_id:int}/reopening"): RESOLVE,
    ("GET", "/api/v1/questions/{question_id:int}/audit"): READ,
    ("GET", "/api/v1/audit"): UNRESOLVE,
    ("GET", "/api/v1/questions/{question_id:int}/comments"): READ,
    ("POST", "/api/v1/questions/{question_id:int}/comments"): SUBMIT,
    ("GET", "/api/v1/comments/{comment_id:int}/revisions"): READ,
    ("POST", "/api/v1/comments/{comment_id:int}/revisions"): NOT_MINE,
    ("DELETE", "/api/v1/comments/{comment_id:int}"): UNRESOLVE,
    ("POST", "/api/v1/comments/{comment_id:int}/restoration"): RESOLVE,
    ("GET", "/api/v1/questions/{question_id:int}/provenance"): READ,
    ("GET", "/api/v1/questions/{question_id:int}/forecasts"): READ,
    ("POST", "/api/v1/questions/{question_id:int}/forecasts"): SUBMIT,
    ("DELETE", "/api/v1/questions/{question_id:int}/forecasts/current"): WITHDRAW,
    ("POST", "/api/v1/forecasts"): SUBMIT,
    ("GET", "/api/v1/questions/{question_id:int}/receipts"): READ,
    ("GET", "/api/v1/questions/{question_id:int}/receipts/{number:int}"): MISSING,
    ("GET", "/api/v1/heads"): READ,
    ("GET", "/api/v1/questions/{question_id:int}/aggregate"): READ,
    ("GET", "/api/v1/questions/{question_id:int}/aggregate/history"): READ,
    ("POST", "/api/v1/questions/{question_id:int}/resolution"): RESOLVE,
    ("DELETE", "/api/v1/questions/{question_id:int}/resolution"): UNRESOLVE,
    ("GET", "/api/v1/questions/{question_id:int}/scores"): READ,
    ("GET", "/api/v1/questions/{question_id:int}/scores/receipt"): READ,
    ("GET", "/api/v1/account/exports/{what:str}"): READ,
    ("POST", "/api/v1/account/exports/{what:str}"): dict.fromkeys(READ, 202),
    ("GET", "/api/v1/sets/{slug:str}/exports/forecasts"): UNRESOLVE,
    ("POST", "/api/v1/sets/{slug:str}/exports/forecasts"): ASK,
    ("GET", "/api/v1/sets/{slug:str}/exports/comments"): UNRESOLVE,
    ("POST", "/api/v1/sets/{slug:str}/exports/comments"): ASK,
    ("GET", "/api/v1/webhooks"): READ,
    ("POST", "/api/v1/webhooks"): SUBMIT,
    ("GET", "/api/v1/webhooks/{webhook_id:int}"): MISSING,
    ("DELETE", "/api/v1/webhooks/{webhook_id:int}"): MISSING,
    ("POST", "/api/v1/webhooks/{webhook_id:int}/enabling"): MISSING,
    ("GET", "/api/v1/webhooks/{webhook_id:int}/deliveries"): MISSING,
    ("POST", "/api/v1/webhooks/{webhook_id:int}/deliveries/{delivery_id:int}/redelivery"): MISSING,
    ("GET", "/api/v1/leaderboard"): READ,
    ("GET", "/api/v1/leaderboards"): READ,
    ("POST", "/api/v1/leaderboards"): RESOLVE,
    ("GET", "/api/v1/leaderboards/{leaderboard_id:int}"): READ,
    ("GET", "/api/v1/leaderboards/{leaderboard_id:int}/standings"): READ,
    ("GET", "/api/v1/calibration"): READ,
    ("GET", "/api/v1/calibration/history"): READ,
    ("GET", "/api/v1/forecasters/{forecaster_id:int}"): READ,
    ("PUT", "/api/v1/forecasters/{forecaster_id:int}/showing"): NOT_MINE,
    ("GET", "/api/v1/forecasters/{forecaster_id:int}/movements"): UNRESOLVE,
    ("GET", "/api/metaculus/posts"): READ,
    ("GET", "/api/metaculus/posts/{post_id:int}"): READ,
    ("POST", "/api/metaculus/questions/forecast"): SUBMIT,
    ("POST", "/api/metaculus/questions/withdraw"): SUBMIT,
    ("GET", "/api/metaculus/comments"): READ,
    ("POST", "/api/metaculus/comments/create"): SUBMIT,
    ("GET", "/api/metaculus/users/me"): READ,
    ("GET", "/api/v1/fits"): READ,
    ("GET", "/api/v1/jobs"): UNRESOLVE,
    ("GET", "/api/v1/tasks"): READ,
    ("POST", "/api/v1/tasks/scores"): ADMINISTER | {"administrator": 202},
    # Another's, or none: tests/service/background/test_tasks.py has one's own.
    ("GET", "/api/v1/tasks/{task_id:int}"): MISSING,
    ("GET", "/api/v1/tasks/{task_id:int}/file"): MISSING,
    ("DELETE", "/api/v1/tasks/{task_id:int}/file"): MISSING,
    ("GET", "/api/v1/fits/{fit_id:int}"): READ,
    ("GET", "/api/v1/fits/{fit_id:int}/inference-data"): READ,
}
# The web framework's own: the page's sign-in target, and any other page that is asked for.
FRAMEWORK = {("GET", "/schema/{path:str}"), ("GET", "/schema/oauth2-redirect.html")}


def of_pages(route: HTTPRoute) -> bool:
    modules = {handler.fn.__module__ for handler in route.route_handlers}
    return route.path.startswith("/static/") or any(
        module.startswith("service.pages") for module in modules
    )


def endpoints(app: Any) -> set[tuple[str, str]]:
    """Of the API and the process; the pages have a table of their own."""
    return {
        (method, route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute) and not of_pages(route)
        for method in set(route.methods) - {"OPTIONS", "HEAD"}
    }


def test_every_endpoint_is_in_the_table(client) -> None:
    assert endpoints(client.app) - FRAMEWORK == set(ENDPOINTS)


@pytest.fixture
def fit(on_database) -> int:
    """Store an accepted fit that learned nothing."""

    async def store(database: Database) -> int:
        async with database.write() as session:
            row = Fit(
                status=FitStatus.accepted,
                reason="",
                resolutions=0,
                questions=0,
                forecasts=0,
                forecasters=0,
                data_hash="0" * 64,
                fingerprint="0" * 64,
                seed=1,
                priors={},
                versions={},
                format=FORMAT,
                diagnostics={},
                started_at=now(),
                created_at=now(),
                posterior=Posterior.prior().to_bytes(),
            )
            session.add(row)
            await session.flush()
            return int(row.id)

    return int(on_database(store))


def drought(slug: str) -> Question:
    return Question(
        slug=slug,
        implication="wet",
        polarity="contradicts",
        why="It is dry.",
        kind="binary",
        title="Will there be a drought?",
        background="There was one.",
        background_as_of=date(2026, 11, 1),
        criteria="Yes if there is.",
        fine_print="None.",
        domain="sky",
        window_starts_at=datetime(2026, 11, 1, tzinfo=UTC),
        deadline_at=datetime(2027, 12, 1, tzinfo=UTC),
        opens_at=datetime(2026, 11, 1, tzinfo=UTC),
        closes_at=datetime(2027, 12, 1, tzinfo=UTC),
        resolves_by=datetime(2028, 1, 1, tzinfo=UTC),
    )


@pytest.fixture
def almanac(on_database, curator) -> dict[str, int]:
    """Load a set with one implication; the ids of its questions."""
    one = QuestionSet(
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
        questions=(drought("revised"), drought("closed"), drought("reopened")),
    )

    async def load(database: Database) -> None:
        async with database.write() as session:
            await questions.load(session, one)

    on_database(load)
    listed = curator.get("/questions", set="almanac").json()["items"]
    return {question["slug"]: question["id"] for question in listed}


@pytest.fixture
def ask(client, account, curator, question, fit, almanac) -> Callable[..., dict[Any, int]]:
    """Ask every endpoint something that it would answer; the statuses by endpoint."""
    ann = account("ann")
    open_one, held, unresolved, resolved = map(question, ("open", "held", "unresolved", "resolved"))
    curator.resolve(resolved, "yes")
    said = ann.post(f"/questions/{held}/comments", {"text": "It is dry."}).json()["id"]
    closing = {"based_on": 1, "reason": "It is settled."}
    assert curator.post(f"/questions/{almanac['reopened']}/closing", closing).status_code == 201
    told = {"probability": 0.3}
    fills = {
        "slug:str": "almanac",
        "implication:str": "wet",
        "forecaster_id:int": ann.id,
        "comment_id:int": said,
        "fit_id:int": fit,
        "account_id:int": account("robot", bot=True).id,
        "session_id:int": 1,
        "invitation_id:int": 1,
        "what:str": "forecasts",
        "webhook_id:int": 9999,
        "task_id:int": 9999,
        "delivery_id:int": 9999,
        "number:int": 9999,
        "leaderboard_id:int": curator.post("/leaderboards", {"name": "cup"}).json()["id"],
    }
    fills["post_id:int"] = open_one
    fills["file_path:path"] = "swagger-ui.css"
    bodies: dict[Any, tuple[int, Any]] = {
        ("POST", "/api/v1/questions/{question_id:int}/forecasts"): (open_one, told),
        ("DELETE", "/api/v1/questions/{question_id:int}/forecasts/current"): (held, None),
        ("POST", "/api/v1/forecasts"): (open_one, [{"question_id": open_one, **told}]),
        ("POST", "/api/v1/questions/{question_id:int}/resolution"): (
            unresolved,
            {"outcome": "yes"},
        ),
        ("DELETE", "/api/v1/questions/{question_id:int}/resolution"): (resolved, None),
        ("POST", "/api/v1/sets/{slug:str}/questions"): (
            open_one,
            {"question": msgspec.to_builtins(drought("asked"))},
        ),
        ("POST", "/api/v1/questions/{question_id:int}/revisions"): (
            almanac["revised"],
            {"based_on": 1, "reason": "To say why.", "changes": {"why": "It is very dry."}},
        ),
        ("POST", "/api/metaculus/questions/forecast"): (
            open_one,
            [{"question": open_one, "probability_yes": 0.3}],
        ),
        ("POST", "/api/metaculus/questions/withdraw"): (open_one, [{"question": open_one}]),
        ("POST", "/api/metaculus/comments/create"): (open_one, {"on_post": open_one, "text": "."}),
        ("POST", "/api/v1/webhooks"): (
            open_one,
            {"url": "https://example.org/", "events": ["question.opened"]},
        ),
        ("POST", "/api/v1/leaderboards"): (open_one, {"name": "cup"}),
        ("PUT", "/api/v1/forecasters/{forecaster_id:int}/showing"): (
            open_one,
            {"shows_record": True},
        ),
        ("POST", "/api/v1/questions/{question_id:int}/closing"): (
            almanac["closed"],
            {"based_on": 1, "reason": "It is settled."},
        ),
        ("POST", "/api/v1/questions/{question_id:int}/reopening"): (
            almanac["reopened"],
            {
                "based_on": 2,
                "reason": "It was closed in error.",
                "closes_at": "2027-11-30T00:00:00Z",
            },
        ),
        ("POST", "/api/v1/questions/{question_id:int}/comments"): (open_one, {"text": "Dry."}),
        ("POST", "/api/v1/comments/{comment_id:int}/revisions"): (open_one, {"text": "Wet."}),
        ("POST", "/api/v1/comments/{comment_id:int}/restoration"): (open_one, {"reason": "No."}),
        ("POST", "/api/v1/sets/{slug:str}/visibility"): (
            open_one,
            {"visibility": "after_forecast", "reason": "To be fair."},
        ),
    }

    password = "correct horse battery"  # noqa: S105  # a made-up one
    new_token = {"label": "made", "scope": "read"}
    written = {
        ("POST", "/api/v1/registrations"): {"name": "zoe", "password": password},
        ("POST", "/api/v1/renewals"): {"invitation": "cri_none", "password": password},
        ("POST", "/api/v1/tokens"): {"name": "zoe", "password": password, **new_token},
        ("POST", "/api/v1/account/password"): {"current": password, "new": password},
        ("POST", "/api/v1/account/tokens"): new_token,
        ("POST", "/api/v1/accounts"): {"name": "made", "role": "viewer"},
        ("PATCH", "/api/v1/accounts/{account_id:int}"): {"role": "forecaster"},
        ("POST", "/api/v1/accounts/{account_id:int}/tokens"): new_token,
        ("POST", "/api/v1/invitations"): {"role": "viewer"},
    }
    bodies |= {endpoint: (open_one, body) for endpoint, body in written.items()}

    reasoned = {
        ("DELETE", route.path)
        for route in client.app.routes
        for handler in getattr(route, "route_handlers", [])
        if "DELETE" in handler.http_methods and "reason" in handler.parsed_fn_signature.parameters
    }

    def ask(headers: dict[str, str]) -> dict[Any, int]:
        mine = client.post("/api/v1/account/tokens", json=new_token, headers=headers).json()
        fills["token_id:int"] = mine["token"]["id"] if "token" in mine else 1
        client.post(f"/api/v1/questions/{held}/forecasts", json=told, headers=headers)
        found = {}
        for method, template in ENDPOINTS:
            asked, body = bodies.get((method, template), (open_one, None))
            path = template.replace("{question_id:int}", str(asked))
            for name, fill in fills.items():
                path = path.replace(f"{{{name}}}", str(fill))
            params = {"reason": "Rude."} if (method, template) in reasoned else None
            answer = client.request(
                method, path, json=body, params=params, headers=headers, follow_redirects=False
            )
            if answer.status_code == 401:
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.headers["content-type"] == "application/problem+json"
            found[method, template] = answer.status_code
        return found

    return ask


def expected(role: str | None) -> dict[Any, int]:
    return {
        endpoint: (
            200
            if statuses == PUBLIC
            else statuses
            if isinstance(statuses, int)
            else statuses.get(role, 401)
        )
        for endpoint, statuses in ENDPOINTS.items()
    }


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_the_table_says(ask, account, role: Role) -> None:
    eve = account("eve", role)
    assert ask({"Authorization": f"Bearer {eve.token}"}) == expected(role)


@pytest.mark.parametrize(
    ("scope", "role"), [("read", "viewer"), ("forecast", "forecaster"), ("curate", "curator")]
)
def test_a_tokens_scope_leaves_of_a_role_what_the_table_says(
    ask, account, scope: str, role: str
) -> None:
    eve = account("eve", Role.administrator)
    issued = eve.post("/account/tokens", {"label": "narrow", "scope": scope}).json()
    # Sessions open all that the account may do: only what does so too may end them.
    sessions = {("DELETE", "/api/v1/account/sessions/{session_id:int}"): 403}
    assert ask({"Authorization": f"Bearer {issued['secret']}"}) == expected(role) | sessions


def test_nobody_gets_in_without_a_token_that_opens(ask, account, on_database) -> None:
    revoked, gone = account("revoked", Role.administrator), account("gone", Role.administrator)

    async def shut(database: Database) -> None:
        async with database.write() as session:
            await tokens.revoke_all(session, revoked.id)
            row = await session.scalar(select(Account).where(Account.name == "gone"))
            assert row is not None
            row.deactivated_at = now()

    on_database(shut)
    for authorization in (
        "",
        "Bearer",
        "Bearer crd_" + "x" * 43,
        f"Basic {revoked.token}",
        f"Bearer {revoked.token}",
        f"Bearer {gone.token}",
        f"Bearer {gone.token[:-1]}",
    ):
        headers = {"Authorization": authorization} if authorization else {}
        assert ask(headers) == expected(None)


def test_a_token_in_an_address_opens_nothing(client, account) -> None:
    token = account("ann").token
    for name in ("token", "access_token", "api_key", "Authorization"):
        answer = client.get("/api/v1/account", params={name: token})
        assert answer.status_code in {401, 422}, name
        assert token not in answer.text


def test_no_secret_is_stored_logged_or_answered(
    client, account, on_database, question, monkeypatch, caplog
) -> None:
    caplog.set_level(logging.DEBUG)
    ann, rain = account("ann"), question()

    async def everything(database: Database) -> str:
        async with database.engine.connect() as connection:
            tables = await connection.run_sync(lambda c: inspect(c).get_table_names())
            rows: list[Any] = []
            for table in tables:
                rows += await connection.execute(text(f'SELECT * FROM "{table}"'))  # noqa: S608  # the names are our own
            return "\n".join(str(tuple(row)) for row in rows)

    answers = [
        ann.forecast(rain, 0.3),
        ann.forecast(rain, 7),
        ann.get("/nowhere"),
        ann.get("/forecasters/1"),
        client.get("/api/v1/sets", headers={"Authorization": f"Basic {ann.token}"}),
        client.get("/api/v1/sets", headers={"Authorization": f"Bearer {ann.token}x"}),
        client.get("/metrics"),
    ]
    monkeypatch.setattr("service.questions.questions.sets", None)
    broken = ann.get("/sets")
    assert broken.status_code == 500
    assert "unforeseen error at GET /api/v1/sets" in caplog.text
    stored = on_database(everything)
    assert "ann" in stored
    for place in (stored, caplog.text, *(answer.text for answer in [*answers, broken])):
        assert ann.token not in place
        assert ann.token.removeprefix("crd_") not in place
    assert "NoneType" not in broken.text


def test_a_weight_is_shown_to_its_forecaster_and_to_curators(account, curator) -> None:
    ann, bob = account("ann"), account("bob")
    path = f"/forecasters/{ann.id}"
    assert bob.get(path).json() == ann.get(path).json() | {"opinion": None}
    assert ann.get(path).json() == curator.get(path).json()
    weight = ann.get(path).json()["opinion"]["weight"]
    assert 0 < weight["lower"] < weight["value"] < weight["upper"]


def test_a_body_over_the_limit_is_refused(refused, account, question) -> None:
    ann, rain = account("ann"), question()
    long = b'{"probability": 0.3, "rationale": "' + b"x" * 2_000_000 + b'"}'
    path, kind = f"/questions/{rain}/forecasts", {"Content-Type": "application/json"}
    refused(ann("POST", path, content=long, headers=kind), 413)
    refused(ann("POST", path, content=iter([long[:10], long[10:]]), headers=kind), 413)
    assert ann.get(path).json()["items"] == []


def test_an_answer_to_a_method_that_is_not_taken_says_which_are(client, account) -> None:
    ann = account("ann")
    taken = {
        path: ann("PATCH", path).headers["allow"].split(", ") for path in ("/sets", "/account")
    }
    assert {path: set(names) for path, names in taken.items()} == {
        "/sets": {"GET", "HEAD", "OPTIONS"},
        "/account": {"GET", "HEAD", "OPTIONS"},
    }
    page = client.patch("/questions", headers={"Sec-Fetch-Site": "same-origin"})
    assert (page.status_code, "GET" in page.headers["allow"]) == (405, True)


def test_options_names_the_methods_that_a_refusal_names(client, account) -> None:
    ann = account("ann")
    for path in ("/api/v1/questions/1/forecasts", "/api/metaculus/posts", "/questions", "/readyz"):
        headers = {"Authorization": f"Bearer {ann.token}", "Sec-Fetch-Site": "same-origin"}
        asked, refused = (
            client.request(method, path, headers=headers) for method in ("OPTIONS", "PATCH")
        )
        assert (asked.status_code, refused.status_code) == (204, 405)
        assert asked.headers["allow"] == refused.headers["allow"]
        assert "GET, HEAD" in asked.headers["allow"]


def test_head_is_answered_like_get_without_the_body(client, account, question) -> None:
    ann, rain = account("ann"), question()
    for path in (f"/api/v1/questions/{rain}", "/healthz", "/sign-in", "/nowhere"):
        headers = {"Authorization": f"Bearer {ann.token}"} if path.startswith("/api") else {}
        full, head = (client.request(way, path, headers=headers) for way in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (full.status_code, b"")
        for name in ("content-type", "content-length", "etag"):
            assert head.headers.get(name) == full.headers.get(name), (path, name)


def test_every_answer_carries_the_security_headers(client, account, question) -> None:
    ann = account("ann")
    answers = {
        200: ann.get("/sets"),
        201: ann.forecast(question(), 0.3),
        401: client.get("/api/v1/sets"),
        404: client.get("/nowhere"),
        405: ann("PATCH", "/sets"),
        422: ann.get("/questions", limit=0),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
    for path in ("/schema", "/documentation/swagger-ui.css"):
        assert client.get(path).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/calibration", {"of": "99999999999999999999"}),
        ("/questions", {"tag": "\0"}),
        ("/questions", {"set": "\0"}),
        ("/sets/%00", {}),
        ("/leaderboard", {"as_of": "0001-01-01T00:00:00+14:00"}),
        ("/questions/99999999999999999999", {}),
        ("/questions", {"cursor": "OTk5OTk5OTk5OTk5OTk5"}),
    ],
)
def test_what_no_database_can_hold_is_refused_in_words(account, path: str, params: Any) -> None:
    answer = account("ann").get(path, **params)
    assert answer.status_code in {404, 422}
    assert answer.json()["detail"]
