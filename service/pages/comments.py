"""Posting, answering and removing comments on a question's page."""

from typing import Annotated

from litestar import Controller, post
from litestar.params import PathParameter
from litestar.response import Redirect, Template

from service.comments import comments
from service.comments.comments import CommentView
from service.exceptions import Invalid, Problem
from service.models import LARGEST_ID, Role
from service.pages.forms import Form, read_form
from service.pages.questions import QuestionId, question_page
from service.pages.rendering import confirmed
from service.questions import questions
from service.questions.dependencies import AggregatorDep
from service.web.dependencies import AppRequest, CurrentActor, WriteSession

CommentId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]


class Comments(Controller):
    """Comments."""

    @post("/questions/{question_id:int}/comments", status_code=303)
    async def write(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
    ) -> Redirect | Template:
        """Post a comment or an answer; on failure, show the form with its errors."""
        actor.require(Role.forecaster, "comment")
        form = await read_form(request)
        view = await questions.get(writing, question_id, actor=actor)
        try:
            async with writing.begin_nested():
                said = await comments.write(
                    writing,
                    actor,
                    question_id,
                    text=form.text("text"),
                    parent_id=_parent(form),
                    private=bool(form.text("private")),
                )
        except Problem as problem:
            form.refuse(problem)
            return await question_page(
                request,
                actor,
                writing,
                aggregator,
                view,
                Form(),
                status=problem.status,
                commenting=form,
            )
        return _to(said, "commented")

    @post("/comments/{comment_id:int}/removal", status_code=303)
    async def remove(
        self, request: AppRequest, actor: CurrentActor, writing: WriteSession, comment_id: CommentId
    ) -> Redirect:
        """Remove a comment: its author may, and a curator who gives a reason."""
        form = await read_form(request)
        said = await comments.remove(writing, actor, comment_id, reason=form.text("reason"))
        return _to(said, "removed")


def _parent(form: Form) -> int | None:
    text = form.text("parent_id")
    if text and not (text.isascii() and text.isdecimal()):
        raise Invalid("parent_id must identify a comment on this question", field="parent_id")
    return min(int(text), LARGEST_ID) if text else None


def _to(said: CommentView, done: str) -> Redirect:
    """Redirect to a comment on its question's page, with the confirmation beside it."""
    comment = said.comment
    return confirmed(f"/questions/{comment.question_id}", done, comment=comment.id)
