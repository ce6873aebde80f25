"""Request origin: client address, scheme and the CSRF guard."""

from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from service.exceptions import Forbidden

Connection = ASGIConnection[Any, Any, Any, Any]

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def address(connection: Connection, header: str) -> str:
    """Return the client's address: from the connection, or a trusted proxy's header.

    The last address of a list counts, which the nearest proxy added; clients can forge the others.
    """
    told = connection.headers.getall(header, []) if header else []
    if told:
        return told[-1].rpartition(",")[2].strip()
    return connection.client.host if connection.client else ""


def site(connection: Connection) -> str:
    """Return the base URL of absolute links: the setting, or the request's own."""
    return connection.app.state.settings.site or str(connection.base_url).rstrip("/")


def is_secure(connection: Connection) -> bool:
    """Return whether cookies must be Secure: always, except for plain HTTP to localhost.

    A proxy that terminates TLS must forward the Host header, or its requests appear local.
    """
    if connection.url.scheme == "https":
        return True
    host = urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


class SchemeOfProxy(ASGIMiddleware):
    """Middleware that takes the scheme from a trusted proxy's X-Forwarded-Proto.

    Absolute links then use the scheme of the proxy that terminates TLS.
    """

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Handle the request with the client's scheme."""
        told = Headers.from_scope(scope).getall("x-forwarded-proto", [])
        if told and (scheme := told[-1].rpartition(",")[2].strip()) in {"http", "https"}:
            scope["scheme"] = scheme
        await next_app(scope, receive, send)


def same_origin(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard against cross-site request forgery: rejects unsafe cross-site requests.

    Browsers state the origin of a request in Sec-Fetch-Site and Origin, which pages cannot change
    (https://www.w3.org/TR/fetch-metadata/). One of them must name this site; requests without both
    are rejected too. The API is exempt, since it accepts no cookies.

    Raises:
        Forbidden: the request was not sent from our own pages.
    """
    api = connection.url.path.startswith("/api/")
    harmless = api or connection.scope.get("method") in SAFE_METHODS
    if not harmless and not _sent_by_us(connection):
        raise Forbidden("this form was not sent from this site; reload the page")


def _sent_by_us(connection: Connection) -> bool:
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(connection.headers.get("origin", ""))
    return bool(origin.netloc) and origin.netloc == connection.headers.get("host")
