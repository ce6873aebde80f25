"""Absolute links: they begin with the address that is set, or else with the one asked."""

import re
from dataclasses import replace

import pytest
from litestar.testing import TestClient

from service.app import create_app
from service.models import Role

PUBLIC = "https://forecasts.example.org"


@pytest.fixture(params=["", PUBLIC, f"{PUBLIC}/"], ids=["unset", "set", "slash"])
def site(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_absolute_link_begins_with_the_address_of_the_service(
    site, settings, account, question
) -> None:
    caller = account("root", Role.administrator)
    for slug in ("rain", "snow"):
        question(slug)
    headers = {"Authorization": f"Bearer {caller.token}"}
    with TestClient(create_app(replace(settings, base_url=site))) as client:
        base = PUBLIC if site else str(client.base_url).rstrip("/")
        invited = client.post("/api/v1/invitations", json={"role": "viewer"}, headers=headers)
        feed = client.get("/api/v1/sets/tests/feed", headers=headers)
        posts = client.get("/api/metaculus/posts/?limit=1", headers=headers)
    assert invited.json()["url"] == f"{base}/join?invitation={invited.json()['secret']}"
    links = re.findall(r'href="([^"]+)"', feed.text)
    assert {f"{base}/api/v1/sets/tests/feed", f"{base}/sets/tests"} <= set(links)
    assert all(link.startswith(f"{base}/") for link in links)
    assert posts.json()["next"] == f"{base}/api/metaculus/posts?limit=1&offset=1"
