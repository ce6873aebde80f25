"""Who may keep an answer: nobody but its reader, except for files that are the same for everybody.

Pages depend on the cookie of their reader and API answers on the token, so neither may be shared. A
browser may keep one if it asks each time whether it still holds; what a request changed, and what
may show a new secret, it may not keep at all. A response that says otherwise itself keeps its word.
"""

from http import HTTPStatus
from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Scope

FOR_EVER: Final = "public, max-age=31536000, immutable"
"""For an address that changes with what is found there."""

READS: Final = frozenset({"GET", "HEAD"})
STATE: Final = ("/healthz", "/readyz", "/metrics")
SHARED: Final = ("/static/", "/documentation", "/schema", "/charts/")
VERSION: Final = b"v="


def add_headers(scope: Scope, status: int, headers: MutableScopeHeaders) -> None:
    """Say of an answer who may keep it, and on which header of the request it depends."""
    path, reads = scope["path"], scope.get("method") in READS
    if path.startswith(SHARED):
        versioned = path.startswith("/static/") and scope["query_string"].startswith(VERSION)
        kept = FOR_EVER if versioned and status == HTTPStatus.OK else "public, no-cache"
        headers.setdefault("Cache-Control", kept)
        return
    keeps = reads and path not in STATE
    headers.setdefault("Cache-Control", "private, no-cache" if keeps else "no-store")
    if path not in STATE:
        headers.extend_header_value(
            "Vary", "Authorization" if path.startswith("/api/") else "Cookie"
        )
