"""The dependency that reads the score filter of a request."""

from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from service.scoring.scores import ScoreFilter
from service.web.parameters import AsOf, SetSlug, Tag, utc
from service.web.schemas import Moment

Scoped = NamedDependency[SkipValidation[ScoreFilter]]


async def provide_scope(
    set_slug: SetSlug = None,
    tag: Tag = None,
    settled_from: Annotated[
        Moment | None,
        QueryParameter(description="only questions settled at or after this moment"),
    ] = None,
    settled_before: Annotated[
        Moment | None,
        QueryParameter(description="only questions settled before this moment"),
    ] = None,
    as_of: AsOf = None,
) -> ScoreFilter:
    """Build the score filter from the query parameters."""
    return ScoreFilter(
        set_slug=set_slug,
        tag=tag,
        settled_from=utc(settled_from),
        settled_before=utc(settled_before),
        as_of=utc(as_of),
    )
