"""The errors that a caller can do something about."""

from http import HTTPStatus
from typing import Any, ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Problem(Exception):  # noqa: N818  # the name that RFC 9457 gives it
    """An error that a caller can do something about; `detail` is one sentence for them."""

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
    """A well-formed request says something that is not allowed."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "invalid"


class Unauthenticated(Problem):
    """No token, or one that is unknown or revoked."""

    status = HTTPStatus.UNAUTHORIZED
    slug = "unauthenticated"


class Forbidden(Problem):
    """The account's role does not allow this."""

    status = HTTPStatus.FORBIDDEN
    slug = "forbidden"


class NotFound(Problem):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND
    slug = "not-found"


class Conflict(Problem):
    """The thing exists, but its state does not allow this now; `current` says what the state is."""

    status = HTTPStatus.CONFLICT
    slug = "conflict"


class UnsupportedMediaType(Problem):
    """The body is of a kind that this service does not read."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    slug = "unsupported-media-type"


class TooManyRequests(Problem):
    """Someone asks too often; `retry_after` is in seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    slug = "too-many-requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
