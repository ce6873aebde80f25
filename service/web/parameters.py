"""Shared request parameters: strict bodies, score filters and pagination."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar.exceptions import ValidationException
from litestar.params import PathParameter, QueryParameter

from service.exceptions import Invalid, UnsupportedMediaType
from service.models import LARGEST_ID
from service.web.dependencies import WITHOUT_NUL, AppRequest
from service.web.schemas import Moment, Page

Row = TypeVar("Row")
Item = TypeVar("Item")

Number = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_ID)]

DEFAULT_LIMIT: Final = 50

Limit = Annotated[
    int, QueryParameter(ge=1, le=200, description="how many items at most, 1 to 200; default 50")
]
Cursor = Annotated[
    str | None,
    QueryParameter(max_length=100, description="`next` of the page before; absent for the first"),
]
AsOf = Annotated[
    Moment | None,
    QueryParameter(description="answer as known at this moment (ISO 8601 with offset)"),
]
SetSlug = Annotated[
    str | None,
    QueryParameter(
        name="set",
        max_length=100,
        pattern=WITHOUT_NUL,
        description="only this set, by its slug",
    ),
]
Slug = Annotated[
    str, PathParameter(max_length=100, pattern=WITHOUT_NUL, description="the set's slug")
]
Archived = Annotated[bool, QueryParameter(description="true: what is archived; else what is not")]
Tag = Annotated[
    str | None,
    QueryParameter(max_length=100, pattern=WITHOUT_NUL, description="only questions with this tag"),
]
Imported = Annotated[
    bool,
    QueryParameter(
        description="include imported forecasters, who are placeholders and left out by default"
    ),
]


async def decode_body(request: AppRequest, kind: type[Item]) -> Item:
    """Decode the body strictly: unlike in a query string, "0.3" is not a number.

    The content type must be JSON.
    """
    kind_of_body = request.content_type[0]
    if kind_of_body != "application/json" and not kind_of_body.endswith("+json"):
        raise UnsupportedMediaType("send the body as Content-Type: application/json")
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$")
        raise ValidationException(
            extra=[{"key": path.strip("`.") or "data", "message": said}]
        ) from error


def decode_id_cursor(cursor: str | None) -> int | None:
    """Decode the id or number in a cursor; None for the first page."""
    found: int | None = decode_cursor(cursor, Number)
    return found


def decode_cursor(cursor: str | None, kind: Any) -> Any:
    """Decode the typed position in a cursor; None for the first page."""
    if cursor is None:
        return None
    try:
        told = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(told, type=kind)
    except (binascii.Error, ValueError):
        raise Invalid("cursor must be `next` of an earlier page", field="cursor") from None


def paginate(
    rows: Sequence[Row],
    limit: int,
    item: Callable[[Row], Item],
    place: Callable[[Row], Any],
) -> Page[Item]:
    """Build a page from up to `limit + 1` rows; the extra row indicates a further page."""
    shown = rows[:limit]
    more = len(rows) > limit
    following = base64.urlsafe_b64encode(msgspec.json.encode(place(shown[-1]))) if more else None
    return Page(
        items=[item(row) for row in shown],
        next=following.decode().rstrip("=") if following else None,
    )


def utc(at: datetime | None) -> datetime | None:
    """Convert a time to UTC; raises Invalid if it is out of range."""
    try:
        return at.astimezone(UTC) if at else None
    except OverflowError:
        raise Invalid(f"a time must be in the years 1 to 9999 of UTC, not {at}") from None
