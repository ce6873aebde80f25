"""Which scores a request asks for."""

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
        QueryParameter(description="only questions whose answer was settled from this moment on"),
    ] = None,
    settled_before: Annotated[
        Moment | None,
        QueryParameter(description="only questions whose answer was settled before this moment"),
    ] = None,
    as_of: AsOf = None,
) -> ScoreFilter:
    """Which scores are asked for."""
    return ScoreFilter(
        set_slug=set_slug,
        tag=tag,
        settled_from=utc(settled_from),
        settled_before=utc(settled_before),
        as_of=utc(as_of),
    )
