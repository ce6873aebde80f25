"""API structs of comments."""

from datetime import datetime
from typing import Literal

import msgspec

from service.comments.comments import CommentView
from service.models import CommentRevision
from service.web.openapi import example_body
from service.web.schemas import Id, StoredText


class NewComment(msgspec.Struct, forbid_unknown_fields=True):
    """A comment to write; `text` is Markdown."""

    text: StoredText
    parent_id: Id | None = None
    forecast_id: Id | None = None
    private: bool = False


class NewText(msgspec.Struct, forbid_unknown_fields=True):
    """The new text of a comment, in Markdown."""

    text: StoredText


class Restoration(msgspec.Struct, forbid_unknown_fields=True):
    """The reason for restoring a comment."""

    reason: StoredText


class CommentOut(msgspec.Struct):
    """A comment; `text` is Markdown as written, null once the comment was removed.

    `removed_by` tells whether its author deleted it or a curator hid it, and `removed_why` gives
    the reason. A private comment is visible to its author, to curators and to the author of the
    comment it replies to.
    """

    id: int
    question_id: int
    parent_id: int | None
    forecast_id: int | None
    author_id: int
    author: str
    bot: bool
    private: bool
    text: str | None
    revision: int
    removed_by: Literal["author", "curator"] | None
    removed_why: str | None
    created_at: datetime
    edited_at: datetime | None

    @classmethod
    def of(cls, view: CommentView) -> "CommentOut":
        """From the comment in its current state."""
        row, revision, removal = view.comment, view.revision, view.removal
        return cls(
            id=row.id,
            question_id=row.question_id,
            parent_id=row.parent_id,
            forecast_id=row.forecast_id,
            author_id=row.account_id,
            author=view.by,
            bot=view.bot,
            private=row.private,
            text=None if removal else revision.text,
            revision=revision.number,
            removed_by=None if removal is None else "author" if view.taken_back else "curator",
            removed_why=removal.reason if removal else None,
            created_at=row.created_at,
            edited_at=revision.created_at if revision.number > 1 else None,
        )


class CommentRevisionOut(msgspec.Struct):
    """The text of a comment from a moment on."""

    number: int
    text: str
    created_at: datetime

    @classmethod
    def of(cls, row: CommentRevision) -> "CommentRevisionOut":
        """From the row."""
        return cls(row.number, row.text, row.created_at)


example_body(NewComment("The river stood *higher* in 2024.", parent_id=1))
example_body(NewText("The river stood *higher* in 2023."))
example_body(Restoration("It was on topic after all."))
