"""API of receipts and of the heads of the hash chains."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import PathParameter

from service.models import LARGEST_ID
from service.questions import hash_chain, questions
from service.questions.dependencies import QuestionId
from service.questions.schemas.receipts import HeadOut, ReceiptOut
from service.web.dependencies import CurrentActor, ReadSession
from service.web.parameters import DEFAULT_LIMIT, Cursor, Limit, decode_id_cursor, paginate
from service.web.schemas import Page


class Receipts(Controller):
    """My receipts on a question."""

    path = "/questions/{question_id:int}/receipts"
    tags = ("Receipts",)

    @get(summary="List my receipts on a question")
    async def listing(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        question_id: QuestionId,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[ReceiptOut]:
        """List the receipts of my forecasts, withdrawals and resolutions, oldest first."""
        await questions.get(reading, question_id, actor=actor)
        rows = await hash_chain.receipts(
            reading, actor.id, question_id, after=decode_id_cursor(cursor) or 0, limit=limit + 1
        )
        return paginate(rows, limit, ReceiptOut.of, lambda receipt: receipt.fact["position"])

    @get("/{number:int}", summary="Get a receipt with its path to the head")
    async def proof(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        question_id: QuestionId,
        number: Annotated[
            int, PathParameter(ge=1, le=LARGEST_ID, description="the fact's position in the chain")
        ],
    ) -> ReceiptOut:
        """Return the receipt, which can be verified against any head published from now on."""
        await questions.get(reading, question_id, actor=actor)
        return ReceiptOut.of(await hash_chain.proof(reading, actor.id, question_id, number))


class Heads(Controller):
    """The heads of every question's chain."""

    path = "/heads"
    tags = ("Receipts",)

    @get(summary="List the heads of the chains")
    async def listing(
        self, reading: ReadSession, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Page[HeadOut]:
        """List the head of each question with facts; keep the heads to detect later changes."""
        rows = await hash_chain.heads(reading, after=decode_id_cursor(cursor) or 0, limit=limit + 1)
        return paginate(rows, limit, lambda row: HeadOut.of(*row), lambda row: row[0])
