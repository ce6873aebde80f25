"""Questions and their revisions."""

from datetime import timedelta
from typing import Annotated

from litestar import Controller, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter, SkipValidation
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.curation import editing
from service.models import LARGEST_ID
from service.permissions import Actor
from service.questions import provenance, questions, reminders, search
from service.questions.aggregates import Aggregator
from service.questions.dependencies import Pooling
from service.questions.questions import State, View
from service.questions.schemas.provenance import ProvenanceOut
from service.questions.schemas.questions import (
    EditedQuestion,
    NewClosing,
    NewReopening,
    NewRevision,
    QuestionDetail,
    QuestionOut,
    ReminderOut,
    RevisionOut,
)
from service.questions.search import Order
from service.web.dependencies import WITHOUT_NUL, AppRequest, Reading, Who, Writing
from service.web.parameters import (
    DEFAULT_LIMIT,
    Archived,
    AsOf,
    Cursor,
    Limit,
    SetSlug,
    Tag,
    page_of,
    position,
    strictly,
    utc,
)
from service.web.schemas import Page

QuestionId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the question's id")]


async def detailed(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, view: View
) -> QuestionDetail:
    """A question with its present aggregate as the actor sees it."""
    readings = await aggregator.current(session, actor, [view])
    return QuestionDetail.of(view, readings[view.id], now())


async def edited(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, view: View
) -> EditedQuestion:
    """A question that was just written, with what the lint says of it."""
    found = await editing.findings(session, view)
    return EditedQuestion.after(await detailed(session, aggregator, actor, view), found)


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
        actor: Who,
        reading: Reading,
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
            after=position(cursor) or 0,
            limit=limit + 1,
        )
        at = now()
        aggregator: Aggregator = request.app.state.aggregator
        readings = await aggregator.current(reading, actor, found[:limit])
        return page_of(
            found,
            limit,
            lambda view: QuestionOut.of(view, readings[view.id], at),
            lambda view: view.id,
        )

    @get("/{question_id:int}", summary="Get a question")
    async def one(self, request: AppRequest, actor: Who, question_id: QuestionId) -> QuestionDetail:
        """A question with its texts, dates, sources and present aggregate."""
        aggregator: Aggregator = request.app.state.aggregator
        found = await aggregator.look(request.app.state.database, actor, question_id)
        return QuestionDetail.of(*found, now())

    @get("/{question_id:int}/revisions", summary="List a question's revisions")
    async def revisions(
        self,
        actor: Who,
        reading: Reading,
        question_id: QuestionId,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[RevisionOut]:
        """Every revision, the first first: whose it is, why, and which fields it changed."""
        view = await questions.get(reading, question_id, actor=actor)
        rows = await editing.revisions(
            reading, view.id, after=position(cursor) or 0, limit=limit + 1
        )
        return page_of(rows, limit, RevisionOut.of, lambda one: one.revision.number)

    @post("/{question_id:int}/revisions", summary="Revise a question (curators)")
    async def revise(
        self,
        request: AppRequest,
        actor: Who,
        writing: Writing,
        aggregator: Pooling,
        question_id: QuestionId,
        data: JSONBody[SkipValidation[NewRevision]],
    ) -> EditedQuestion:
        """Change fields by a new revision with a reason; publish a draft with `draft` false.

        `findings` is what the lint says of the question as it now is; it stops nothing.
        """
        data = await strictly(request, NewRevision)
        view = await editing.revise(
            writing,
            aggregator,
            actor,
            question_id,
            based_on=data.based_on,
            reason=data.reason,
            changes=data.changes,
        )
        return await edited(writing, aggregator, actor, view)

    @post("/{question_id:int}/closing", summary="Close a question early (curators)")
    async def close(
        self,
        request: AppRequest,
        actor: Who,
        writing: Writing,
        aggregator: Pooling,
        question_id: QuestionId,
        data: JSONBody[SkipValidation[NewClosing]],
    ) -> QuestionDetail:
        """Take no more forecasts from now on, by a revision with a reason."""
        data = await strictly(request, NewClosing)
        view = await editing.close(
            writing,
            aggregator,
            actor,
            question_id,
            based_on=data.based_on,
            reason=data.reason,
        )
        return await detailed(writing, aggregator, actor, view)

    @post("/{question_id:int}/reopening", summary="Reopen a closed question (curators)")
    async def reopen(
        self,
        request: AppRequest,
        actor: Who,
        writing: Writing,
        aggregator: Pooling,
        question_id: QuestionId,
        data: JSONBody[SkipValidation[NewReopening]],
    ) -> QuestionDetail:
        """Take forecasts again until a later close, by a revision with a reason."""
        data = await strictly(request, NewReopening)
        view = await editing.reopen(
            writing,
            aggregator,
            actor,
            question_id,
            based_on=data.based_on,
            reason=data.reason,
            closes_at=data.closes_at,
        )
        return await detailed(writing, aggregator, actor, view)

    @get("/{question_id:int}/provenance", summary="Get an aggregate's provenance")
    async def provenance(
        self,
        actor: Who,
        reading: Reading,
        aggregator: Pooling,
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
    actor: Who,
    reading: Reading,
    aggregator: Pooling,
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
        after=position(cursor) or 0,
        limit=limit + 1,
    )
    readings = await aggregator.current(reading, actor, [one.view for one in found[:limit]])
    return page_of(
        found,
        limit,
        lambda one: ReminderOut(QuestionOut.of(one.view, readings[one.view.id], at), one.why),
        lambda one: one.view.id,
    )
