"""Translation of all errors to problem+json (RFC 9457)."""

import logging
import re
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    SerializationException,
    ValidationException,
)
from sqlalchemy.exc import OperationalError

from service.exceptions import FieldError, Problem, TooManyRequests
from service.web.request_logging import asked

HEADERS: Final[dict[int, dict[str, str]]] = {
    HTTPStatus.REQUEST_TIMEOUT: {"Connection": "close"},
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "2"},
}
PLAIN_WORDS: Final = (
    (re.compile(r"Object contains unknown field `(?P<field>.+)`"), r"is not a field of this"),
    (re.compile(r"Object missing required field `(?P<field>.+)`"), r"is required"),
    (re.compile(r"Expected `(?:float|int)` <= (.+?)(?:\.0)?"), r"must be at most \1"),
    (re.compile(r"Expected `(?:float|int)` >= (.+?)(?:\.0)?"), r"must be at least \1"),
    (re.compile(r"Expected `(?:float|int)` < (.+?)(?:\.0)?"), r"must be less than \1"),
    (re.compile(r"Expected `(?:float|int)` > (.+?)(?:\.0)?"), r"must be more than \1"),
    (re.compile(r"Expected `float`, got `(.+)`"), r"must be a number, not \1"),
    (re.compile(r"Expected `str` of length <= (.+)"), r"must be at most \1 characters long"),
    (re.compile(r"Expected `str` of length >= 1"), r"must not be blank"),
    (re.compile(r"Expected `str` matching regex .+"), r"must not hold the character NUL"),
    (re.compile(r"Expected `(.+)`, got `(.+)`"), r"must be of type \1, not \2"),
    (re.compile(r"Invalid enum value (.+)"), r"cannot be \1"),
    (
        re.compile(r"Invalid RFC3339 encoded datetime|Expected `datetime` with a timezone.*"),
        r"must be ISO 8601 with an offset, such as 2027-01-01T00:00:00Z",
    ),
)

log = logging.getLogger(__name__)


class ProblemDetails(msgspec.Struct, omit_defaults=True):
    """The body of every error answer (RFC 9457, application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str = ""
    errors: list[FieldError] = []
    current: dict[str, Any] | None = None


def headers_of(error: Exception, status: int) -> dict[str, str]:
    """Return the response headers of an error."""
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, MethodNotAllowedException):
        return {"Allow": (error.headers or {}).get("allow", "")}
    return HEADERS.get(status, {})


def translate(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemDetails]:
    """Answer any error as problem+json."""
    problem = describe(request, error)
    return Response(
        problem,
        status_code=problem.status,
        media_type="application/problem+json",
        headers=headers_of(error, problem.status),
    )


def describe(request: Request[Any, Any, Any], error: Exception) -> ProblemDetails:
    """Describe an error; unexpected ones are logged and not disclosed."""
    path = request.url.path
    if isinstance(error, Problem):
        problem = ProblemDetails(
            type=f"urn:credence:{error.slug}",
            title=error.status.phrase,
            status=error.status,
            detail=error.detail,
            instance=path,
            request_id=asked(),
            errors=error.errors,
            current=error.current,
        )
    elif isinstance(error, ValidationException):
        problem = _validation(error, request)
    elif isinstance(error, OperationalError):
        log.error("the database refused at %s %s: %s", request.method, path, error.orig)
        problem = ProblemDetails(
            type="urn:credence:service-unavailable",
            title=HTTPStatus.SERVICE_UNAVAILABLE.phrase,
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            detail="The database is busy or away; nothing was stored; try again in a moment.",
            instance=path,
            request_id=asked(),
        )
    elif isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        problem = ProblemDetails(
            type=f"urn:credence:{status.phrase.lower().replace(' ', '-')}",
            title=status.phrase,
            status=status,
            detail=_detail(error, status),
            instance=path,
            request_id=asked(),
            errors=[FieldError("body", _detail(error, status))] if _is_malformed(error) else [],
        )
    else:
        log.error("unforeseen error at %s %s", request.method, path, exc_info=error)
        problem = ProblemDetails(
            type="urn:credence:internal-server-error",
            title="Internal Server Error",
            status=HTTPStatus.INTERNAL_SERVER_ERROR,
            detail="Something went wrong on our side; nothing was stored.",
            instance=path,
            request_id=asked(),
        )
    return problem


def _detail(error: HTTPException, status: HTTPStatus) -> str:
    said = error.detail or status.phrase
    return f"the body is not JSON: {said}" if _is_malformed(error) else said


def _is_malformed(error: HTTPException) -> bool:
    return isinstance(error, SerializationException) or isinstance(
        error.__cause__, SerializationException
    )


def _field_error(key: str, message: str) -> FieldError:
    """Describe a validation error in plain words; `body` names the whole body."""
    field = "body" if key == "data" else key
    if message == "'data'":
        return FieldError(field, "must be JSON, and there is none")
    for pattern, words in PLAIN_WORDS:
        if found := pattern.fullmatch(message):
            named = found.groupdict().get("field")
            return FieldError(named or field, found.expand(words))
    return FieldError(field, message)


def _public(request: Request[Any, Any, Any], key: str) -> str:
    """Return the public name of a parameter."""
    parameter = request.route_handler.parsed_fn_signature.parameters.get(key)
    return getattr(parameter and parameter.kwarg_definition, "name", None) or key


def _validation(error: ValidationException, request: Request[Any, Any, Any]) -> ProblemDetails:
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [
        _field_error(
            _public(request, str(item.get("key", "body"))), str(item.get("message", error.detail))
        )
        for item in extra
        if isinstance(item, dict)
    ]
    said = "; ".join(f"{one.field}: {one.message}" for one in errors) or error.detail
    return ProblemDetails(
        type="urn:credence:invalid",
        title=HTTPStatus.UNPROCESSABLE_ENTITY.phrase,
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        detail=said,
        instance=request.url.path,
        request_id=asked(),
        errors=errors,
    )
