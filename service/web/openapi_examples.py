"""An example of every problem response of the API."""

from http import HTTPStatus
from typing import Any, Final

import msgspec

from service.exceptions import FieldError
from service.web.problems import ProblemDetails


def of_problem(status: int) -> Any:
    """Return the example problem of a status."""
    return msgspec.to_builtins(PROBLEMS[status])


def _problem(
    status: HTTPStatus, slug: str, detail: str, instance: str, **more: Any
) -> ProblemDetails:
    return ProblemDetails(
        f"urn:credence:{slug}", status.phrase, status, detail, f"/api/v1{instance}", **more
    )


PROBLEMS: Final = {
    problem.status: problem
    for problem in (
        _problem(
            HTTPStatus.BAD_REQUEST,
            "bad-request",
            "the body is not JSON: JSON is malformed: expected ',' or '}' (byte 21)",
            "/questions/1/forecasts",
        ),
        _problem(
            HTTPStatus.UNAUTHORIZED,
            "unauthenticated",
            "send the header Authorization: Bearer TOKEN",
            "/questions/1",
        ),
        _problem(
            HTTPStatus.FORBIDDEN,
            "forbidden",
            "a forecaster may not resolve a question; this requires the role curator or higher",
            "/questions/1/resolution",
        ),
        _problem(HTTPStatus.NOT_FOUND, "not-found", "there is no question 9999", "/questions/9999"),
        _problem(
            HTTPStatus.CONFLICT,
            "conflict",
            "question 1 was already resolved: yes, by carl at 2026-11-20T12:00:00+00:00; "
            "take that back first",
            "/questions/1/resolution",
            current={"state": "resolved", "outcome": "yes", "by": "carl"},
        ),
        _problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "request-entity-too-large",
            "Request body exceeded maximum size of 2000000 bytes",
            "/forecasts",
        ),
        _problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "send the body as Content-Type: application/json",
            "/forecasts",
        ),
        _problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid",
            "probability: must be at most 1",
            "/questions/1/forecasts",
            errors=[FieldError("probability", "must be at most 1")],
        ),
        _problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-requests",
            "too many requests; slow down",
            "/questions",
        ),
        _problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "service-unavailable",
            "The database is busy or away; nothing was stored; try again in a moment.",
            "/questions/1/forecasts",
        ),
    )
}
