"""The API's document, and the page that shows it: all its scripts are files of our own."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import OpenAPIResponse, Operation, Reference, RequestBody, Schema
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute

from service.web.openapi_examples import of_problem
from service.web.problems import ProblemDetails

SHORT_VERBS: Final = {"listing": "list", "one": "get"}
PROBLEM: Final = "application/problem+json"
OTHER_ERRORS: Final = "other_errors"
"""The option of a router whose errors are not those of the rest: it makes them from those."""
PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Credence: the API</title>
<link rel="icon" href="/documentation/favicon-32x32.png">
<link rel="stylesheet" href="/documentation/swagger-ui.css">
<script src="/documentation/swagger-ui-bundle.js" defer></script>
<script src="/documentation.js" defer></script>
</head>
<body><div id="documentation"></div></body>
</html>
"""
SCRIPT: Final = """SwaggerUIBundle({
  url: "/schema/openapi.json",
  dom_id: "#documentation",
  deepLinking: true,
});
"""


def problem(said: str, kind: type[ProblemDetails] = ProblemDetails) -> ResponseSpec:
    """An error answer of a kind, described."""
    return ResponseSpec(
        kind,
        generate_examples=False,
        description=said,
        media_type=PROBLEM,
    )


READING_ERRORS: Final[dict[int, ResponseSpec]] = {
    status: problem(said)
    for status, said in (
        (HTTPStatus.BAD_REQUEST, "The request is malformed."),
        (HTTPStatus.UNAUTHORIZED, "There is no token, or it is unknown, expired or revoked."),
        (HTTPStatus.NOT_FOUND, "There is no such thing."),
        (HTTPStatus.UNPROCESSABLE_ENTITY, "A value is not allowed; `errors` names the field."),
        (
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many; `Retry-After` says for how many seconds to wait.",
        ),
        (
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database is busy or away; try again in a moment.",
        ),
    )
}
MAY_REFUSE: Final[dict[int, ResponseSpec]] = {
    HTTPStatus.FORBIDDEN: problem("The account's role or the token's scope does not allow this.")
}
MAY_CONFLICT: Final[dict[int, ResponseSpec]] = {
    HTTPStatus.CONFLICT: problem(
        "The state of things does not allow this now; `current` says what it is."
    )
}
WRITING_ERRORS: Final[dict[int, ResponseSpec]] = (
    READING_ERRORS
    | MAY_REFUSE
    | MAY_CONFLICT
    | {
        status: problem(said)
        for status, said in (
            (
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "The body is larger than this service takes.",
            ),
            (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not declared as JSON."),
        )
    }
)
UNCHANGED: Final = ResponseSpec(
    None, description="The answer is the one that `If-None-Match` names."
)


_BODIES: Final[dict[str, Any]] = {}


def example_body(body: msgspec.Struct) -> None:
    """State an example of a request body; the document shows it with each operation."""
    _BODIES[type(body).__name__] = msgspec.to_builtins(body)


def example_of(body: str) -> Any:
    """The stated example of a request body, by the name of its struct; None if none is stated."""
    return _BODIES.get(body)


@dataclass
class DocumentedOperation(Operation):
    """An operation with examples of what to send and of the problems that may come back."""

    def __post_init__(self) -> None:
        """Look the examples up by the kind of the body and by the problems' statuses."""
        if isinstance(self.request_body, RequestBody):
            for sent in self.request_body.content.values():
                sent.example = _example(sent.schema)
        for status, answer in (self.responses or {}).items():
            content = answer.content if isinstance(answer, OpenAPIResponse) else None
            if content and PROBLEM in content:
                content[PROBLEM].example = of_problem(int(status))


def _example(schema: Schema | Reference | None) -> Any:
    if isinstance(schema, Reference):  # to a struct, by its module's name and its own
        return example_of(schema.ref.rpartition("_")[2])
    return [_example(schema.items)] if isinstance(schema, Schema) else None


def operation_id(handler: HTTPRouteHandler, _method: object, _path: object) -> str:
    """The id of an operation, from which clients make names: the resource and what is done to it.

    Such as `questions_list` and `resolutions_resolve`.
    """
    *owner, name = handler.fn.__qualname__.split(".")
    resource = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", one).lower() for one in owner]
    return "_".join([*resource, SHORT_VERBS.get(name, name)])


class DocumentedAnswers(ReceiveRoutePlugin):
    """Says in the OpenAPI document which errors each endpoint of the API may answer with."""

    def receive_route(self, route: BaseRoute) -> None:
        """Add the errors to the route's handlers."""
        if not isinstance(route, HTTPRoute) or not route.path.startswith("/api/"):
            return
        for handler in route.route_handlers:
            reads = "GET" in handler.http_methods
            said = READING_ERRORS if reads else WRITING_ERRORS
            if documented := handler.opt.get(OTHER_ERRORS):
                handler.responses = documented(said, "GET" if reads else "POST")
                continue
            handler.responses = {**said, **(handler.responses or {})}
            if reads:
                handler.responses[HTTPStatus.NOT_MODIFIED] = UNCHANGED
            if handler.operation_class is Operation:
                handler.operation_class = DocumentedOperation


class Documentation(SwaggerRenderPlugin):
    """Swagger UI started by a script of our own, for the content security policy allows no other.

    The framework's page writes the document into a script within the page.
    """

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page; its script asks for the document itself."""
        del request, openapi_schema
        return PAGE.encode()


@get(
    "/documentation.js", media_type="text/javascript", include_in_schema=False, sync_to_thread=False
)
def start() -> str:
    """The script that shows the document."""
    return SCRIPT
