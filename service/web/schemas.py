"""Shared schema types: pages of lists and field types."""

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from service.models import LARGEST_ID

Item = TypeVar("Item")

Probability = Annotated[
    float, Meta(ge=0, le=1, description="a number from 0 to 1; 0 and 1 are taken as stated")
]
Moment = Annotated[
    datetime, Meta(tz=True, description="ISO 8601 with an offset, such as 2027-01-01T00:00:00Z")
]
StoredText = Annotated[
    str, Meta(pattern=r"^[^\x00]*$", description="any text without the character NUL")
]
Id = Annotated[int, Meta(ge=1, le=LARGEST_ID)]
NewOutcome = Literal["yes", "no", "ambiguous", "annulled"]
ScoreKind = Literal[
    "brier", "log", "baseline", "peer", "spot_brier", "spot_log", "spot_baseline", "spot_peer"
]


class Page(msgspec.Struct, Generic[Item]):
    """A page of a list; `next` is the cursor of the following page, null on the last."""

    items: list[Item]
    next: str | None


class PeoplePage(Page[Item], Generic[Item]):
    """A page of a list of people.

    `imported_left_out` counts the imported forecasters omitted from the whole list: placeholders
    for forecasters in imported data, listed with `imported=true`.
    """

    imported_left_out: int
