"""JSON bodies of requests and responses for Metaculus clients.

Names and shapes follow Metaculus's API (https://www.metaculus.com/api/). Times of forecasts and
aggregates are in seconds since 1970 UTC, all others in ISO 8601. Unknown fields are ignored, since
clients send more than necessary.
"""

import math
from datetime import datetime
from typing import Annotated, Any

import msgspec

from service.comments.comments import CommentView
from service.metaculus.posts import Post
from service.models import Forecast, QuestionSet, Role
from service.permissions import Actor
from service.questions.aggregates import AggregateEstimate
from service.questions.history import Point
from service.web.problems import ProblemDetails
from service.web.schemas import Id, Moment, Probability, StoredText


class Refusal(ProblemDetails, kw_only=True):
    """The body of an error response; `error` repeats `detail`."""

    error: str


class PostForecast(msgspec.Struct):
    """A forecast on the question with that id; since questions are binary, in `probability_yes`.

    The forecast expires at `end_time`.
    """

    question: Id
    probability_yes: Probability | None = None
    end_time: Moment | None = None


class PostWithdrawal(msgspec.Struct):
    """A forecast to withdraw immediately: `withdraw_at` must be absent or null."""

    question: Id
    withdraw_at: Moment | None = None


class PostComment(msgspec.Struct):
    """A comment on a post; `included_forecast` attaches the author's latest forecast."""

    on_post: Id
    text: StoredText
    is_private: bool = False
    included_forecast: bool = False
    parent: Id | None = None


PostForecasts = Annotated[list[PostForecast], msgspec.Meta(min_length=1, max_length=500)]
PostWithdrawals = Annotated[list[PostWithdrawal], msgspec.Meta(min_length=1, max_length=500)]


class Done(msgspec.Struct):
    """Success: an empty object."""


class UserOut(msgspec.Struct):
    """An account; `is_staff` is true for administrators."""

    id: int
    username: str
    is_bot: bool
    is_staff: bool

    @classmethod
    def of(cls, actor: Actor) -> "UserOut":
        """From the current actor."""
        return cls(actor.id, actor.name, actor.bot, actor.role is Role.administrator)


class TournamentOut(msgspec.Struct):
    """A set as a tournament."""

    id: int
    slug: str
    name: str
    type: str
    visibility: str

    @classmethod
    def of(cls, row: QuestionSet) -> "TournamentOut":
        """From the set."""
        return cls(row.id, row.slug, row.title, "tournament", "normal")


class ProjectsOut(msgspec.Struct):
    """The project of a post: its set."""

    tournament: list[TournamentOut]
    default_project: TournamentOut
    category: list[dict[str, Any]]


class CommunityOut(msgspec.Struct):
    """A community prediction: the Bayesian aggregate and its credible interval, as one-item lists.

    `end_time` is null for the current one.
    """

    start_time: float
    end_time: float | None
    forecaster_count: int | None
    centers: list[float]
    interval_lower_bounds: list[float]
    interval_upper_bounds: list[float]

    @classmethod
    def latest(cls, reading: AggregateEstimate) -> "CommunityOut | None":
        """From the current aggregate; None while it is hidden, and before the first forecast."""
        if reading.probability is None or reading.lower is None or reading.upper is None:
            return None
        if not reading.forecasters:
            return None
        return cls(
            reading.as_of.timestamp(),
            None,
            reading.forecasters,
            [reading.probability],
            [reading.lower],
            [reading.upper],
        )

    @classmethod
    def history(cls, points: list[Point]) -> "list[CommunityOut]":
        """From the published aggregates, each until the next."""
        starts = [one.at.timestamp() for one in points]
        ends = [*starts[1:], None][: len(points)]
        return [
            cls(start, end, None, [one.probability], [one.lower], [one.upper])
            for one, start, end in zip(points, starts, ends, strict=True)
        ]


class AggregationOut(msgspec.Struct):
    """Community predictions, oldest first; `history` is empty in lists."""

    history: list[CommunityOut]
    latest: CommunityOut | None
    score_data: dict[str, Any]
    movement: dict[str, Any] | None


class AggregationsOut(msgspec.Struct):
    """The Bayesian aggregate, under the name that clients read."""

    recency_weighted: AggregationOut


class OwnForecastOut(msgspec.Struct):
    """A forecast of the actor; `forecast_values` are the probabilities of no and yes.

    `end_time` is null while the forecast has no end.
    """

    question_id: int
    author_id: int
    start_time: float
    end_time: float | None
    forecast_values: list[float]


class OwnForecastsOut(msgspec.Struct):
    """The actor's forecasts, oldest first; `latest` may have been withdrawn."""

    history: list[OwnForecastOut]
    latest: OwnForecastOut | None
    score_data: dict[str, Any]


class PostQuestionOut(msgspec.Struct):
    """The question of a post; `fine_print` ends with the rules of the whole set."""

    id: int
    post_id: int
    title: str
    type: str
    status: str
    description: str
    resolution_criteria: str
    fine_print: str
    label: str
    unit: str
    open_time: datetime
    scheduled_close_time: datetime | None
    actual_close_time: datetime | None
    scheduled_resolve_time: datetime | None
    actual_resolve_time: datetime | None
    resolution_set_time: datetime | None
    cp_reveal_time: datetime | None
    resolution: str | None
    include_bots_in_aggregates: bool
    question_weight: float
    aggregations: AggregationsOut
    my_forecasts: OwnForecastsOut


class PostOut(msgspec.Struct):
    """A post: a question, its project, and its numbers of forecasters and forecasts."""

    id: int
    title: str
    slug: str
    status: str
    resolved: bool
    published_at: datetime
    open_time: datetime
    scheduled_close_time: datetime | None
    scheduled_resolve_time: datetime | None
    nr_forecasters: int
    forecasts_count: int
    projects: ProjectsOut
    question: PostQuestionOut

    @classmethod
    def of(cls, post: Post) -> "PostOut":
        """From the post as the actor sees it."""
        view = post.view
        tournament = TournamentOut.of(post.of_set)
        question = _question(post)
        return cls(
            id=view.id,
            title=question.title,
            slug=view.question.slug,
            status=question.status,
            resolved=view.resolved is not None,
            published_at=post.published_at,
            open_time=question.open_time,
            scheduled_close_time=question.scheduled_close_time,
            scheduled_resolve_time=question.scheduled_resolve_time,
            nr_forecasters=post.forecasters,
            forecasts_count=post.forecasts,
            projects=ProjectsOut([tournament], tournament, []),
            question=question,
        )


class PostPage(msgspec.Struct):
    """A page of posts; `next` and `previous` are URLs of other pages."""

    next: str | None
    previous: str | None
    results: list[PostOut]


class IncludedForecastOut(msgspec.Struct):
    """The forecast that a comment explains; `forecast_values` are probabilities of no and yes."""

    question_id: int
    author_id: int
    start_time: float
    forecast_values: list[float]


class PostCommentOut(msgspec.Struct):
    """A comment; the text of a removed one is `deleted`. There are no votes: the score is 0."""

    id: int
    author: UserOut
    parent_id: int | None
    root_id: int | None
    created_at: datetime
    text: str
    is_soft_deleted: bool
    on_post: int
    included_forecast: IncludedForecastOut | None
    is_private: bool
    vote_score: int

    @classmethod
    def of(cls, comment: CommentView, explained: dict[int, Forecast]) -> "PostCommentOut":
        """From the current comment and the forecasts visible to the reader, by id."""
        row = comment.comment
        forecast = explained.get(row.forecast_id or 0)
        return cls(
            id=row.id,
            author=UserOut(row.account_id, comment.by, comment.bot, is_staff=False),
            parent_id=row.parent_id,
            root_id=row.parent_id,
            created_at=row.created_at,
            text="deleted" if comment.removal else comment.revision.text,
            is_soft_deleted=comment.removal is not None,
            on_post=row.question_id,
            included_forecast=IncludedForecastOut(
                forecast.question_id,
                forecast.account_id,
                forecast.created_at.timestamp(),
                _values(forecast.probability),
            )
            if forecast
            else None,
            is_private=row.private,
            vote_score=0,
        )


class PostCommentPage(msgspec.Struct):
    """A page of comments; `next` and `previous` are URLs of other pages."""

    next: str | None
    previous: str | None
    results: list[PostCommentOut]


def _question(post: Post) -> PostQuestionOut:
    view, revision, resolution = post.view, post.view.revision, post.view.resolved
    mine = [
        OwnForecastOut(
            view.id,
            one.account_id,
            one.start,
            one.end if math.isfinite(one.end) else None,
            _values(one.probability),
        )
        for one in post.mine
    ]
    community = AggregationOut(
        CommunityOut.history(post.history), CommunityOut.latest(post.reading), {}, None
    )
    return PostQuestionOut(
        id=view.id,
        post_id=view.id,
        title=revision.title,
        type="binary",
        status=str(post.state),
        description=revision.background,
        resolution_criteria=revision.criteria,
        fine_print="\n\n".join(filter(None, (revision.fine_print, post.of_set.defaults))),
        label="",
        unit="",
        open_time=revision.opens_at,
        scheduled_close_time=revision.closes_at,
        actual_close_time=view.ends_at if post.state in {"closed", "resolved"} else None,
        scheduled_resolve_time=revision.resolves_by or revision.closes_at,
        actual_resolve_time=resolution.occurred_at if resolution else None,
        resolution_set_time=resolution.created_at if resolution else None,
        cp_reveal_time=post.reveal_at,
        resolution=resolution.outcome if resolution else None,
        include_bots_in_aggregates=True,
        question_weight=revision.weight,
        aggregations=AggregationsOut(community),
        my_forecasts=OwnForecastsOut(mine, mine[-1] if mine else None, {}),
    )


def _values(probability: float) -> list[float]:
    return [1 - probability, probability]
