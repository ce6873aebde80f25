"""The list of all questions, with search, filters and sorting."""

from typing import Annotated, Final
from urllib.parse import urlencode

from litestar import get
from litestar.params import QueryParameter
from litestar.response import Template

from service.clock import now
from service.models import LARGEST_ID
from service.pages.cards import cards
from service.pages.rendering import page
from service.questions import questions, search
from service.questions.dependencies import AggregatorDep
from service.questions.questions import State
from service.questions.search import Order
from service.web.dependencies import WITHOUT_NUL, AppRequest, CurrentActor, ReadSession

LISTED: Final = 30
MOST_SETS: Final = 200
ORDERS: Final = {
    Order.closes_at: "closing first",
    Order.moved: "moved most",
    Order.latest_opens_at: "newest",
    Order.id: "load order",
}

Text = Annotated[str, QueryParameter(max_length=200, pattern=WITHOUT_NUL)]
InSet = Annotated[str, QueryParameter(name="set", max_length=200, pattern=WITHOUT_NUL)]
InState = Annotated[str, QueryParameter(name="state", max_length=200, pattern=WITHOUT_NUL)]
After = Annotated[int, QueryParameter(ge=0, le=LARGEST_ID)]


@get("/questions")
async def listing(
    request: AppRequest,
    actor: CurrentActor,
    reading: ReadSession,
    aggregator: AggregatorDep,
    q: Text = "",
    in_set: InSet = "",
    in_state: InState = "",
    tag: Text = "",
    sort: Text = "",
    after: After = 0,
) -> Template:
    """List questions, paginated; an unknown state or order is ignored."""
    state = State(in_state) if in_state in set(State) else None
    order = Order(sort) if sort in set(ORDERS) else Order.closes_at
    views = await search.page(
        reading,
        actor,
        set_slug=in_set or None,
        state=state,
        tag=tag or None,
        text=q,
        order=order,
        after=after,
        limit=LISTED + 1,
    )
    shown = views[:LISTED]
    asked = {"q": q, "set": in_set, "state": in_state, "tag": tag, "sort": order}
    following = asked | {"after": shown[-1].id} if views[LISTED:] else {}
    return page(
        request,
        actor,
        "questions.html",
        at=now(),
        asked=asked,
        sets=[found for found, _ in await questions.sets(reading, after=0, limit=MOST_SETS)],
        states=list(State),
        orders=ORDERS,
        cards=await cards(reading, aggregator, actor, shown),
        following=urlencode(following),
    )
