"""Signing in: passwords, browser sessions, invitations, tokens' scopes and ends, and attempts."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, update
from sqlalchemy.orm import undefer

from service.accounts import accounts, authentication, invitations, passwords, sessions
from service.clock import now
from service.database.engine import Database
from service.exceptions import Conflict, Forbidden, Invalid, TooManyRequests, Unauthenticated
from service.models import Account, BrowserSession, Role, Token
from service.permissions import Actor
from service.settings import Settings
from service.web import rate_limits

PASSWORD = "correct horse battery staple"  # noqa: S105  # a made-up one
OTHER = "a different long password"
HERE = "192.0.2.1"
OPEN = Settings(registration="open")


@pytest.fixture
def ann(on_database) -> Actor:
    """Someone who registered by themselves."""

    async def register(database: Database) -> Actor:
        return await authentication.register(database, OPEN, "ann", PASSWORD, address=HERE)

    return on_database(register)


def sign_in(database: Database, name: str = "ann", password: str = PASSWORD, **more: Any) -> Any:
    return sessions.sign_in(database, OPEN, name, password, **({"address": HERE} | more))


async def opened_by(database: Database, secret: str | None) -> str | None:
    async with database.read() as session:
        try:
            return (await sessions.authenticate(session, secret)).name
        except Unauthenticated:
            return None


def test_a_session_opens_its_account_until_it_is_signed_out(on_database, ann) -> None:
    async def work(database: Database) -> None:
        first = await sign_in(database)
        assert await opened_by(database, first) == "ann"
        assert await opened_by(database, first + "x") is None
        assert await opened_by(database, None) is None
        second = await sign_in(database, instead_of=first)
        assert second != first
        assert await opened_by(database, first) is None
        async with database.write() as session:
            await sessions.sign_out(session, second)
        assert await opened_by(database, second) is None

    on_database(work)


@pytest.mark.parametrize(
    "aged", [{"used_at": sessions.IDLE}, {"created_at": sessions.LIFETIME}], ids=["idle", "old"]
)
def test_a_session_ends_when_idle_and_when_old(
    on_database, ann, aged: dict[str, timedelta]
) -> None:
    async def work(database: Database) -> None:
        secret = await sign_in(database)
        for margin, name in ((timedelta(minutes=1), "ann"), (timedelta(0), None)):
            async with database.write() as session:
                await session.execute(
                    update(BrowserSession).values(
                        {field: now() - age + margin for field, age in aged.items()}
                    )
                )
            assert await opened_by(database, secret) == name

    on_database(work)


def test_an_unknown_name_and_a_wrong_password_get_one_answer(
    on_database, ann, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    matches = passwords.matches

    async def counted(password: str, held: str | None) -> bool:
        compared.append(held)
        return await matches(password, held)

    monkeypatch.setattr(passwords, "matches", counted)

    async def work(database: Database) -> set[str]:
        async with database.write() as session:
            await accounts.create(session, "tokens only", Role.viewer)
        said = set()
        for name, password in (
            ("ann", OTHER),
            ("bob", PASSWORD),
            ("tokens only", PASSWORD),
            ("no\0name", PASSWORD),
        ):
            with pytest.raises(Unauthenticated) as refusal:
                await sign_in(database, name, password)
            said.add(str(refusal.value))
        return said

    assert on_database(work) == {authentication.WRONG}
    assert len(compared) == 4


def test_attempts_run_out_by_name_and_come_back_by_signing_in(on_database, ann) -> None:
    async def work(database: Database) -> None:
        for _ in range(9):
            with pytest.raises(Unauthenticated):
                await sign_in(database, password=OTHER)
        await sign_in(database)
        for name in ("ann", "ANN") * 5:
            with pytest.raises(Unauthenticated):
                await sign_in(database, name, password=OTHER)
        with pytest.raises(TooManyRequests) as refusal:
            await sign_in(database)
        assert 0 < refusal.value.retry_after <= 60

    on_database(work)


def test_strangers_cannot_keep_an_owner_out(on_database, ann) -> None:
    few = Settings(registration="open", sign_in_attempts=1)

    async def work(database: Database) -> None:
        async def enter(password: str, address: str) -> Any:
            return await sessions.sign_in(database, few, "ann", password, address=address)

        await enter(PASSWORD, HERE)
        for stranger in range(rate_limits.NAME_FACTOR - 1):
            with pytest.raises(Unauthenticated):
                await enter(OTHER, f"198.51.100.{stranger}")
        with pytest.raises(TooManyRequests):
            await enter(OTHER, "203.0.113.1")
        assert await opened_by(database, await enter(PASSWORD, HERE)) == "ann"
        with time_machine.travel(now() + rate_limits.KNOWN_FOR - timedelta(minutes=1), tick=False):
            assert await rate_limits.is_known(database, "ann", HERE)
        with time_machine.travel(now() + rate_limits.KNOWN_FOR + timedelta(minutes=1), tick=False):
            assert not await rate_limits.is_known(database, "ann", HERE)

    on_database(work)


def test_attempts_run_out_by_address_whatever_the_names(on_database) -> None:
    async def work(database: Database) -> None:
        limit = rate_limits.by_address("tests", "2001:db8::1", 1)
        for _ in range(rate_limits.ADDRESS_FACTOR):
            await rate_limits.consume(database, limit)
        neighbour = rate_limits.by_address("tests", "2001:db8::2", 1)
        with pytest.raises(TooManyRequests):
            await rate_limits.consume(database, neighbour)
        await rate_limits.consume(database, rate_limits.by_address("tests", "2001:db8:1::1", 1))

    on_database(work)


def test_a_password_change_ends_every_session(on_database, ann) -> None:
    async def work(database: Database) -> None:
        secret = await sign_in(database)
        with pytest.raises(Forbidden):
            await authentication.change_password(database, OPEN, ann, OTHER, OTHER, address=HERE)
        assert await opened_by(database, secret) == "ann"
        await authentication.change_password(database, OPEN, ann, PASSWORD, OTHER, address=HERE)
        assert await opened_by(database, secret) is None
        with pytest.raises(Unauthenticated):
            await sign_in(database)
        await sign_in(database, password=OTHER)

    on_database(work)


def test_a_password_change_ends_tokens_only_if_it_is_asked_to(refused, client, ann) -> None:
    def issue(label: str, password: str) -> dict[str, str]:
        body = {"name": "ann", "password": password, "label": label, "scope": "read"}
        return {
            "Authorization": f"Bearer {client.post('/api/v1/tokens', json=body).json()['secret']}"
        }

    def opens(headers: dict[str, str]) -> bool:
        return bool(client.get("/api/v1/account", headers=headers).status_code == 200)

    def change(current: str, new: str, **more: Any) -> int:
        body = {"current": current, "new": new, **more}
        return int(client.post("/api/v1/account/password", json=body, headers=asks).status_code)

    asks, other = issue("asks", PASSWORD), issue("other", PASSWORD)
    assert change(PASSWORD, OTHER) == 200
    assert (opens(asks), opens(other)) == (True, True)
    assert change(OTHER, PASSWORD, revoke_tokens=True) == 200
    assert (opens(asks), opens(other)) == (True, False)


def test_a_hash_of_other_parameters_is_made_again(on_database, ann, monkeypatch) -> None:
    async def held(database: Database) -> str:
        async with database.read() as session:
            row = await session.scalar(select(Account).options(undefer(Account.password_hash)))
            assert row is not None
            return str(row.password_hash)

    async def work(database: Database) -> None:
        before = await held(database)
        assert before.startswith("$argon2id$")
        await sign_in(database)
        assert await held(database) == before
        monkeypatch.setattr(passwords, "outdated", lambda _: True)
        await sign_in(database)
        assert await held(database) != before
        await sign_in(database)

    on_database(work)


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("short", "must have 12 to 1000"),
        ("x" * 1001, "must have 12 to 1000"),
        ("A Name Of Length", "must not contain the account's name"),
        ("my a name of length 97!", "must not contain the account's name"),
        (" " * 12, "easy to guess"),
        ("passwordpassword", "easy to guess"),
        ("123456789012", "easy to guess"),
        ("qwertyuiop[]", "easy to guess"),
        ("a" * 500, "easy to guess"),
        ("iloveyou1234", "easy to guess"),
        ("correct\x00horse battery", "must consist of visible characters"),
    ],
)
def test_a_weak_password_is_refused(on_database, password: str, message: str) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(Invalid, match=message) as refused:
            await authentication.register(
                database, OPEN, "a name of length", password, address=HERE
            )
        assert [error.field for error in refused.value.errors] == ["password"]

    on_database(work)


def test_a_long_unusual_password_is_taken(on_database) -> None:
    async def work(database: Database) -> None:
        for name, password in (
            ("zoe", "\u00fc\u00f1\u00ed lantern 47 gravel"),
            ("max", "q9" + "zK!v7" * 190),
        ):
            made = await authentication.register(database, OPEN, name, password, address=HERE)
            assert made.name == name

    on_database(work)


def test_registration_is_as_the_settings_say(on_database, ann) -> None:
    async def work(database: Database) -> None:
        async def register(mode: str, name: str, invitation: str | None = None) -> Actor:
            return await authentication.register(
                database,
                Settings(registration=mode),
                name,
                PASSWORD,
                address=HERE,
                invitation=invitation,
            )

        async with database.write() as session:
            _, secret = await invitations.invite(session, None, Role.curator)
        with pytest.raises(Forbidden):
            await register("closed", "bob", secret)
        with pytest.raises(Forbidden):
            await register("invitation", "bob")
        with pytest.raises(Conflict):
            await register("invitation", "Ann", secret)
        with pytest.raises(Invalid):
            await register("open", "set:bob")
        assert (await register("invitation", "bob", secret)).role is Role.curator
        with pytest.raises(Invalid):
            await register("invitation", "cat", secret)
        assert (await register("open", "cat")).role is Role.forecaster

    on_database(work)


def test_an_invitation_back_sets_a_password_once(on_database, ann) -> None:
    async def work(database: Database) -> None:
        signed_in = await sign_in(database)
        async with database.write() as session:
            _, stale = await invitations.invite_back(session, None, ann.id)
            _, secret = await invitations.invite_back(session, None, ann.id)
        with pytest.raises(Invalid):
            await authentication.renew_password(database, OPEN, stale, OTHER, address=HERE)
        with pytest.raises(Invalid):
            await authentication.register(
                database, OPEN, "bob", PASSWORD, address=HERE, invitation=secret
            )
        await authentication.renew_password(database, OPEN, secret, OTHER, address=HERE)
        assert await opened_by(database, signed_in) is None
        await sign_in(database, password=OTHER)
        with pytest.raises(Invalid):
            await authentication.renew_password(database, OPEN, secret, PASSWORD, address=HERE)

    on_database(work)


def test_a_deactivated_account_is_shut_and_stays_signed_out(on_database, ann) -> None:
    async def work(database: Database) -> None:
        secret = await sign_in(database)
        async with database.write() as session:
            await accounts.deactivate(session, None, ann.id)
        with pytest.raises(Unauthenticated):
            await sign_in(database)
        async with database.write() as session:
            await accounts.reactivate(session, None, ann.id)
        assert await opened_by(database, secret) is None
        await sign_in(database)

    on_database(work)


def test_what_is_done_to_accounts_is_in_the_log_once(account, client, curator) -> None:
    root = account("root", Role.administrator)
    made = root.post("/accounts", {"name": "bob", "role": "curator"}).json()["id"]
    bot = {"name": "robot", "role": "curator", "bot": True, "owner_id": made}
    robot = root.post("/accounts", bot).json()["id"]
    for _ in range(2):
        root("PATCH", f"/accounts/{made}", json={"role": "viewer"})
        root.post(f"/accounts/{made}/deactivation", None)
    for _ in range(2):
        root("DELETE", f"/accounts/{made}/deactivation")
    kept = root.post("/invitations", {"role": "forecaster"}).json()
    ended = root.post("/invitations", {"account_id": made}).json()["invitation"]["id"]
    for _ in range(2):
        root("DELETE", f"/invitations/{ended}")
    body = {"name": "eve", "password": PASSWORD, "invitation": kept["secret"]}
    eve = client.post("/api/v1/registrations", json=body).json()["id"]
    log = curator.get("/audit").json()["items"]
    done = [(one["action"], one["by"], one["subject_id"]) for one in reversed(log)]
    assert done == [
        ("account.created", "root", made),
        ("account.created", "root", robot),
        ("account.role_changed", "root", made),
        ("account.deactivated", "root", made),
        ("account.reactivated", "root", made),
        ("invitation.made", "root", None),
        ("invitation.made", "root", made),
        ("invitation.revoked", "root", made),
        ("invitation.used", "eve", eve),
    ]
    changed = next(one for one in log if one["action"] == "account.role_changed")["details"]
    assert changed == {"role": {"before": "curator", "after": "viewer"}, "bots": [robot]}
    assert kept["secret"] not in str(log)


def test_the_last_active_administrator_stays(refused, account) -> None:
    root, other = account("root", Role.administrator), account("other", Role.administrator)
    assert root.post(f"/accounts/{other.id}/deactivation", None).status_code == 200
    refused(root.post(f"/accounts/{root.id}/deactivation", None), 409, "last active")
    refused(root("PATCH", f"/accounts/{root.id}", json={"role": "viewer"}), 409, "last active")
    assert root("DELETE", f"/accounts/{other.id}/deactivation").status_code == 200
    refused(other.get("/account"), 401)
    assert root("PATCH", f"/accounts/{root.id}", json={"role": "viewer"}).status_code == 200


def test_a_token_makes_none_that_opens_more_or_longer(refused, account) -> None:
    ann = account("ann", Role.curator)
    ending = (now() + timedelta(days=1)).isoformat()
    body = {"label": "bot", "scope": "forecast", "expires_at": ending}
    narrow = type(ann)(ann.client, ann.id, ann.post("/account/tokens", body).json()["secret"])
    refused(narrow.post("/account/tokens", body | {"scope": "curate"}), 403)
    refused(narrow.post("/account/tokens", body | {"expires_at": None}), 403)
    assert narrow.post("/account/tokens", body | {"scope": "read"}).status_code == 201
    past = (now() - timedelta(days=1)).isoformat()
    refused(ann.post("/account/tokens", body | {"expires_at": past}), 422, field="expires_at")


def test_a_tokens_last_use_is_shown_and_an_expired_one_is_shut(
    refused, account, on_database
) -> None:
    ann = account("ann")
    assert ann.get("/account").json()["name"] == "ann"
    assert ann.get("/account/tokens").json()["items"][0]["used_at"] is not None

    async def expire(database: Database) -> None:
        async with database.write() as session:
            await session.execute(update(Token).values(expires_at=now()))

    on_database(expire)
    refused(ann.get("/account"), 401, "expired")


def test_an_owner_manages_their_bots_tokens_and_nobody_elses(refused, account) -> None:
    root, ann, bob = account("root", Role.administrator), account("ann"), account("bob")
    made = root.post(
        "/accounts", {"name": "bot", "role": "forecaster", "bot": True, "owner_id": ann.id}
    )
    bot = made.json()
    assert [one["id"] for one in ann.get("/account/bots").json()["items"]] == [bot["id"]]
    path = f"/accounts/{bot['id']}/tokens"
    issued = ann.post(path, {"label": "host"}).json()
    secret = type(ann)(ann.client, bot["id"], issued["secret"])
    assert secret.get("/account").json()["owner_id"] == ann.id
    refused(bob.get(path), 403)
    refused(bob("DELETE", f"{path}/{issued['token']['id']}"), 403)
    refused(root.post(f"/accounts/{bob.id}/tokens", {"label": "as bob"}), 403)
    assert root.post(f"/accounts/{ann.id}/deactivation", None).status_code == 200
    refused(secret.get("/account"), 401)


def test_a_password_gets_a_token(refused, client, account, ann) -> None:
    body = {"name": "ann", "password": PASSWORD, "label": "laptop", "scope": "read"}
    issued = client.post("/api/v1/tokens", json=body)
    assert issued.status_code == 201
    headers = {"Authorization": f"Bearer {issued.json()['secret']}"}
    assert client.get("/api/v1/account", headers=headers).json()["name"] == "ann"
    for _ in range(10):
        refused(client.post("/api/v1/tokens", json=body | {"password": OTHER}), 401)
    answer = client.post("/api/v1/tokens", json=body)
    refused(answer, 429)
    assert 0 < int(answer.headers["retry-after"]) <= 60


def test_a_cookie_does_not_open_the_api(refused, client, on_database, ann) -> None:
    async def work(database: Database) -> str:
        return str(await sign_in(database))

    secret = on_database(work)
    client.cookies.set(sessions.cookie_name(secure=True), secret)
    refused(client.get("/api/v1/account"), 401)


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_form_of_another_site_is_refused(client, headers: dict[str, str]) -> None:
    answer = client.post("/sign-out", headers=headers)
    assert answer.status_code == 403
    assert "not sent from this site" in answer.text


def test_the_cookie_is_for_this_host_and_no_script() -> None:
    sent = sessions.cookie("crs_x", secure=True).to_header(header="")
    assert sent.startswith("__Host-credence=crs_x;")
    for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert attribute in sent
    assert "Domain" not in sent


def test_a_body_that_is_not_declared_as_json_is_refused(refused, account, question) -> None:
    ann = account("ann")
    path = f"/questions/{question()}/forecasts"
    plain = {"Content-Type": "text/plain"}
    refused(ann("POST", path, content=b'{"probability": 0.3}', headers=plain), 415)


def test_an_account_has_a_pace_whatever_the_time_of_day_does() -> None:
    pace = rate_limits.RequestRateLimiter(3)
    for at in (now(), now() - timedelta(days=300), now() - timedelta(days=1)):
        with time_machine.travel(at, tick=False):
            pace.count(1)
    with pytest.raises(TooManyRequests) as refused:
        pace.count(1)
    assert 0 < refused.value.retry_after <= 20
    pace.count(2)
    unlimited = rate_limits.RequestRateLimiter(0)
    for _ in range(10):
        unlimited.count(1)


TAKEN = [
    ("ANN", "already an account"),
    ("\uff41nn", "already an account"),
    ("\u0430nn", "can be mistaken for 'ann'"),
    ("\u0410NN", "can be mistaken for 'ann'"),
    ("a\u006e\u0578", "can be mistaken for 'ann'"),
]
REFUSED = [
    "a\u200bnn",
    "an\u202en",
    "a\x00nn",
    "a\x1b[31mnn",
    "a\nnn",
    "a\u00adnn",
    "a\u3164nn",
    "a  nn",
    "a/nn",
    "set:ann",
    "",
    " ",
    "\u2800",
    "x" * 101,
    "\ud800",
]
RESERVED = ["mean", "Bayes", "MEDIAN", "trimmed mean", "m\u0435an", "aggregate"]


@pytest.mark.parametrize(("name", "message"), TAKEN)
def test_a_name_that_passes_for_another_is_refused(on_database, ann, name, message) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(Conflict, match=message):
            await authentication.register(database, OPEN, name, PASSWORD, address=HERE)

    on_database(work)


@pytest.mark.parametrize("name", [*REFUSED, *RESERVED, "admin", "Administrator", "me"])
def test_a_name_that_nobody_may_have_is_refused(on_database, name) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(Invalid, match="name must") as refused:
            await authentication.register(database, OPEN, name, PASSWORD, address=HERE)
        assert [error.field for error in refused.value.errors] == ["name"]

    on_database(work)


@pytest.mark.parametrize("name", [*REFUSED, *RESERVED])
def test_administrators_are_refused_such_names_too(on_database, name) -> None:
    async def work(database: Database) -> None:
        async with database.write() as session:
            with pytest.raises(Invalid, match="name must"):
                await accounts.add(session, None, name, Role.forecaster)

    on_database(work)


def test_a_composed_and_a_decomposed_name_are_one(on_database) -> None:
    async def work(database: Database) -> None:
        made = await authentication.register(database, OPEN, "Zoe\u0308", PASSWORD, address=HERE)
        assert made.name == "Zo\u00eb"
        for name in ("Zoe\u0308", "Zo\u00eb", "ZO\u00cb"):
            with pytest.raises(Conflict, match="already an account"):
                await authentication.register(database, OPEN, name, PASSWORD, address=HERE)
            assert await opened_by(database, await sign_in(database, name)) == "Zo\u00eb"

    on_database(work)
