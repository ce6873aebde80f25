"""Questions and their revisions."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import PathParameter, QueryParameter

from service import provenance, questions
from service.api.parameters import (
    DEFAULT_LIMIT,
    WITHOUT_NUL,
    AsOf,
    Cursor,
    Limit,
    Pooling,
    Reading,
    SetSlug,
    Who,
    page_of,
    position,
    utc,
)
from service.clock import now
from service.models import LARGEST_ID
from service.questions import State
from service.schemas import Page, ProvenanceOut, QuestionDetail, QuestionOut, RevisionOut

QuestionId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the question's id")]


class Questions(Controller):
    """Questions."""

    path = "/questions"
    tags = ("Questions",)

    @get(summary="List questions")
    async def listing(
        self,
        actor: Who,
        reading: Reading,
        aggregator: Pooling,
        set_slug: SetSlug = None,
        in_state: Annotated[
            State | None, QueryParameter(name="state", description="only questions in this state")
        ] = None,
        tag: Annotated[
            str | None,
            QueryParameter(
                max_length=100, pattern=WITHOUT_NUL, description="only questions with this tag"
            ),
        ] = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[QuestionOut]:
        """Questions in the order of their ids, each with its present aggregate."""
        found = await questions.page(
            reading,
            actor,
            set_slug=set_slug,
            state=in_state,
            tag=tag,
            after=position(cursor) or 0,
            limit=limit + 1,
        )
        at = now()
        readings = await aggregator.current(reading, found)
        return page_of(
            found,
            limit,
            lambda view: QuestionOut.of(view, readings[view.id], at),
            lambda view: view.id,
        )

    @get("/{question_id:int}", summary="Get a question")
    async def one(
        self, actor: Who, reading: Reading, aggregator: Pooling, question_id: QuestionId
    ) -> QuestionDetail:
        """A question with its texts, dates, sources and present aggregate."""
        view = await questions.get(reading, question_id, actor=actor)
        readings = await aggregator.current(reading, [view])
        return QuestionDetail.of(view, readings[view.id], now())

    @get("/{question_id:int}/revisions", summary="List a question's revisions")
    async def revisions(
        self,
        actor: Who,
        reading: Reading,
        question_id: QuestionId,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[RevisionOut]:
        """Every revision, the first first."""
        view = await questions.get(reading, question_id, actor=actor)
        rows = await questions.revisions(
            reading, view.id, after=position(cursor) or 0, limit=limit + 1
        )
        return page_of(rows, limit, RevisionOut.of, lambda row: row.number)

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
