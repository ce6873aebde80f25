"""The OpenAPI document and its Swagger UI page, served without third-party scripts."""

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
"""Router option: a function that converts the documented errors to the router's own."""
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


def problem(description: str, kind: type[ProblemDetails] = ProblemDetails) -> ResponseSpec:
    """Describe an error response."""
    return ResponseSpec(
        kind,
        generate_examples=False,
        description=description,
        media_type=PROBLEM,
    )


READING_ERRORS: Final[dict[int, ResponseSpec]] = {
    status: problem(description)
    for status, description in (
        (HTTPStatus.BAD_REQUEST, "The request is malformed."),
        (HTTPStatus.UNAUTHORIZED, "The token is missing, unknown, expired or revoked."),
        (HTTPStatus.NOT_FOUND, "The resource does not exist."),
        (HTTPStatus.UNPROCESSABLE_ENTITY, "A value is not allowed; `errors` names the field."),
        (
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many requests; `Retry-After` gives the seconds to wait.",
        ),
        (
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database is busy or unavailable; try again shortly.",
        ),
    )
}
MAY_REFUSE: Final[dict[int, ResponseSpec]] = {
    HTTPStatus.FORBIDDEN: problem("The account's role or the token's scope does not permit this.")
}
MAY_CONFLICT: Final[dict[int, ResponseSpec]] = {
    HTTPStatus.CONFLICT: problem("The current state does not permit this; `current` describes it.")
}
WRITING_ERRORS: Final[dict[int, ResponseSpec]] = (
    READING_ERRORS
    | MAY_REFUSE
    | MAY_CONFLICT
    | {
        status: problem(description)
        for status, description in (
            (
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "The body is too large.",
            ),
            (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not declared as JSON."),
        )
    }
)
UNCHANGED: Final = ResponseSpec(None, description="The response matches `If-None-Match`.")


_BODIES: Final[dict[str, Any]] = {}


def example_body(body: msgspec.Struct) -> None:
    """Register an example of a request body, shown with each operation."""
    _BODIES[type(body).__name__] = msgspec.to_builtins(body)


def example_of(body: str) -> Any:
    """Return the registered example of a request body by struct name, or None."""
    return _BODIES.get(body)


@dataclass
class DocumentedOperation(Operation):
    """An operation with examples of its request body and its problems."""

    def __post_init__(self) -> None:
        """Look up the examples by body type and problem status."""
        if isinstance(self.request_body, RequestBody):
            for sent in self.request_body.content.values():
                sent.example = _example(sent.schema)
        for status, answer in (self.responses or {}).items():
            content = answer.content if isinstance(answer, OpenAPIResponse) else None
            if content and PROBLEM in content:
                content[PROBLEM].example = of_problem(int(status))


def _example(schema: Schema | Reference | None) -> Any:
    if isinstance(schema, Reference):  # a reference to a struct by module and name
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
    """Adds the possible errors of each API endpoint to the OpenAPI document."""

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
    """Swagger UI started by a served script, as the content security policy requires.

    The framework's own page embeds the document in an inline script.
    """

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Render the page; its script requests the document."""
        del request, openapi_schema
        return PAGE.encode()


@get(
    "/documentation.js", media_type="text/javascript", include_in_schema=False, sync_to_thread=False
)
def start() -> str:
    """Return the script that starts Swagger UI."""
    return SCRIPT
