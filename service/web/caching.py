"""Cache headers: responses are private to their reader, except shared static files.

Pages depend on the reader's cookie and API responses on the token, so neither may be shared.
Browsers must revalidate cached responses; responses to changes, which may contain a new secret, are
not stored at all. Explicit headers of a response take precedence.
"""

from http import HTTPStatus
from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Scope

FOR_EVER: Final = "public, max-age=31536000, immutable"
"""For addresses that are versioned by their content."""

READS: Final = frozenset({"GET", "HEAD"})
STATE: Final = ("/healthz", "/readyz", "/metrics")
SHARED: Final = ("/static/", "/documentation", "/schema", "/charts/")
VERSION: Final = b"v="


def add_headers(scope: Scope, status: int, headers: MutableScopeHeaders) -> None:
    """Set Cache-Control and Vary on a response."""
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
