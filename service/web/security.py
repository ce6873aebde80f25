"""Where a request comes from: its address, its scheme, and whether our own pages sent it."""

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
    """The client's address: the connection's, or what a trusted proxy says in a header.

    Of a list of addresses the last counts, which the nearest proxy added; clients can write those
    before it themselves.
    """
    told = connection.headers.getall(header, []) if header else []
    if told:
        return told[-1].rpartition(",")[2].strip()
    return connection.client.host if connection.client else ""


def site(connection: Connection) -> str:
    """What absolute links begin with: the setting, or else where the request was sent to."""
    return connection.app.state.settings.site or str(connection.base_url).rstrip("/")


def is_secure(connection: Connection) -> bool:
    """Whether cookies must be Secure: always, but for plain http to this machine itself.

    A proxy that ends TLS must pass the Host header on, lest its requests look like local ones.
    """
    if connection.url.scheme == "https":
        return True
    host = urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


class SchemeOfProxy(ASGIMiddleware):
    """Takes the scheme from what a trusted proxy says in X-Forwarded-Proto.

    Absolute links then lead back through the proxy that ended TLS, and not past it.
    """

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on with the scheme that its client used."""
        told = Headers.from_scope(scope).getall("x-forwarded-proto", [])
        if told and (scheme := told[-1].rpartition(",")[2].strip()) in {"http", "https"}:
            scope["scheme"] = scheme
        await next_app(scope, receive, send)


def same_origin(connection: Connection, _: BaseRouteHandler) -> None:
    """Refuse unsafe requests that other sites make browsers send with our cookies: a guard.

    Browsers say who sent a request in Sec-Fetch-Site, and in Origin, which no page can change
    (https://www.w3.org/TR/fetch-metadata/). One of them must say that our own pages did; a request
    that says neither is refused too. The API is left out, since it takes no cookies.

    Raises:
        Forbidden: the request was not sent from our own pages.
    """
    api = connection.url.path.startswith("/api/")
    harmless = api or connection.scope.get("method") in SAFE_METHODS
    if not harmless and not _sent_by_us(connection):
        raise Forbidden("this form was not sent from our own pages; open the page again")


def _sent_by_us(connection: Connection) -> bool:
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(connection.headers.get("origin", ""))
    return bool(origin.netloc) and origin.netloc == connection.headers.get("host")
