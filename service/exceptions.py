"""Errors that a client can act on."""

from http import HTTPStatus
from typing import Any, ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """An error in one field of a request."""

    field: str
    message: str


class Problem(Exception):  # noqa: N818  # the term of RFC 9457
    """An error that a client can act on; `detail` is a sentence that explains it."""

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    slug: ClassVar[str] = "bad-request"

    def __init__(
        self, detail: str, *, field: str | None = None, current: dict[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = [FieldError(field, detail)] if field else []
        self.current = current


class Invalid(Problem):
    """A well-formed request with values that are not allowed."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "invalid"


class Unauthenticated(Problem):
    """A missing, unknown or revoked token."""

    status = HTTPStatus.UNAUTHORIZED
    slug = "unauthenticated"


class Forbidden(Problem):
    """The account's role does not allow this."""

    status = HTTPStatus.FORBIDDEN
    slug = "forbidden"


class NotFound(Problem):
    """The requested object does not exist."""

    status = HTTPStatus.NOT_FOUND
    slug = "not-found"


class Conflict(Problem):
    """The state of an existing object does not allow this; `current` describes the state."""

    status = HTTPStatus.CONFLICT
    slug = "conflict"


class UnsupportedMediaType(Problem):
    """A body of a media type that the service does not support."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    slug = "unsupported-media-type"


class TooManyRequests(Problem):
    """A rate limit is exceeded; `retry_after` is in seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    slug = "too-many-requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
