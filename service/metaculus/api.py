"""A Metaculus-compatible API, so that existing forecasting bots work unchanged.

Only names and shapes follow Metaculus; permissions, storage and visibility use the same code as
Credence's own API.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from litestar import Controller, Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody, PathParameter, QueryParameter, SkipValidation

from forecasting.csv_io import moment
from service.comments import comments
from service.exceptions import Conflict, Invalid
from service.metaculus import posts
from service.metaculus.posts import Span, Wanted
from service.metaculus.schemas import (
    Done,
    PostComment,
    PostCommentOut,
    PostCommentPage,
    PostForecasts,
    PostOut,
    PostPage,
    PostWithdrawals,
    Refusal,
    UserOut,
)
from service.models import LARGEST_ID, Cause
from service.questions import forecasts, questions
from service.questions.dependencies import AggregatorDep, SubmissionsDep
from service.questions.forecasts import Draft, NothingStands
from service.questions.questions import State
from service.questions.search import Order
from service.web import security
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession
from service.web.openapi import OTHER_ERRORS, problem
from service.web.parameters import decode_body, utc
from service.web.problems import translate

PREFIX: Final = "/api/metaculus"
RETRIED_WITHIN: Final = timedelta(minutes=10)
"""Longer than a client keeps retrying: four times in about five minutes."""
MOST_ON_A_PAGE: Final = 100
ORDERS: Final = {
    "published_at": Order.opens_at,
    "-published_at": Order.latest_opens_at,
    "open_time": Order.opens_at,
    "-open_time": Order.latest_opens_at,
    "scheduled_close_time": Order.closes_at,
    "-scheduled_close_time": Order.latest_closes_at,
    "-weekly_movement": Order.moved,
}
STATUSES: Final = {
    HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT: HTTPStatus.METHOD_NOT_ALLOWED,
}
REPLAYED: Final = {"Idempotency-Replayed": "true"}

Limit = Annotated[
    int,
    QueryParameter(
        ge=1, le=LARGEST_ID, description="maximum number of results; above 100 counts as 100"
    ),
]
Offset = Annotated[
    int, QueryParameter(ge=0, le=LARGEST_ID, description="number of results to skip")
]
Names = list[str] | None
Day = str | None


def _later(what: str) -> QueryParameter:
    return QueryParameter(
        name=f"{what}__gt", description="only later than this: YYYY-MM-DD or a time"
    )


def _earlier(what: str) -> QueryParameter:
    return QueryParameter(
        name=f"{what}__lt", description="only earlier than this: YYYY-MM-DD or a time"
    )


async def provide_wanted(
    tournaments: Annotated[
        Names,
        QueryParameter(description="only of these sets, by slug or id; repeat, or use commas"),
    ] = None,
    statuses: Annotated[
        Names, QueryParameter(description="only in these states: upcoming, open, closed, resolved")
    ] = None,
    forecast_type: Annotated[
        Names,
        QueryParameter(description="no results unless `binary` is included, the only type here"),
    ] = None,
    forecaster_id: Annotated[
        int | None,
        QueryParameter(
            ge=1,
            le=LARGEST_ID,
            description="only questions that this account has forecast; must be your own id",
        ),
    ] = None,
    published_after: Annotated[Day, _later("published_at")] = None,
    published_before: Annotated[Day, _earlier("published_at")] = None,
    opens_after: Annotated[Day, _later("open_time")] = None,
    opens_before: Annotated[Day, _earlier("open_time")] = None,
    resolves_after: Annotated[Day, _later("scheduled_resolve_time")] = None,
    resolves_before: Annotated[Day, _earlier("scheduled_resolve_time")] = None,
    order_by: Annotated[
        str | None,
        QueryParameter(
            description="open_time, published_at or scheduled_close_time, with a minus for latest "
            "first; or -weekly_movement; anything else counts as -open_time"
        ),
    ] = None,
) -> Wanted:
    """The filters of a list of posts; unknown parameters are ignored."""
    states: set[State] | None = None
    if statuses is not None:
        known = {state.value: state for state in State}
        states = {known[one] for one in _each(statuses) if one in known}
    if forecast_type is not None and "binary" not in _each(forecast_type):
        states = set()
    return Wanted(
        tournaments=_each(tournaments or []),
        states=states,
        forecaster_id=forecaster_id,
        published=_span("published_at", published_after, published_before),
        opens=_span("open_time", opens_after, opens_before),
        resolves=_span("scheduled_resolve_time", resolves_after, resolves_before),
        order=ORDERS.get(order_by or "", Order.latest_opens_at),
    )


def status_of(status: HTTPStatus, method: str) -> HTTPStatus:
    """The status that Metaculus uses where Credence's own API uses this one.

    References in a body to unknown objects are a bad request, and actions that a question's state
    does not allow are a method that is not allowed.
    """
    if status is HTTPStatus.NOT_FOUND and method == "POST":
        return HTTPStatus.BAD_REQUEST
    return STATUSES.get(status, status)


def refuse(request: AppRequest, error: Exception) -> Response[Refusal]:
    """Respond to an error with Metaculus's status for it."""
    answer = translate(request, error)
    problem = answer.content
    status = status_of(HTTPStatus(problem.status), request.method)
    told = msgspec.structs.asdict(problem) | {"status": status, "title": status.phrase}
    return Response(
        Refusal(**told, error=problem.detail),
        status_code=status,
        media_type=answer.media_type,
        headers=answer.headers,
    )


class Posts(Controller):
    """Questions as posts."""

    path = "/posts"
    tags = ("Metaculus",)
    dependencies = {"wanted": Provide(provide_wanted)}  # noqa: RUF012  # Litestar's attribute

    @get(summary="List posts")
    async def listing(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        wanted: NamedDependency[SkipValidation[Wanted]],
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> PostPage:
        """Questions of the selected sets, each with your own forecasts."""
        shown = min(limit, MOST_ON_A_PAGE)
        found = await posts.listing(
            reading, aggregator, actor, wanted, offset=offset, limit=shown + 1
        )
        following, before = _neighbours(request, shown, offset, more=len(found) > shown)
        return PostPage(following, before, [PostOut.of(one) for one in found[:shown]])

    @get("/{post_id:int}", summary="Get a post")
    async def one(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        post_id: Annotated[int, PathParameter(description="the question's id, in its address")],
    ) -> PostOut:
        """A question with the history of its aggregate and your own forecasts."""
        return PostOut.of(await posts.one(reading, aggregator, actor, post_id))


class Forecasts(Controller):
    """Forecasts on the questions of posts."""

    path = "/questions"
    tags = ("Metaculus",)

    @post("/forecast", summary="Forecast (Metaculus format)")
    async def submit(
        self,
        request: AppRequest,
        actor: CurrentActor,
        submissions: SubmissionsDep,
        data: JSONBody[SkipValidation[PostForecasts]],
    ) -> Response[Done]:
        """Store 1 to 500 forecasts, all or none; repeated requests are not stored twice."""
        data = await decode_body(request, PostForecasts)
        drafts = [
            Draft(one.question, _probability(one.probability_yes), "", utc(one.end_time))
            for one in data
        ]
        if len({draft.question_id for draft in drafts}) < len(drafts):
            raise Invalid("a question may be in the list only once", field="question")
        stored, _ = await submissions.submit(
            actor,
            drafts,
            lambda made: msgspec.json.encode(len(made)),
            unrepeated_within=RETRIED_WITHIN,
        )
        return Response(Done(), headers=REPLAYED if stored == b"0" else None)

    @post("/withdraw", summary="Withdraw forecasts (Metaculus format)")
    async def withdraw(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        data: JSONBody[SkipValidation[PostWithdrawals]],
    ) -> Done:
        """Withdraw your standing forecasts, all or none; questions without one are unaffected."""
        data = await decode_body(request, PostWithdrawals)
        if any(one.withdraw_at is not None for one in data):
            raise Conflict("a forecast is withdrawn immediately; omit withdraw_at")
        for one in data:
            try:
                view, row, _ = await forecasts.withdraw(writing, actor, one.question)
            except NothingStands:
                continue
            await aggregator.publish_one(
                writing, actor, view, cause=Cause.withdrawal, at=row.created_at
            )
        return Done()


class PostComments(Controller):
    """Comments on posts."""

    path = "/comments"
    tags = ("Metaculus",)

    @post("/create", summary="Comment on a post")
    async def write(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        data: JSONBody[SkipValidation[PostComment]],
    ) -> Response[PostCommentOut]:
        """Post a comment in Markdown; repeated requests are not stored twice."""
        data = await decode_body(request, PostComment)
        held = await comments.repeated(
            writing,
            actor,
            data.on_post,
            text=data.text,
            parent_id=data.parent,
            private=data.is_private,
            within=RETRIED_WITHIN,
        )
        said = held or await comments.write(
            writing,
            actor,
            data.on_post,
            text=data.text,
            parent_id=data.parent,
            forecast_id=await posts.latest_own(writing, actor, data.on_post)
            if data.included_forecast
            else None,
            private=data.is_private,
        )
        explained = await posts.explained(writing, actor, [said])
        return Response(
            PostCommentOut.of(said, explained), headers=REPLAYED if held is not None else None
        )

    @get(summary="List comments on posts")
    async def listing(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        on_post: Annotated[
            int | None,
            QueryParameter(
                name="post", ge=1, le=LARGEST_ID, description="only comments on this post"
            ),
        ] = None,
        author: Annotated[
            int | None,
            QueryParameter(ge=1, le=LARGEST_ID, description="only comments by this account"),
        ] = None,
        is_private: Annotated[
            bool | None, QueryParameter(description="only private, or only public comments")
        ] = None,
        sort: Annotated[
            str, QueryParameter(description="created_at: oldest first; otherwise newest first")
        ] = "-created_at",
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> PostCommentPage:
        """Comments that you may see; private comments are visible to their authors and curators."""
        shown = min(limit, MOST_ON_A_PAGE)
        view = None if on_post is None else await questions.get(reading, on_post, actor=actor)
        found = await comments.listing(
            reading,
            actor,
            view,
            author_id=author,
            private=is_private,
            offset=offset,
            oldest_first=sort == "created_at",
            limit=shown + 1,
        )
        explained = await posts.explained(reading, actor, found[:shown])
        following, before = _neighbours(request, shown, offset, more=len(found) > shown)
        results = [PostCommentOut.of(said, explained) for said in found[:shown]]
        return PostCommentPage(following, before, results)


@get("/users/me", tags=["Metaculus"], summary="Get my account (Metaculus format)")
async def me(actor: CurrentActor) -> UserOut:
    """The account of the token."""
    return UserOut.of(actor)


def _probability(told: float | None) -> float:
    if told is None:
        raise Invalid(
            "probability_yes must be a number from 0 to 1: every question here is binary",
            field="probability_yes",
        )
    return told


def _each(told: Sequence[str]) -> list[str]:
    """The values of a parameter, which may be repeated or joined with commas."""
    return [one.strip() for value in told for one in value.split(",") if one.strip()]


def _span(what: str, after: Day, before: Day) -> Span:
    return Span(_day(f"{what}__gt", after), _day(f"{what}__lt", before))


def _day(name: str, told: Day) -> datetime | None:
    if not told:
        return None
    try:
        return datetime.fromtimestamp(moment(told), UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(str(error), field=name) from None


def _neighbours(
    request: AppRequest, limit: int, offset: int, *, more: bool
) -> tuple[str | None, str | None]:
    """The URLs of the next and previous pages, if any."""

    def at(place: int) -> str:
        asked = request.url.query_params
        asked["limit"], asked["offset"] = str(limit), str(place)
        query = request.url.with_replacements(query=asked).query
        return security.site(request) + f"{request.url.path}?{query}"

    return (
        at(offset + limit) if more else None,
        at(max(0, offset - limit)) if offset else None,
    )


def document_errors(errors: Mapping[int, ResponseSpec], method: str) -> dict[int, ResponseSpec]:
    """Document the API's errors with Metaculus's statuses and body."""
    return {
        status_of(HTTPStatus(status), method): problem(one.description, Refusal)
        for status, one in errors.items()
    }


router = Router(
    path=PREFIX,
    route_handlers=[Posts, Forecasts, PostComments, me],
    security=[{"token": []}],
    exception_handlers={Exception: refuse},
    opt={OTHER_ERRORS: document_errors},
)
