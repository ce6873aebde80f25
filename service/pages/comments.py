"""Comments on a question: read beside it, written, answered and taken back there."""

from typing import Annotated

from litestar import Controller, post
from litestar.params import PathParameter
from litestar.response import Redirect

from service import comments
from service.comments import Said
from service.dependencies import AppRequest, Who, Writing
from service.errors import Invalid
from service.models import LARGEST_ID
from service.pages.forms import read_form
from service.pages.questions import QuestionId

CommentId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]


class Comments(Controller):
    """Comments."""

    @post("/questions/{question_id:int}/comments", status_code=303)
    async def write(
        self, request: AppRequest, actor: Who, writing: Writing, question_id: QuestionId
    ) -> Redirect:
        """Comment on a question, or answer a comment on it."""
        form = await read_form(request)
        parent = form.text("parent_id")
        if parent and not (parent.isascii() and parent.isdecimal()):
            raise Invalid("parent_id must be of a comment on this question", field="parent_id")
        said = await comments.write(
            writing,
            actor,
            question_id,
            text=form.text("text"),
            parent_id=min(int(parent), LARGEST_ID) if parent else None,
            private=bool(form.text("private")),
        )
        return _to(said)

    @post("/comments/{comment_id:int}/removal", status_code=303)
    async def remove(
        self, request: AppRequest, actor: Who, writing: Writing, comment_id: CommentId
    ) -> Redirect:
        """Take a comment out of sight: one's own, or as a curator with a reason."""
        form = await read_form(request)
        said = await comments.remove(writing, actor, comment_id, reason=form.text("reason"))
        return _to(said)


def _to(said: Said) -> Redirect:
    """Go to a comment on its question's page."""
    comment = said.comment
    return Redirect(f"/questions/{comment.question_id}#comment-{comment.id}", status_code=303)
