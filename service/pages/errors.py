"""Errors as pages: what went wrong, in words, and where to go from there."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote, urlsplit

from litestar import Response
from litestar.response import Redirect, Template
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from service.exceptions import Unauthenticated
from service.pages.forms import ByField, Form, carry
from service.pages.rendering import page
from service.pages.visitors import VISITOR, anybody
from service.web.dependencies import AppRequest
from service.web.problems import describe, headers_of

HEADINGS: Final = {
    401: "Sign in first",
    403: "This is not open to you",
    404: "There is nothing here",
    405: "This address takes no such request",
    409: "Things have changed meanwhile",
    413: "That is too much at once",
    422: "Something in it cannot be taken",
    429: "Too many attempts",
    503: "The service is busy",
}


class Later(Response[None]):
    """An answer that has yet to be made: handlers of errors cannot wait for a database."""

    def __init__(self, make: Callable[[], Awaitable[Response[Any]]]) -> None:
        super().__init__(None)
        self._make = make

    def to_asgi_response(self, app: Any, request: Any, **options: Any) -> ASGIResponse:
        """What makes the answer once it is awaited."""
        del app, options
        return _Made(self._make, request)


class _Made(ASGIResponse):
    """An answer that is made when it is sent."""

    def __init__(self, make: Callable[[], Awaitable[Response[Any]]], request: AppRequest) -> None:
        super().__init__()
        self._make = make
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make the answer, and send it."""
        made = (await self._make()).to_asgi_response(app=None, request=self._request)
        await made(scope, receive, send)


def show(request: AppRequest, error: Exception) -> Response[None]:
    """Answer an error with a page; whoever must sign in does so first, and loses nothing."""
    return Later(lambda: _answer(request, error))


async def _answer(request: AppRequest, error: Exception) -> Response[Any]:
    if isinstance(error, Unauthenticated) and request.method == "GET":
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Redirect(f"/sign-in?next={quote(wanted)}", status_code=303)
    if isinstance(error, Unauthenticated):
        return await _ask_to_sign_in(request, error)
    problem = describe(request, error)
    answer = page(
        request,
        await anybody(request),
        "error.html",
        status=problem.status,
        problem=problem,
        heading=HEADINGS.get(problem.status, "That did not work"),
    )
    answer.headers.update(headers_of(error, problem.status))
    return answer


async def _ask_to_sign_in(request: AppRequest, error: Unauthenticated) -> Template:
    """The form to sign in, which carries what was typed into the form that was sent."""
    answer = page(
        request,
        VISITOR,
        "sign_in.html",
        status=error.status,
        form=Form(ByField(next=urlsplit(request.headers.get("referer", "/")).path or "/")),
        registration=request.app.state.settings.registration,
        carried=await carry(request),
    )
    answer.headers.update(headers_of(error, error.status))
    return answer
