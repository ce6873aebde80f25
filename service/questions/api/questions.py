"""Questions and what they are made of."""

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

    What is asked most takes the aggregator from the state: dependencies that do not need each other
    are provided by a task each, which costs more than either.
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
                description="only questions whose title, background or criteria have these words",
            ),
        ] = None,
        order: Annotated[
            Order,
            QueryParameter(
                name="sort", description="what they go by; `moved`: within a week, farthest first"
            ),
        ] = Order.id,
        archived: Archived = False,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[QuestionOut]:
        """Questions, each with its present aggregate; those of archived sets by `set` alone.

        A page starts behind the last question of the one before, wherever that stands by then.
        """
        found = await search.page(
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
        readings = await aggregator.current(reading, actor, found[:limit])
        return paginate(
            found,
            limit,
            lambda view: QuestionOut.of(view, readings[view.id], at),
            lambda view: view.id,
        )

    @get("/{question_id:int}", summary="Get a question")
    async def one(
        self, request: AppRequest, actor: CurrentActor, question_id: QuestionId
    ) -> QuestionDetail:
        """A question with its texts, dates, sources and present aggregate."""
        aggregator: Aggregator = request.app.state.aggregator
        found = await aggregator.look(request.app.state.database, actor, question_id)
        return QuestionDetail.of(*found, now())

    @get("/{question_id:int}/provenance", summary="Get an aggregate's provenance")
    async def provenance(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        as_of: AsOf = None,
    ) -> ProvenanceOut:
        """From the aggregate to its fit, forecasts, question, implication, document, evidence."""
        chain = await provenance.trace(reading, aggregator, actor, question_id, as_of=utc(as_of))
        return ProvenanceOut.of(chain)


@get(
    "/account/reminders",
    summary="List what closes soon and waits for my forecast",
    tags=["Questions"],
)
async def list_reminders(
    actor: CurrentActor,
    reading: ReadSession,
    aggregator: AggregatorDep,
    within_hours: Annotated[
        float, QueryParameter(gt=0, le=8760, description="how soon, in hours; default 48")
    ] = 48,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[ReminderOut]:
    """Open questions that close soon and on which no forecast of mine stands, the soonest first.

    `why` is `never` if I have not forecast it, or what ended my last forecast: `expired` or
    `withdrawn`.
    """
    at = now()
    found = await reminders.closing(
        reading,
        actor.id,
        at,
        within=timedelta(hours=within_hours),
        after=decode_id_cursor(cursor) or 0,
        limit=limit + 1,
    )
    readings = await aggregator.current(reading, actor, [one.view for one in found[:limit]])
    return paginate(
        found,
        limit,
        lambda one: ReminderOut(QuestionOut.of(one.view, readings[one.view.id], at), one.why),
        lambda one: one.view.id,
    )
