"""Who may keep an answer, and on what it depends: no shared cache hands one reader's to another."""

import re
from typing import Any

import pytest

from service.accounts import sessions
from service.database.engine import Database


@pytest.fixture
def opened(client, account, on_database) -> Any:
    """Open a page as Ann, in her browser."""
    ann = account("ann")

    async def begin(database: Database) -> str:
        return await sessions.begin(database, ann.id)

    cookie = f"{sessions.cookie_name(secure=True)}={on_database(begin)}"

    def open_page(method: str, path: str, **options: Any) -> Any:
        headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
        return client.request(method, path, headers=headers, follow_redirects=False, **options)

    open_page.token = ann.token  # type: ignore[attr-defined]  # the same person's
    return open_page


def dependent(answer: Any) -> set[str]:
    return {name.strip().lower() for name in answer.headers.get("vary", "").split(",") if name}


def test_a_page_is_its_readers_own_and_asked_for_again(opened, question) -> None:
    rain = question()
    pages = ["/", f"/questions/{rain}", "/account", "/sign-in", "/sets/tests/feed.atom", "/nowhere"]
    for path in (*pages, f"/questions/{rain}/history.svg", "/questions?sort=moved"):
        answer = opened("GET", path)
        assert answer.headers["cache-control"] == "private, no-cache", path
        assert "cookie" in dependent(answer), path
        assert "authorization" not in dependent(answer), path


def test_an_answer_of_the_api_is_its_readers_own(opened, client, question) -> None:
    rain = question()
    headers = {"Authorization": f"Bearer {opened.token}"}
    paths = ["questions", f"questions/{rain}", "sets/tests/feed", "account", "questions/0", "none"]
    for path in paths:
        answer = client.get(f"/api/v1/{path}", headers=headers)
        assert answer.headers["cache-control"] == "private, no-cache", path
        assert dependent(answer) == {"authorization"}, path
    held = client.get(f"/api/v1/questions/{rain}", headers=headers)
    again = headers | {"If-None-Match": held.headers["etag"]}
    kept = client.get(f"/api/v1/questions/{rain}", headers=again)
    assert kept.status_code == 304
    assert kept.headers["cache-control"] == "private, no-cache"
    posts = client.get("/api/metaculus/posts", headers={"Authorization": f"Token {opened.token}"})
    assert posts.headers["cache-control"] == "private, no-cache"
    assert dependent(posts) == {"authorization"}
    refused = client.get("/api/v1/questions")
    assert refused.status_code == 401
    assert dependent(refused) == {"authorization"}


def test_what_a_request_changed_and_what_shows_a_secret_is_never_kept(opened, client) -> None:
    form = {"label": "nightly", "scope": "read", "lifetime": "30"}
    shown = opened("POST", "/account/tokens", data=form)
    assert "crd_" in shown.text
    assert shown.headers["cache-control"] == "no-store"
    headers = {"Authorization": f"Bearer {opened.token}"}
    made = client.post("/api/v1/account/tokens", headers=headers, json={"label": "second"})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    file = client.get("/api/v1/account/exports/forecasts", headers=headers)
    assert file.headers["cache-control"] == "no-store"
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path).headers["cache-control"] == "no-store"


def test_files_that_are_the_same_for_everybody_may_be_shared(opened, client) -> None:
    page = opened("GET", "/").text
    (style,) = set(re.findall(r'href="(/static/[^"]+\.css\?v=[^"]+)"', page))
    for address in (style, *re.findall(r'src="(/charts/[^"]+)"', page)):
        kept = client.get(address)
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "cookie" not in dependent(kept)
    unversioned = client.get(style.partition("?")[0])
    assert unversioned.headers["cache-control"] == "public, no-cache"
    missing = client.get("/static/nothing.css?v=1")
    assert missing.status_code == 404
    assert "immutable" not in missing.headers["cache-control"]
    assert client.get("/schema/openapi.json").headers["cache-control"] == "public, no-cache"
