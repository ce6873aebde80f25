"""Forms of the pages: nothing typed is lost, and errors know who made them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest
from litestar.testing import TestClient
from sqlalchemy.exc import OperationalError

from service.accounts import passwords
from service.app import create_app
from service.database.engine import Database
from service.models import Account
from service.pages.rendering import HERE

TEMPLATES = HERE / "templates"
PASSWORD = "correct horse battery"  # noqa: S105  # of accounts that these tests make


def test_a_page_of_an_error_names_whoever_has_signed_in(opened, client, question) -> None:
    rain = question()
    wrong = {
        "/nowhere": ("GET", None, 404),
        "/questions/99": ("GET", None, 404),
        "/curate": ("GET", None, 403),
        "/questions/x": ("GET", None, 404),
        f"/questions/{rain}": ("POST", None, 405),
        f"/questions/{rain}/preview?probability=x": ("GET", None, 422),
        "/comments/99/removal": ("POST", {}, 404),
    }
    for path, (method, data, status) in wrong.items():
        answer = opened(method, path, "forecaster", data=data)
        assert answer.status_code == status, path
        assert '<a href="/account" class="name">forecaster</a>' in answer.text, path
        assert ">Sign in<" not in answer.text, path
        stranger = opened(method, path, "visitor", data=data)
        assert 'class="name"' not in stranger.text, path


def test_a_page_of_an_error_needs_no_database(opened, client, question) -> None:
    question()
    opened("GET", "/", "forecaster")

    @asynccontextmanager
    async def away() -> AsyncIterator[None]:
        raise OperationalError("SELECT 1", None, OSError("the database is away"))
        yield

    client.app.state.database.read = away
    answer = opened("GET", "/questions", "forecaster")
    assert answer.status_code == 503
    assert "The database is busy or away" in answer.text


TYPED = {
    "forecasts": {
        "probability": "37.5",
        "rationale": 'First.\n\n<b>Second</b> & "third".\n' + "long " * 3000,
        "stands": "30",
        "key": "k1",
    },
    "comments": {"text": "I *doubt* it.\nReally.", "parent_id": "", "private": "yes"},
}


@pytest.mark.parametrize("form", TYPED)
@pytest.mark.parametrize("readers", ["members", "everyone"])
def test_what_was_typed_before_a_session_ended_is_sent_after_signing_in(
    settings, account, question, on_database, form: str, readers: str
) -> None:
    rain, ann = question(), account("ann")
    on_database(partial(_set_password, account_id=ann.id))
    path = f"/questions/{rain}/{form}"
    headers = {
        "Sec-Fetch-Site": "same-origin",
        "Referer": f"http://testserver/questions/{rain}",
        "Cookie": "__Host-credence=ended",
    }
    with TestClient(create_app(replace(settings, readers=readers))) as client:
        send = partial(client.post, follow_redirects=False)
        asked = send(path, data=TYPED[form], headers=headers)
        assert asked.status_code == 401
        hidden = _fields(asked.text)
        assert hidden["next"] == f"/questions/{rain}"
        entry = {"name": "ann", "password": "not the right one"}
        refused = send("/sign-in", data=hidden | entry, headers=headers)
        assert refused.status_code == 401
        assert _fields(refused.text) == hidden | {"name": "ann"}
        entry["password"] = PASSWORD
        shown = send("/sign-in", data=_fields(refused.text) | entry, headers=headers)
        assert shown.status_code == 200
        assert "<b>Second" not in shown.text
        assert f'action="{path}#done"' in shown.text
        assert _fields(shown.text) == TYPED[form]
        headers["Cookie"] = shown.headers["set-cookie"].partition(";")[0]
        done = send(path, data=_fields(shown.text), headers=headers)
        assert done.status_code == 303
        assert done.headers["location"].endswith("#done")
    if form == "forecasts":
        (mine,) = ann.get(f"/questions/{rain}/forecasts", mine=True).json()["items"]
        assert (mine["probability"], mine["rationale"]) == (0.375, TYPED[form]["rationale"])
    else:
        (said,) = ann.get(f"/questions/{rain}/comments").json()["items"]
        assert (said["text"], said["private"]) == (TYPED[form]["text"], True)


def test_no_secret_is_carried_through_signing_in(opened) -> None:
    typed = {"current": "my old password", "new": "my new password"}
    asked = opened("POST", "/account/password", data=typed)
    assert asked.status_code == 401
    assert "my old password" not in asked.text
    assert set(_fields(asked.text)) == {"next", "name", "password"}


def test_what_is_carried_is_sent_nowhere_else(opened, account, on_database) -> None:
    on_database(partial(_set_password, account_id=account("ann").id))
    data = {
        "name": "ann",
        "password": PASSWORD,
        "carried-to": "https://evil.example/x",
        "carried.text": "mine",
    }
    answer = opened("POST", "/sign-in", data=data)
    assert "evil.example" not in answer.text
    assert 'action="/#done"' in answer.text


def test_a_comment_that_cannot_be_taken_is_shown_again(opened, account, question) -> None:
    rain = question()
    ann = account("ann")
    held = ann.post(f"/questions/{rain}/comments", {"text": "Why?"}).json()["id"]
    for parent in ("", str(held)):
        answer = opened(
            "POST",
            f"/questions/{rain}/comments",
            "forecaster",
            data={"text": "x" * 20_001, "parent_id": parent},
        )
        assert answer.status_code == 422
        assert "x" * 20_001 in answer.text
        assert answer.text.count('id="done"') == 1


def test_a_forecast_that_comes_too_late_is_shown_again(opened, question, curator) -> None:
    rain = question()
    curator.resolve(rain, "yes")
    typed = {"probability": "40", "rationale": "It will <rain>."}
    answer = opened("POST", f"/questions/{rain}/forecasts", "forecaster", data=typed)
    assert answer.status_code == 409
    assert "It will &lt;rain&gt;." in answer.text
    assert "is resolved: yes" in answer.text


def test_a_confirmation_offers_the_next_question(opened, question) -> None:
    rain, snow = question("rain"), question("snow")
    done = opened("POST", f"/questions/{rain}/forecasts", "forecaster", data={"probability": "40"})
    assert done.headers["location"] == f"/questions/{rain}?done=forecast#done"
    page = opened("GET", done.headers["location"], "forecaster").text
    assert page.count('id="done"') == 1
    assert f'<a href="/questions/{snow}#forecast" data-key="n">' in page


def test_each_filter_of_the_list_of_questions_leaves_out_what_it_says(
    opened, question, curator
) -> None:
    rain = question("rain", title="Will it rain?")
    snow = question("snow", in_set="cold", title="Will it snow?")
    curator.resolve(snow, "no")
    for query, kept in {
        "": {rain, snow},
        "set=cold": {snow},
        "state=open": {rain},
        "state=resolved": {snow},
        "set=cold&state=open": set(),
        "q=rain": {rain},
    }.items():
        text = opened("GET", f"/questions?{query}", "viewer").text
        assert {int(one) for one in re.findall(r'href="/questions/(\d+)"', text)} == kept, query
    assert opened("GET", "/questions?set=nowhere", "viewer").status_code == 404


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.stem)
def test_every_form_leads_to_what_came_of_it(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    for action in re.findall(r'<form method="post" action="([^"]+)"', text):
        assert action == "/sign-out" or action.endswith("#done"), action
    for told in re.findall(r"<[^>]+role=\"(?:status|alert)\"[^>]*>", text):
        assert 'id="done"' in told, told
        assert 'tabindex="-1"' in told, told
    for done in re.findall(r"<[^>]+id=\"done\"[^>]*>", text):
        assert re.search(r'role="(status|alert)"', done), done


async def _set_password(database: Database, account_id: int) -> None:
    digest = await passwords.digest(PASSWORD)
    async with database.write() as session:
        (await session.get_one(Account, account_id)).password_hash = digest


class _Fields(HTMLParser):
    """The fields of the last form of a page but for the header's, with what is in them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._text: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.found = {}
        elif tag in {"input", "textarea"}:
            self.found[str(given["name"])] = given.get("value") or ""
            self._text = str(given["name"]) if tag == "textarea" else None

    def handle_data(self, data: str) -> None:
        if self._text:
            self.found[self._text] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text:
            self.found[self._text] = self.found[self._text].removeprefix("\n")
            self._text = None


def _fields(html: str) -> dict[str, str]:
    parser = _Fields()
    parser.feed(html)
    return parser.found
