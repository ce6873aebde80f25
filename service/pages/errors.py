"""Error pages: what went wrong and what to do next."""

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
    403: "You do not have access to this page",
    404: "Page not found",
    405: "Method not allowed",
    409: "This has changed in the meantime",
    413: "The request is too large",
    422: "The request is invalid",
    429: "Too many attempts",
    503: "The service is busy",
}


class Later(Response[None]):
    """A response built on send, since exception handlers cannot await the database."""

    def __init__(self, make: Callable[[], Awaitable[Response[Any]]]) -> None:
        super().__init__(None)
        self._make = make

    def to_asgi_response(self, app: Any, request: Any, **options: Any) -> ASGIResponse:
        """Return the ASGI application that builds and sends the response."""
        del app, options
        return _Made(self._make, request)


class _Made(ASGIResponse):
    """An ASGI application that builds its response when it is called."""

    def __init__(self, make: Callable[[], Awaitable[Response[Any]]], request: AppRequest) -> None:
        super().__init__()
        self._make = make
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Build the response and send it."""
        made = (await self._make()).to_asgi_response(app=None, request=self._request)
        await made(scope, receive, send)


def show(request: AppRequest, error: Exception) -> Response[None]:
    """Show an error page, or the sign-in form with the submitted fields carried over."""
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
        heading=HEADINGS.get(problem.status, "Something went wrong"),
    )
    answer.headers.update(headers_of(error, problem.status))
    return answer


async def _ask_to_sign_in(request: AppRequest, error: Unauthenticated) -> Template:
    """Show the sign-in form, which carries the fields of the submitted form."""
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
