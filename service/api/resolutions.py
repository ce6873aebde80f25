"""Resolving questions and taking resolutions back."""

from litestar import Controller, delete, post
from litestar.params import JSONBody, SkipValidation

from service import resolutions
from service.api.parameters import AppRequest, Pooling, Who, Writing, strictly, utc
from service.api.questions import QuestionId
from service.clock import now
from service.models import Outcome
from service.schemas.questions import NewResolution, QuestionDetail


class Resolutions(Controller):
    """The resolution of a question."""

    path = "/questions/{question_id:int}/resolution"
    tags = ("Resolutions",)

    @post(summary="Resolve a question (curators)")
    async def resolve(
        self,
        request: AppRequest,
        actor: Who,
        writing: Writing,
        aggregator: Pooling,
        question_id: QuestionId,
        data: JSONBody[SkipValidation[NewResolution]],
    ) -> QuestionDetail:
        """Resolve and score in one step; forecasts from `occurred_at` on do not count."""
        data = await strictly(request, NewResolution)
        view = await resolutions.resolve(
            writing,
            aggregator,
            actor,
            question_id,
            outcome=Outcome(data.outcome),
            occurred_at=utc(data.occurred_at),
            evidence_url=data.evidence_url,
            note=data.note,
        )
        readings = await aggregator.current(writing, actor, [view])
        return QuestionDetail.of(view, readings[view.id], now())

    @delete(status_code=200, summary="Take a resolution back (curators)")
    async def unresolve(
        self, actor: Who, writing: Writing, aggregator: Pooling, question_id: QuestionId
    ) -> QuestionDetail:
        """The question goes on as if it had not been resolved; the record keeps both steps."""
        view = await resolutions.unresolve(writing, aggregator, actor, question_id)
        readings = await aggregator.current(writing, actor, [view])
        return QuestionDetail.of(view, readings[view.id], now())
