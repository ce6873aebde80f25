"""Revising, closing and reopening questions, and adding one to a set."""

from litestar import Controller, get, post
from litestar.params import JSONBody, SkipValidation
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.curation import editing
from service.curation.schemas import (
    EditedQuestion,
    NewClosing,
    NewReopening,
    NewRevision,
    RevisionOut,
)
from service.permissions import Actor
from service.questions import questions
from service.questions.aggregates import Aggregator
from service.questions.dependencies import AggregatorDep, QuestionId
from service.questions.questions import View
from service.questions.schemas.questions import QuestionDetail
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession
from service.web.parameters import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    decode_body,
    decode_id_cursor,
    paginate,
)
from service.web.schemas import Page


async def detailed(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, view: View
) -> QuestionDetail:
    """A question with its current aggregate as the actor sees it."""
    readings = await aggregator.current(session, actor, [view])
    return QuestionDetail.of(view, readings[view.id], now())


async def edited(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, view: View
) -> EditedQuestion:
    """A question after an edit, with its lint findings."""
    found = await editing.findings(session, view)
    return EditedQuestion.after(await detailed(session, aggregator, actor, view), found)


class Editing(Controller):
    """The revisions of a question."""

    path = "/questions"
    tags = ("Questions",)

    @get("/{question_id:int}/revisions", summary="List a question's revisions")
    async def revisions(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        question_id: QuestionId,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[RevisionOut]:
        """Every revision, oldest first, with its author, reason and changed fields."""
        view = await questions.get(reading, question_id, actor=actor)
        rows = await editing.revisions(
            reading, view.id, after=decode_id_cursor(cursor) or 0, limit=limit + 1
        )
        return paginate(rows, limit, RevisionOut.of, lambda one: one.revision.number)

    @post("/{question_id:int}/revisions", summary="Revise a question (curators)")
    async def revise(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        data: JSONBody[SkipValidation[NewRevision]],
    ) -> EditedQuestion:
        """Change fields in a new revision with a reason; publish a draft with `draft` false.

        `findings` lists the lint's findings for the new revision; they do not block the edit.
        """
        data = await decode_body(request, NewRevision)
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
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        data: JSONBody[SkipValidation[NewClosing]],
    ) -> QuestionDetail:
        """Stop accepting forecasts now, with a revision and a reason."""
        data = await decode_body(request, NewClosing)
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
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        data: JSONBody[SkipValidation[NewReopening]],
    ) -> QuestionDetail:
        """Accept forecasts again until a later close, with a revision and a reason."""
        data = await decode_body(request, NewReopening)
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
