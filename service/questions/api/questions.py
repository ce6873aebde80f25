"""API of questions, their provenance and reminders."""

from datetime import timedelta
from typing import Annotated

from litestar import Controller, get
from litestar.params import QueryParameter

from service.clock import now
from service.questions import provenance, reminders, search
from service.questions.aggregates import Aggregator
from service.questions.dependencies import AggregatorDep, QuestionId
from service.questions.questions import State
from service.questions.schemas.provenance import ProvenanceOut
from service.questions.schemas.questions import QuestionDetail, QuestionOut, ReminderOut
from service.questions.search import Order
from service.web.dependencies import WITHOUT_NUL, AppRequest, CurrentActor, ReadSession
from service.web.parameters import (
    DEFAULT_LIMIT,
    Archived,
    AsOf,
    Cursor,
    Limit,
    SetSlug,
    Tag,
    decode_id_cursor,
    paginate,
    utc,
)
from service.web.schemas import Page


class Questions(Controller):
    """Questions.

    The most frequent requests take the aggregator from the app state: Litestar starts a task for
    each independent dependency, which costs more than the dependency itself.
    """

    path = "/questions"
    tags = ("Questions",)

    @get(summary="List questions")
    async def listing(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        set_slug: SetSlug = None,
        in_state: Annotated[
            State | None, QueryParameter(name="state", description="only questions in this state")
        ] = None,
        tag: Tag = None,
        text: Annotated[
            str | None,
            QueryParameter(
                name="q",
                max_length=200,
                pattern=WITHOUT_NUL,
                description=(
                    "only questions with all of these words in the title, background or criteria"
                ),
            ),
        ] = None,
        order: Annotated[
            Order,
            QueryParameter(
                name="sort",
                description="sort order; `moved`: largest change of the aggregate in a week first",
            ),
        ] = Order.id,
        archived: Archived = False,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[QuestionOut]:
        """List questions, each with its present aggregate.

        Questions of archived sets are listed only with `set` or `archived`. A page starts after the
        current place of the previous page's last question.
        """
        page = await search.page(
            reading,
            actor,
            set_slug=set_slug,
            state=in_state,
            tag=tag,
            text=text,
            archived=archived,
            order=order,
            after=decode_id_cursor(cursor) or 0,
            limit=limit + 1,
        )
        at = now()
        aggregator: Aggregator = request.app.state.aggregator
        estimates = await aggregator.current(reading, actor, page[:limit])
        return paginate(
            page,
            limit,
            lambda view: QuestionOut.of(view, estimates[view.id], at),
            lambda view: view.id,
        )

    @get("/{question_id:int}", summary="Get a question")
    async def one(
        self, request: AppRequest, actor: CurrentActor, question_id: QuestionId
    ) -> QuestionDetail:
        """Return a question with its texts, dates, sources and present aggregate."""
        aggregator: Aggregator = request.app.state.aggregator
        question = await aggregator.question_with_aggregate(
            request.app.state.database, actor, question_id
        )
        return QuestionDetail.of(*question, now())

    @get("/{question_id:int}/provenance", summary="Get an aggregate's provenance")
    async def provenance(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        as_of: AsOf = None,
    ) -> ProvenanceOut:
        """Trace an aggregate to its fit, forecasts, question, implication and document."""
        chain = await provenance.trace(reading, aggregator, actor, question_id, as_of=utc(as_of))
        return ProvenanceOut.of(chain)


@get(
    "/account/reminders",
    summary="List questions that close soon and await my forecast",
    tags=["Questions"],
)
async def list_reminders(
    actor: CurrentActor,
    reading: ReadSession,
    aggregator: AggregatorDep,
    within_hours: Annotated[
        float,
        QueryParameter(gt=0, le=8760, description="maximum time to the close, in hours"),
    ] = 48,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[ReminderOut]:
    """List open questions that close soon and have no active forecast of mine, soonest first.

    `why` is `never` if I have not forecast the question, or `expired` or `withdrawn` for the end of
    my last forecast.
    """
    at = now()
    due = await reminders.closing(
        reading,
        actor.id,
        at,
        within=timedelta(hours=within_hours),
        after=decode_id_cursor(cursor) or 0,
        limit=limit + 1,
    )
    estimates = await aggregator.current(
        reading, actor, [reminder.view for reminder in due[:limit]]
    )
    return paginate(
        due,
        limit,
        lambda item: ReminderOut(QuestionOut.of(item.view, estimates[item.view.id], at), item.why),
        lambda item: item.view.id,
    )
