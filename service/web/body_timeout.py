"""A time limit for request bodies, against clients that send them endlessly slowly."""

import asyncio
from http import HTTPStatus

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)

from service.exceptions import Problem


class RequestTimeout(Problem):
    """The body of a request did not arrive in time; the connection is closed."""

    status = HTTPStatus.REQUEST_TIMEOUT
    slug = "request-timeout"


class BodyTimeout(ASGIMiddleware):
    """Middleware that aborts requests whose body is incomplete after some seconds.

    Handler time does not count, and nothing is stored before a body is complete.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Handle the request; receiving a late body raises RequestTimeout."""
        waited, whole = 0.0, False
        clock = asyncio.get_running_loop().time

        async def receive_in_time() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            nonlocal waited, whole
            if whole:
                return await receive()
            began = clock()
            try:
                async with asyncio.timeout(max(self._seconds - waited, 0)):
                    message = await receive()
            except TimeoutError:
                raise RequestTimeout(
                    f"the body of the request did not arrive within {self._seconds:g} seconds"
                ) from None
            waited += clock() - began
            whole = message["type"] != "http.request" or not message["more_body"]
            return message

        await next_app(scope, receive_in_time, send)
