"""Resolving questions and taking resolutions back."""

from typing import Annotated

from litestar import Controller, Response, delete, post
from litestar.params import JSONBody, QueryParameter, SkipValidation

from service.curation import resolutions
from service.curation.api.questions import detailed
from service.curation.schemas import NewResolution
from service.models import Outcome
from service.questions.dependencies import AggregatorDep, QuestionId
from service.questions.schemas.questions import QuestionDetail
from service.text.validation import LONGEST_REASON
from service.web.dependencies import WITHOUT_NUL, AppRequest, CurrentActor, WriteSession
from service.web.parameters import decode_body, utc
from service.web.repetition import IdempotencyKey, once


class Resolutions(Controller):
    """The resolution of a question."""

    path = "/questions/{question_id:int}/resolution"
    tags = ("Resolutions",)

    @post(summary="Resolve a question (curators)")
    async def resolve(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        data: JSONBody[SkipValidation[NewResolution]],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[QuestionDetail]:
        """Resolve and score in one step; forecasts from `occurred_at` on are not scored."""
        data = await decode_body(request, NewResolution)
        occurred_at = utc(data.occurred_at)

        async def work() -> QuestionDetail:
            view = await resolutions.resolve(
                writing,
                aggregator,
                actor,
                question_id,
                outcome=Outcome(data.outcome),
                occurred_at=occurred_at,
                evidence_url=data.evidence_url,
                note=data.note,
            )
            return await detailed(writing, aggregator, actor, view)

        return await once(request, writing, actor, idempotency_key, QuestionDetail, work)

    @delete(status_code=200, summary="Take a resolution back (curators)")
    async def unresolve(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        reason: Annotated[
            str,
            QueryParameter(
                max_length=LONGEST_REASON,
                pattern=WITHOUT_NUL,
                description="why, for forecasters to read in the question's audit log",
            ),
        ] = "",
        idempotency_key: IdempotencyKey = None,
    ) -> Response[QuestionDetail]:
        """The question continues as if it had not been resolved; the history keeps both steps."""

        async def work() -> QuestionDetail:
            view = await resolutions.unresolve(
                writing, aggregator, actor, question_id, reason=reason
            )
            return await detailed(writing, aggregator, actor, view)

        return await once(request, writing, actor, idempotency_key, QuestionDetail, work)
