"""API of forecasts: submission, listing and withdrawal."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, JSONBody, QueryParameter, SkipValidation

from service.models import Cause
from service.permissions import Actor
from service.questions import forecasts, questions
from service.questions.dependencies import AggregatorDep, QuestionId
from service.questions.forecasts import Draft
from service.questions.schemas.aggregates import AggregateOut, SeenPage
from service.questions.schemas.forecasts import (
    ForecastOut,
    NewForecast,
    NewForecastOn,
    Submitted,
    SubmittedMany,
    WithdrawnOut,
)
from service.questions.schemas.receipts import ReceiptOut
from service.questions.submissions import Stored, Submissions
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession
from service.web.parameters import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    decode_body,
    decode_id_cursor,
    paginate,
    utc,
)
from service.web.repetition import IdempotencyKey, asked, once, told

Answer = TypeVar("Answer")

Bulk = Annotated[list[NewForecastOn], msgspec.Meta(min_length=1, max_length=500)]


class QuestionForecasts(Controller):
    """Forecasts on one question."""

    path = "/questions/{question_id:int}/forecasts"
    tags = ("Forecasts",)

    @post(summary="Submit a forecast")
    async def submit(
        self,
        request: AppRequest,
        actor: CurrentActor,
        question_id: QuestionId,
        data: JSONBody[SkipValidation[NewForecast]],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Submitted]:
        """Store a forecast and return it with the resulting aggregate and a receipt."""
        data = await decode_body(request, NewForecast)
        draft = Draft(question_id, data.probability, data.rationale, utc(data.expires_at))
        return await _submit(request, actor, [draft], idempotency_key, lambda made: made[0])

    @get(summary="List the forecasts on a question")
    async def listing(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        question_id: QuestionId,
        mine: Annotated[bool, QueryParameter(description="only my own forecasts")] = False,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> SeenPage[ForecastOut]:
        """List forecasts, newest first; only my own while other forecasts are hidden."""
        view = await questions.get(reading, question_id, actor=actor)
        rows, hidden = await forecasts.listing(
            reading,
            actor,
            view,
            mine=mine,
            before=decode_id_cursor(cursor),
            limit=limit + 1,
        )
        page = paginate(rows, limit, ForecastOut.of, lambda entry: entry.forecast.id)
        return SeenPage.of(page, hidden)

    @delete("/current", status_code=200, summary="Withdraw my forecast")
    async def withdraw(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[WithdrawnOut]:
        """End my active forecast; all my forecasts stay on record."""

        async def work() -> WithdrawnOut:
            view, row, receipt = await forecasts.withdraw(writing, actor, question_id)
            reading = await aggregator.publish_one(
                writing, actor, view, cause=Cause.withdrawal, at=row.created_at
            )
            return WithdrawnOut(
                question_id,
                row.created_at,
                AggregateOut.of(question_id, reading),
                ReceiptOut.of(receipt),
            )

        return await once(request, writing, actor, idempotency_key, WithdrawnOut, work)


class BulkForecasts(Controller):
    """Forecasts on many questions at once."""

    path = "/forecasts"
    tags = ("Forecasts",)

    @post(summary="Submit many forecasts, all or none")
    async def submit(
        self,
        request: AppRequest,
        actor: CurrentActor,
        data: Annotated[
            SkipValidation[Bulk],
            Body(media_type=RequestEncodingType.JSON, min_items=1, max_items=500),
        ],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[SubmittedMany]:
        """Store 1 to 500 forecasts, or none of them if any is invalid."""
        data = await decode_body(request, Bulk)
        drafts = [
            Draft(body.question_id, body.probability, body.rationale, utc(body.expires_at))
            for body in data
        ]
        return await _submit(request, actor, drafts, idempotency_key, SubmittedMany)


async def _submit(
    request: AppRequest,
    actor: Actor,
    drafts: list[Draft],
    key: str | None,
    answer: Callable[[list[Submitted]], Answer],
) -> Response[Answer]:
    def encoded(stored: list[Stored]) -> bytes:
        made = [Submitted.of(row, actor) for row in stored]
        return msgspec.json.encode(answer(made))

    # Read from the app state: Litestar starts a task for each independent dependency.
    submissions: Submissions = request.app.state.submissions
    content, repeated = await submissions.submit(
        actor, drafts, encoded, key=key, request=await asked(request)
    )
    # The bytes are the response stored under the key, already encoded, hence the type Any.
    given: Any = content
    return Response(given, headers=told(repeated=repeated))
