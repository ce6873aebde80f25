"""Errors as pages: what went wrong, in words, and where to go from there."""

from typing import Final
from urllib.parse import quote

from litestar import Response
from litestar.response import Redirect, Template

from service.accounts import Actor
from service.dependencies import AppRequest
from service.errors import Unauthenticated, describe, headers_of
from service.pages.rendering import page
from service.pages.visitors import VISITOR

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


def show(request: AppRequest, error: Exception) -> Template | Response[None]:
    """Answer an error with a page; whoever must sign in is sent to do so and comes back."""
    if isinstance(error, Unauthenticated) and request.method == "GET":
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Redirect(f"/sign-in?next={quote(wanted)}", status_code=303)
    problem = describe(request, error)
    actor: Actor = getattr(request.state, "actor", None) or VISITOR
    answer = page(
        request,
        actor,
        "error.html",
        status=problem.status,
        problem=problem,
        heading=HEADINGS.get(problem.status, "That did not work"),
    )
    answer.headers.update(headers_of(error, problem.status))
    return answer
