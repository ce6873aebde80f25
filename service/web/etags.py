"""Entity tags: clients with a current copy receive 304 instead of the body."""

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
"""Timestamps of reading, which do not change the meaning of a response."""


class EntityTags(ASGIMiddleware):
    """Middleware that tags complete GET responses and answers 304 if the client has the tag.

    The weak tag is a digest of the body without its timestamps of reading (RFC 9110, 8.8.1: weak
    tags mark equivalent responses). Streams and errors have none. The response is computed in any
    case; only its transfer is saved.
    """

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Handle the request and tag its response."""
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
    content = MOMENTS.sub(b"", body)
    return f'W/"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'


def _has(headers: Headers, tag: str) -> bool:
    tags = [known.strip() for known in headers.get("If-None-Match", "").split(",")]
    return "*" in tags or tag.removeprefix("W/") in {known.removeprefix("W/") for known in tags}
