"""Requests that arrive slowly: nobody else waits for them."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from service.accounts import sessions
from service.database.engine import Database

pytestmark = pytest.mark.slow

FORM = "application/x-www-form-urlencoded"
FILES = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/questions/{}/comments", FORM),
        ("/questions/{}/comments", FILES),
        ("/questions/{}/forecasts", FORM),
        ("/api/v1/questions/{}/comments", "application/json"),
    ],
)
def test_who_sends_half_a_request_holds_no_transaction(
    serving, account, question, on_database, path: str, kind: str
) -> None:
    ann, bob, rain = account("ann"), account("bob"), question()

    async def begin(database: Database) -> str:
        return await sessions.begin(database, ann.id)

    secret = on_database(begin)
    head = (
        f"POST {path.format(rain)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        f"Content-Type: {kind}\r\nAuthorization: Bearer {ann.token}\r\n"
        f"Cookie: credence={secret}\r\nSec-Fetch-Site: same-origin\r\n\r\nt"
    )
    with serving() as served:
        where = urlsplit(served.url)
        halves = [
            socket.create_connection((where.hostname, where.port))
            for _ in range(40)  # more than there are connections to the database
        ]
        for one in halves:
            one.sendall(head.encode())
        api = {"base_url": f"{served.url}/api/v1/questions/{rain}", "timeout": 120}
        with httpx.Client(**api, headers={"Authorization": f"Bearer {bob.token}"}) as client:
            said = client.post("/comments", json={"text": "It rains."})
            assert said.status_code == 201, said.text
            assert client.post("/forecasts", json={"probability": 0.4}).status_code == 201
            assert client.get("/comments").json()["items"][0]["text"] == "It rains."
        for one in halves:
            one.close()
