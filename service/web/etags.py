"""Entity tags: a reader who already has an answer is told so instead of being sent it again."""

import hashlib
import re
from http import HTTPStatus
from typing import Final

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.types.asgi_types import HTTPResponseStartEvent

MOMENTS: Final = re.compile(rb'"(?:as_of|since)":"[^"]*"')
"""When an answer was read, which is no part of what it says."""


class EntityTags(ASGIMiddleware):
    """Give every whole answer to a GET a weak tag; answer 304 to who has that one.

    The tag is a digest of the body but for the moments at which it was read (RFC 9110, 8.8.1: weak
    tags stand for answers that mean the same). Streams and errors have none. The answer is made
    either way: what is spared is sending it.
    """

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Tag the answer on its way out."""
        started: list[HTTPResponseStartEvent] = []

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
                started.append(message)
                return
            if not started:
                await send(message)
                return
            start = started.pop()
            if message["type"] == "http.response.body" and not message["more_body"]:
                tag = _tag(message["body"])
                headers = MutableScopeHeaders.from_message(start)
                headers["ETag"] = tag
                if _has(Headers.from_scope(scope), tag):
                    start["status"] = HTTPStatus.NOT_MODIFIED
                    del headers["Content-Length"]
                    message["body"] = b""
            await send(start)
            await send(message)

        reads = scope.get("method") == "GET"
        await next_app(scope, receive, tagged if reads else send)


def _tag(body: bytes) -> str:
    said = MOMENTS.sub(b"", body)
    return f'W/"{hashlib.blake2b(said, digest_size=16).hexdigest()}"'


def _has(headers: Headers, tag: str) -> bool:
    held = [one.strip() for one in headers.get("If-None-Match", "").split(",")]
    return "*" in held or tag.removeprefix("W/") in {one.removeprefix("W/") for one in held}
