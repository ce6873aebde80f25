"""Feeds: what is told of a set's questions, once, in valid Atom, and nothing that is hidden."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import time_machine

DAY = timedelta(days=1)
OPENS = datetime(2026, 11, 1, tzinfo=UTC)
CLOSES = OPENS + 10 * DAY
ATOM = "{http://www.w3.org/2005/Atom}"


def read(answer: Any) -> ET.Element:
    """The feed, which has what RFC 4287 (4.1.1, 4.1.2) asks for."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = ET.fromstring(answer.content)  # noqa: S314  # our own
    assert feed.tag == f"{ATOM}feed"
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    assert {link.get("rel") for link in feed.findall(f"{ATOM}link")} == {"self", "alternate"}
    entries = feed.findall(f"{ATOM}entry")
    for one in [feed, *entries]:
        for name in ("id", "title", "updated"):
            assert len(one.findall(f"{ATOM}{name}")) == 1
            assert one.findtext(f"{ATOM}{name}")
        assert str(one.findtext(f"{ATOM}id")).startswith("urn:uuid:")
        assert datetime.fromisoformat(str(one.findtext(f"{ATOM}updated"))).tzinfo is not None
    for one in entries:
        assert one.find(f"{ATOM}link[@rel='alternate']") is not None
    ids = [one.findtext(f"{ATOM}id") for one in entries]
    assert len(ids) == len(set(ids))
    return feed


def told(feed: ET.Element) -> list[tuple[str, str]]:
    """What happened and when, the oldest first."""
    return [
        (one.find(f"{ATOM}category").get("term"), one.findtext(f"{ATOM}updated"))  # type: ignore[union-attr,misc]  # each has one
        for one in reversed(feed.findall(f"{ATOM}entry"))
    ]


@pytest.fixture
def cup(sky, curator) -> int:
    """A question that is open for ten days, known since the day before."""
    with time_machine.travel(OPENS - DAY, tick=False):
        return int(sky(rain={"closes_at": CLOSES, "title": "Will <it> & rain?"})["rain"])


def test_a_life_is_told_as_it_happened_and_never_otherwise(cup, account, curator) -> None:
    ann = account("ann")
    known: list[tuple[datetime, list[Any]]] = []

    def look(at: datetime) -> list[tuple[str, str]]:
        with time_machine.travel(at, tick=False):
            feed = read(ann.get("/sets/almanac/feed"))
        known.append((at, [ET.tostring(one) for one in feed.findall(f"{ATOM}entry")]))
        return told(feed)

    assert look(OPENS - DAY) == []
    assert look(OPENS) == [("question.opened", OPENS.isoformat())]
    assert look(CLOSES - DAY)[-1] == ("question.closing_soon", (CLOSES - DAY).isoformat())
    assert look(CLOSES)[-1] == ("question.closed", CLOSES.isoformat())
    with time_machine.travel(CLOSES + DAY, tick=False):
        body = {"based_on": 1, "reason": "It rains.", "closes_at": (CLOSES + 9 * DAY).isoformat()}
        assert curator.post(f"/questions/{cup}/reopening", body).status_code == 201
    assert look(CLOSES + DAY)[-1] == ("question.opened", (CLOSES + DAY).isoformat())
    with time_machine.travel(CLOSES + 2 * DAY, tick=False):
        curator.resolve(cup, "yes", note="It <b>rained</b>.")
    assert look(CLOSES + 2 * DAY)[-1][0] == "question.resolved"
    with time_machine.travel(CLOSES + 3 * DAY, tick=False):
        curator("DELETE", f"/questions/{cup}/resolution", params={"reason": "It did not."})
    assert look(CLOSES + 3 * DAY)[-1][0] == "question.unresolved"
    assert [event for event, _ in look(CLOSES + 20 * DAY)][-2:] == [
        "question.closing_soon",
        "question.closed",
    ]
    for (_, before), (_, after) in pairwise(known):
        assert after[len(after) - len(before) :] == before


def test_texts_are_escaped(cup, curator) -> None:
    with time_machine.travel(OPENS, tick=False):
        feed = read(curator.get("/sets/almanac/feed"))
    assert feed.findtext(f"{ATOM}entry/{ATOM}title") == "Opened: Will <it> & rain?"
    links = [link.get("href") for link in feed.iter(f"{ATOM}link")]
    assert any(href and href.endswith(f"/questions/{cup}") for href in links)


def test_drafts_are_not_told_and_an_empty_feed_is_one(sky, curator, refused) -> None:
    sky(rain={"draft": True})
    assert told(read(curator.get("/sets/almanac/feed"))) == []
    refused(curator.get("/sets/nowhere/feed"), 404)


def test_a_reader_who_has_a_feed_is_not_sent_it_again(cup, curator) -> None:
    with time_machine.travel(OPENS, tick=False):
        first = curator.get("/sets/almanac/feed")
    with time_machine.travel(OPENS + DAY, tick=False):
        held = {"If-None-Match": first.headers["etag"]}
        again = curator("GET", "/sets/almanac/feed", headers=held)
        assert (again.status_code, again.content) == (304, b"")
    with time_machine.travel(CLOSES, tick=False):
        assert curator("GET", "/sets/almanac/feed", headers=held).status_code == 200
