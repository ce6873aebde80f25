"""What callers may write: one spelling of parameters, bodies without repeated keys, in time."""

import json
import socket
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import pytest

from service.models import Role
from service.web.openapi import example_of

BAD_TEXTS = {
    "NUL": b"a\\u0000b",
    "escape": b"a\\u001b[2Jb",
    "right-to-left override": b"a\\u202eb",
    "zero-width space": b"a\\u200bb",
    "tag": b"a\\udb40\\udc41b",
    "noncharacter": b"a\\ufdd0b",
    "lone surrogate": b"a\\ud800b",
    "raw surrogate": b"a\xed\xa0\x80b",
    "pile of marks": b"a" + b"\\u0315\\u0300" * 200,
    "too long": b"a" * 20_001,
}
BLANKS = {"blank": b" ", "filler": b"\\u3164", "braille": b"\\u2800", "empty": b""}
MAY_BE_BLANK = {"rationale", "note", "evidence_url", "reason", "set", "tag", "invitation"}

EPOCHS = ["1700000000", "1700000000.5", "-1"]
WITHOUT_OFFSET = ["2027-01-01T00:00:00", "2027-01-01", "2027-01-01 00:00", "20270101T000000Z"]
TIMES = ("as_of", "settled_from", "settled_before")


@pytest.mark.parametrize(
    "told", [*EPOCHS, *WITHOUT_OFFSET, "now", "\u0662\u0660\u0662\u0667-01-01T00:00:00Z"]
)
def test_a_time_that_is_not_written_with_its_offset_is_refused(account, refused, told) -> None:
    ann = account("ann")
    for name in TIMES:
        refused(ann.get("/leaderboard", **{name: told}), 422, "with an offset", field=name)


def test_a_time_with_its_offset_is_taken(account) -> None:
    ann = account("ann")
    for told in ("2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00.5Z"):
        assert ann.get("/leaderboard", as_of=told).status_code == 200


@pytest.mark.parametrize(
    "told", ["1e2", "+5", " 5", "5 ", "\u0665", "0x5", "5.0", "05", "1_0", "", "true", "--5"]
)
def test_a_whole_number_has_one_spelling(account, refused, told: str) -> None:
    refused(account("ann").get("/questions", limit=told), 422, "whole number", field="limit")


@pytest.mark.parametrize("told", ["1", "0", "True", "yes", "on", "", "TRUE"])
def test_a_truth_value_has_one_spelling(account, refused, told: str) -> None:
    refused(account("ann").get("/leaderboard", pools=told), 422, "true or false", field="pools")


def test_an_unknown_or_repeated_parameter_is_refused(account, refused, question) -> None:
    ann = account("ann")
    question()
    refused(ann.get("/questions", sett="demo"), 422, "not a parameter", field="sett")
    twice = ann("GET", "/questions?limit=1&limit=2")
    refused(twice, 422, "given once", field="limit")
    for path in ("/questions/01", "/questions/1_0", "/questions/+1", "/questions/%201"):
        assert ann("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"probability": 0.1, "probability": 0.9}', "probability"),
        ('{"probability": 0.1, "rationale": "a", "rationale": "b"}', "rationale"),
        ('{"probability": 0.1, "rationa\\u006ce": "a", "rationale": "b"}', "rationale"),
    ],
)
def test_a_key_that_is_given_twice_is_refused(
    account, refused, question, body: str, field: str
) -> None:
    path = f"/questions/{question()}/forecasts"
    headers = {"Content-Type": "application/json"}
    answer = account("ann")("POST", path, content=body, headers=headers)
    refused(answer, 422, "twice", field=field)


def test_a_key_twice_is_found_at_any_depth_and_in_long_bodies(
    account, refused, question, curator
) -> None:
    asked, headers = question(), {"Content-Type": "application/json"}
    inner = '{"based_on": 1, "reason": "So.", "changes": {"title": "A?", "title": "B?"}}'
    revised = curator("POST", f"/questions/{asked}/revisions", content=inner, headers=headers)
    refused(revised, 422, "twice", field="title")
    one = json.dumps({"question_id": asked, "probability": 0.5, "rationale": "x" * 19_000})
    bulk = f'[{one}, {one}, {one}, {{"question_id": {asked}, "question_id": 2}}]'
    refused(account("ann")("POST", "/forecasts", content=bulk, headers=headers), 422, "twice")


@pytest.mark.parametrize("told", [b'"\\ud800"', b'"a\\udc00"', b'"\xed\xa0\x80"', b"{"])
def test_text_that_is_no_unicode_is_refused(account, refused, question, told: bytes) -> None:
    path = f"/questions/{question()}/comments"
    headers = {"Content-Type": "application/json"}
    answer = account("ann")("POST", path, content=b'{"text": ' + told + b"}", headers=headers)
    refused(answer, 400, field="body")


def texts(body: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The places of all texts in a body."""
    if isinstance(body, str):
        yield path
    elif isinstance(body, dict | list):
        for key, inner in body.items() if isinstance(body, dict) else enumerate(body):
            yield from texts(inner, (*path, key))


def with_text(body: Any, path: tuple[str | int, ...], text: bytes) -> bytes:
    """A body as JSON with another text at a place, byte for byte."""
    changed = deepcopy(body)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = "THE TEXT"
    return json.dumps(changed).encode().replace(b'"THE TEXT"', b'"' + text + b'"')


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Every request that has a body, with an example of it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            many = schema.get("items", {})
            name = (schema.get("$ref") or many.get("$ref") or "").rpartition("/")[2]
            if example := example_of(name):
                yield method.upper(), path, [example] if many else example


def test_no_text_of_any_body_is_taken_that_cannot_be_stored(account, question, client) -> None:
    root = account("root", Role.administrator)
    asked = question()
    said = root.post(f"/questions/{asked}/comments", {"text": "So."}).json()["id"]
    known = {"question_id": asked, "comment_id": said, "account_id": root.id, "set_slug": "tests"}
    known |= {"slug": "tests", "forecaster_id": root.id}
    walked = set()
    for method, path, example in operations(client.get("/schema/openapi.json").json()):
        address = path
        for name, value in known.items():
            address = address.replace(f"{{{name}}}", str(value))
        for place in texts(example):
            field = next(key for key in reversed(place) if isinstance(key, str))
            bad = BAD_TEXTS if field in MAY_BE_BLANK else BAD_TEXTS | BLANKS
            for kind, text in bad.items():
                answer = client.request(
                    method,
                    address,
                    content=with_text(example, place, text),
                    headers={
                        "Authorization": f"Bearer {root.token}",
                        "Content-Type": "application/json",
                    },
                )
                where = (method, path, place, kind, answer.text)
                assert 400 <= answer.status_code < 500, where
                if answer.status_code in {400, 422}:
                    assert answer.json().get("errors"), where
                walked.add((path, field))
    assert {
        ("/api/v1/questions/{question_id}/forecasts", "rationale"),
        ("/api/v1/questions/{question_id}/comments", "text"),
        ("/api/v1/accounts", "name"),
        ("/api/v1/account/tokens", "label"),
    } <= walked


@pytest.mark.parametrize("bad", ["a%00b", "a%E2%80%AEb", "a%1Bb", "%E3%85%A4", "+"])
def test_no_text_of_a_form_is_taken_that_cannot_be_stored(opened, question, bad: str) -> None:
    asked = question()
    for path, body in (
        ("/account/tokens", f"label={bad}&scope=forecast&lifetime=30"),
        (f"/questions/{asked}/comments", f"text={bad}"),
    ):
        form = {
            name: unquote_plus(text) for name, text in (one.split("=") for one in body.split("&"))
        }
        answer = opened("POST", path, "forecaster", data=form)
        assert 400 <= answer.status_code < 500, (path, bad, answer.text)


@pytest.mark.slow
def test_a_body_that_trickles_in_is_given_up(serving, account) -> None:
    token = account("ann").token
    with serving(CREDENCE_BODY_TIMEOUT_SECONDS="0.2") as served:
        address = urlsplit(served.url)
        with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
            connection.sendall(
                b"POST /api/v1/forecasts HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: 1000\r\n"
                b"Authorization: Bearer " + token.encode() + b"\r\n\r\n["
            )
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"urn:credence:request-timeout" in answer
    assert b"connection: close" in answer.lower()
