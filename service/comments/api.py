"""API of comments on questions."""

from typing import Annotated

from litestar import Controller, Response, Router, delete, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter, SkipValidation

from service.comments import comments
from service.comments.schemas import (
    CommentOut,
    CommentRevisionOut,
    NewComment,
    NewText,
    Restoration,
)
from service.models import LARGEST_ID
from service.questions import questions
from service.questions.dependencies import QuestionId
from service.text.validation import LONGEST_REASON
from service.web.dependencies import (
    WITHOUT_NUL,
    AppRequest,
    CurrentActor,
    ReadSession,
    WriteSession,
)
from service.web.parameters import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    decode_body,
    decode_id_cursor,
    paginate,
)
from service.web.repetition import IdempotencyKey, once
from service.web.schemas import Page

CommentId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the comment's id")]


class Comments(Controller):
    """Comments on questions."""

    path = "/"
    tags = ("Comments",)

    @post("/questions/{question_id:int}/comments", summary="Comment on a question")
    async def write(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        question_id: QuestionId,
        data: JSONBody[SkipValidation[NewComment]],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[CommentOut]:
        """Write a comment in Markdown, reply to one, or explain a forecast of mine."""
        data = await decode_body(request, NewComment)

        async def work() -> CommentOut:
            comment = await comments.write(
                writing,
                actor,
                question_id,
                text=data.text,
                parent_id=data.parent_id,
                forecast_id=data.forecast_id,
                private=data.private,
            )
            return CommentOut.of(comment)

        return await once(request, writing, actor, idempotency_key, CommentOut, work)

    @get("/questions/{question_id:int}/comments", summary="List the comments on a question")
    async def listing(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        question_id: QuestionId,
        parent: Annotated[
            int | None,
            QueryParameter(
                ge=1, le=LARGEST_ID, description="only replies to the comment with this id"
            ),
        ] = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[CommentOut]:
        """List comments and replies, newest first; removed ones appear without their text."""
        view = await questions.get(reading, question_id, actor=actor)
        rows = await comments.listing(
            reading,
            actor,
            view,
            parent_id=parent,
            before=decode_id_cursor(cursor),
            limit=limit + 1,
        )
        return paginate(rows, limit, CommentOut.of, lambda row: row.comment.id)

    @post("/comments/{comment_id:int}/revisions", summary="Edit my comment")
    async def edit(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        comment_id: CommentId,
        data: JSONBody[SkipValidation[NewText]],
    ) -> CommentOut:
        """Replace the text of my comment; earlier texts stay in its history."""
        data = await decode_body(request, NewText)
        return CommentOut.of(await comments.edit(writing, actor, comment_id, text=data.text))

    @get("/comments/{comment_id:int}/revisions", summary="List the revisions of a comment")
    async def revisions(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        comment_id: CommentId,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[CommentRevisionOut]:
        """List every text of a comment, oldest first; only curators see those of removed ones."""
        rows = await comments.revisions(
            reading, actor, comment_id, after=decode_id_cursor(cursor) or 0, limit=limit + 1
        )
        return paginate(rows, limit, CommentRevisionOut.of, lambda row: row.number)

    @delete("/comments/{comment_id:int}", status_code=200, summary="Remove a comment")
    async def remove(
        self,
        actor: CurrentActor,
        writing: WriteSession,
        comment_id: CommentId,
        reason: Annotated[
            str,
            QueryParameter(
                max_length=LONGEST_REASON,
                pattern=WITHOUT_NUL,
                description="the reason; required when a curator removes another's comment",
            ),
        ] = "",
    ) -> CommentOut:
        """Delete my comment permanently, or hide another's as a curator; its place remains."""
        return CommentOut.of(await comments.remove(writing, actor, comment_id, reason=reason))

    @post("/comments/{comment_id:int}/restoration", summary="Restore a comment (curators)")
    async def restore(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        comment_id: CommentId,
        data: JSONBody[SkipValidation[Restoration]],
    ) -> CommentOut:
        """Restore a comment that a curator hid."""
        data = await decode_body(request, Restoration)
        comment = await comments.restore(writing, actor, comment_id, reason=data.reason)
        return CommentOut.of(comment)


router = Router(path="/", route_handlers=[Comments])
