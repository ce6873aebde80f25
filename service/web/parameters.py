"""What the controllers share: strict bodies, the scope of scores, and how a list is paged."""

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
    """The body, read without the leniency of query strings: "0.3" is no number here.

    Only what says that it is JSON is read as JSON.
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
    """The id or number that a cursor stands for; None for the first page."""
    found: int | None = decode_cursor(cursor, Number)
    return found


def decode_cursor(cursor: str | None, kind: Any) -> Any:
    """The place of a type that a cursor stands for; None for the first page."""
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
    """A page from up to `limit + 1` rows: one more than shown tells that there is another page."""
    shown = rows[:limit]
    more = len(rows) > limit
    following = base64.urlsafe_b64encode(msgspec.json.encode(place(shown[-1]))) if more else None
    return Page(
        items=[item(row) for row in shown],
        next=following.decode().rstrip("=") if following else None,
    )


def utc(at: datetime | None) -> datetime | None:
    """The same moment in UTC; Invalid if UTC has no date for it."""
    try:
        return at.astimezone(UTC) if at else None
    except OverflowError:
        raise Invalid(f"a time must be in the years 1 to 9999 of UTC, not {at}") from None
