"""The first minutes: the link that a server prints, pages of invitations, sign-in by a token."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import time_machine
from litestar.testing import TestClient
from sqlalchemy import select

from service.accounts import accounts, invitations, tokens
from service.clock import now
from service.database.engine import Database
from service.models import Account, Role, TokenScope
from service.settings import Settings

PASSWORD = "correct horse battery staple"  # noqa: S105  # a made-up one
OURS = {"Sec-Fetch-Site": "same-origin", "Host": "127.0.0.1"}
LINK = re.compile(r"^ +(http://\S+/join\?invitation=cri_\S+)$", re.MULTILINE)


@pytest.fixture
def browser(client: TestClient[Any]) -> Any:
    """Ask for pages as a browser does, without following redirects."""

    def ask(method: str, path: str, form: dict[str, str] | None = None) -> Any:
        return client.request(method, path, data=form, headers=OURS, follow_redirects=False)

    return ask


@pytest.fixture
def first(on_database) -> Any:
    """The secret of the first administrator's link, as a start of the service makes it."""

    async def prepare(database: Database) -> None:
        async with database.write() as session:
            await accounts.create(session, "administrator", Role.administrator)

    async def start(database: Database) -> str | None:
        async with database.write() as session:
            return await invitations.invite_first(session)

    on_database(prepare)
    return lambda: on_database(start)


def join(browser: Any, invitation: str, **form: str) -> Any:
    return browser("POST", "/join", {"invitation": invitation, "password": PASSWORD} | form)


def test_the_first_link_is_shown_any_number_of_times_and_used_once(browser, first) -> None:
    secret = first()
    for _ in range(3):
        shown = browser("GET", f"/join?invitation={secret}")
        assert shown.status_code == 200
        assert "Welcome" in shown.text
        assert 'value="administrator"' in shown.text
    weak = join(browser, secret, name="root", password="x" * 11)
    assert weak.status_code == 422
    assert "at least 12" in weak.text.lower()
    used = join(browser, secret, name="Ada Okafor")
    assert (used.status_code, used.headers["location"]) == (303, "/welcome")
    welcome = browser("GET", "/welcome").text
    assert "Welcome, Ada Okafor" in welcome
    assert "/accounts#invitations" in welcome
    for again in (browser("GET", f"/join?invitation={secret}"), join(browser, secret, name="eve")):
        assert again.status_code in {410, 422}
        assert "no longer valid" in again.text
        assert "credence account invite --for NAME" in again.text
    assert first() is None, "the next start prints no link"


def test_each_start_replaces_the_link_until_it_is_used_and_it_ends_after_a_day(
    browser, first
) -> None:
    stale, fresh = first(), first()
    assert browser("GET", f"/join?invitation={stale}").status_code == 410
    with time_machine.travel(now() + timedelta(hours=23, minutes=59)):
        assert browser("GET", f"/join?invitation={fresh}").status_code == 200
    with time_machine.travel(now() + timedelta(hours=24, minutes=1)):
        assert browser("GET", f"/join?invitation={fresh}").status_code == 410
        assert join(browser, first(), name="administrator").status_code == 303


def test_an_administrator_who_has_a_password_needs_no_link(on_database, first) -> None:
    async def another(database: Database) -> None:
        async with database.write() as session:
            await accounts.create(session, "root", Role.administrator, password_hash=PASSWORD)

    assert first()
    on_database(another)
    assert first() is None


def test_the_name_is_chosen_with_the_first_password_alone(browser, first, on_database) -> None:
    async def invite(database: Database) -> str:
        async with database.write() as session:
            account = await session.scalar(select(Account).where(Account.name == "ada"))
            assert account is not None
            return (await invitations.invite_back(session, None, account.id))[1]

    taken = join(browser, first(), name="set:ada")
    assert taken.status_code == 422
    join(browser, first(), name="ada")
    secret = on_database(invite)
    shown = browser("GET", f"/join?invitation={secret}").text
    assert "For the account ada" in shown
    other = join(browser, secret, name="eve")
    assert other.status_code == 422
    assert "keeps that name" in other.text
    assert join(browser, secret, name="ada").status_code == 303, "its own name is no mistake"


@pytest.mark.parametrize("typed", [{}, {"name": "ann"}, {"name": "somebody else"}])
@pytest.mark.parametrize("paste", ["{}", "https://forecasts.example/join?invitation={}", " {}\n"])
def test_the_sign_in_page_takes_an_invitation_up(browser, first, paste: str, typed: Any) -> None:
    secret = first()
    shown = browser("POST", "/sign-in", {"password": paste.format(secret)} | typed)
    assert shown.status_code == 200
    assert f'name="invitation" value="{secret}"' in shown.text
    assert f'value="{typed.get("name", "administrator")}"' in shown.text
    assert join(browser, secret, name="administrator").status_code == 303


def test_an_invitation_to_register_joins_as_its_role(browser, account, client) -> None:
    rob = account("rob", Role.administrator)
    invited = rob.post("/invitations", {"role": "curator"}).json()
    shown = browser("GET", invited["url"].partition("testserver.local")[2])
    assert "as a curator" in shown.text
    taken = join(browser, invited["secret"], name="rob")
    assert taken.status_code == 409
    assert "choose another name" in taken.text
    assert join(browser, invited["url"], name="ann").status_code == 303
    assert "signed in as a curator" in browser("GET", "/welcome").text


def test_the_welcome_page_makes_a_token_that_the_api_and_the_sign_in_page_take(
    browser, first, client
) -> None:
    join(browser, first(), name="ada")
    shown = browser("POST", "/welcome/token")
    token = re.search(r"crd_[\w-]{43}", shown.text)
    assert token
    assert "curl" in shown.text
    headers = {"Authorization": f"Bearer {token[0]}"}
    assert client.get("/api/v1/account", headers=headers).json()["name"] == "ada"
    assert token[0] not in browser("GET", "/welcome").text
    browser("POST", "/sign-out")
    assert browser("GET", "/account").status_code == 303
    entered = browser("POST", "/sign-in", {"password": f"Bearer {token[0]} ", "next": "/model"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/model")
    assert browser("GET", "/account").status_code == 200


def test_a_session_of_a_token_allows_what_the_token_does_and_ends_with_it(
    browser, account, on_database
) -> None:
    ann = account("ann", Role.administrator)
    ending = now() + timedelta(days=2)

    async def issue(database: Database) -> list[str]:
        async with database.write() as session:
            return [
                (await tokens.issue(session, ann.id, "read", TokenScope.read, ending))[1]
                for _ in range(2)
            ]

    def sign_in(token: str) -> None:
        assert browser("POST", "/sign-in", {"password": token}).status_code == 303

    short, revoked = on_database(issue)
    sign_in(revoked)
    held = ann.get("/account/tokens").json()["items"]
    mine = ann.get("/account/sessions").json()["items"]
    assert [one["token_id"] for one in mine] == [held[0]["id"]]
    assert browser("GET", "/accounts").status_code == 403
    assert browser("POST", "/account/tokens", {"label": "x", "scope": "curate"}).status_code == 403
    ann("DELETE", f"/account/tokens/{held[0]['id']}")
    assert browser("GET", "/account").status_code == 303
    assert ann.get("/account/sessions").json()["items"] == []
    sign_in(short)
    with time_machine.travel(ending - timedelta(minutes=1)):
        assert browser("GET", "/account").status_code == 200
    with time_machine.travel(ending + timedelta(minutes=1)):
        assert browser("GET", "/account").status_code == 303
    refused = browser("POST", "/sign-in", {"password": revoked})
    assert refused.status_code == 401
    assert "this token is unknown, expired or revoked" in refused.text


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"password": "crd_cut_off"}, "the code is incomplete"),
        ({"password": "cri_cut_off"}, "the code is incomplete"),
        ({"password": PASSWORD}, "enter the name of your account with the password"),
        ({"name": "ann", "password": PASSWORD}, "the name or the password is wrong"),
    ],
)
def test_what_opens_nothing_is_refused_with_what_to_do(
    browser, typed: dict[str, str], words: str
) -> None:
    answer = browser("POST", "/sign-in", typed)
    assert answer.status_code in {401, 422}
    assert words in answer.text
    assert PASSWORD not in answer.text


def test_a_visitor_who_must_sign_in_reads_what_this_is_and_how_to_get_in(browser) -> None:
    sent = browser("GET", "/")
    assert sent.status_code == 303
    page = browser("GET", sent.headers["location"])
    assert page.status_code == 200
    assert "for the probabilities of events" in page.text
    assert "invitation or API token" in page.text


class Printed:
    """What a server printed on standard output: its address at once, the rest as far as read."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.address = self.wait_for(re.compile(r"answers at (\S+)$"))

    def wait_for(self, wanted: re.Pattern[str]) -> str:
        return next(found[1] for found in map(wanted.search, self.lines) if found)


@contextmanager
def served(settings: Settings, *options: str) -> Iterator[Printed]:
    """A real server; afterwards it has printed no further link, and none into its log."""
    environment = {name: text for name, text in os.environ.items() if "CREDENCE" not in name}
    environment |= {"CREDENCE_DATABASE_URL": settings.database_url}
    with subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve", "--no-worker", "--port", "0", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            yield Printed(iter(server.stdout.readline, ""))
        finally:
            server.terminate()
            rest, logged = server.stdout.read(), server.stderr.read()
        assert invitations.PREFIX not in rest + logged


@pytest.mark.slow
@pytest.mark.real_clock
def test_a_server_prints_one_link_at_each_start_until_it_is_used(settings, first) -> None:
    with served(settings) as printed:
        stale = printed.wait_for(LINK)
    with served(settings, "--processes", "2") as printed:
        link = printed.wait_for(LINK)
        assert link.startswith(f"{printed.address}/join?invitation=")
        with httpx.Client(
            headers={"Sec-Fetch-Site": "same-origin"}, base_url=printed.address
        ) as visitor:
            assert visitor.get(stale[stale.index("/join") :]).status_code == 410
            assert "Welcome" in visitor.get(link).text
            sent = {"invitation": link, "name": "ada", "password": PASSWORD}
            entered = visitor.post("/join", data=sent, follow_redirects=True)
            assert "Welcome, ada" in entered.text
    with served(settings) as printed:
        assert httpx.get(f"{printed.address}/healthz").status_code == 200
