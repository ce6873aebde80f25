"""Logging as text or JSON lines, with the id of the request."""

import json
import logging
import re
import secrets
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

HEADER: Final = "X-Request-Id"
GIVEN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
FAILURE: Final = 500

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the current request; empty outside a request."""

log = logging.getLogger(__name__)


class Json(logging.Formatter):
    """Formats a record as one line of JSON: at, level, logger, message and extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", "") or None,
            **getattr(record, "request", {}),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in told.items() if value is not None})


class Text(logging.Formatter):
    """Formats a record as one line of text, the request id after the logger's name."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        asked = getattr(record, "request_id", "")
        record.request_id = f" [{asked}]" if asked else ""
        line = super().format(record)
        record.request_id = asked
        return line


def configure(kind: str) -> None:
    """Write all logs to standard error in one format, `text` or `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        Json()
        if kind == "json"
        else Text("%(asctime)s %(levelname)s %(name)s%(request_id)s %(message)s")
    )
    handler.addFilter(_mark)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # HTTPX would log the addresses of webhooks, which may hold their owners' secrets.
    for loud in ("alembic", "arviz", "dbos", "httpx"):
        logging.getLogger(loud).setLevel(logging.WARNING)


def _mark(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


def asked() -> str:
    """Return the id of the current request, assigning one if no route handled it."""
    if not request_id.get():
        request_id.set(secrets.token_hex(8))
    return request_id.get()


class RequestIds(ASGIMiddleware):
    """Middleware that assigns request ids, or accepts valid ones, and logs responses.

    It logs the method, the path without the query, the status and the duration.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, logged: str) -> None:
        self._logged = logged

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Handle the request under its id."""
        given = _given(scope)
        token = request_id.set(given or secrets.token_hex(8))
        began, status = time.perf_counter(), FAILURE

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await next_app(scope, receive, marked)
        finally:
            if self._logged == "all" or (self._logged == "failed" and status >= FAILURE):
                _note(scope, status, time.perf_counter() - began)
            request_id.reset(token)


def _given(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            told = value.decode("latin-1")
            return told if GIVEN.fullmatch(told) else ""
    return ""


def _note(scope: Scope, status: int, seconds: float) -> None:
    told = {
        "method": scope.get("method"),
        "path": scope["path"],
        "status": status,
        "milliseconds": round(1000 * seconds, 1),
    }
    log.log(
        logging.ERROR if status >= FAILURE else logging.INFO,
        "%(method)s %(path)s %(status)d in %(milliseconds).1f ms",
        told,
        extra={"request": told},
    )
