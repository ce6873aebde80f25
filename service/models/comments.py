"""Comments on questions, with every revision of their text."""

from datetime import datetime

from sqlalchemy import (
    ForeignKey,
    Index,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base


class Comment(Base):
    """A comment on a question; its text is in its revisions.

    `parent_id` is the comment it replies to, which is not a reply itself; `forecast_id` is the
    author's forecast that it explains.
    """

    __tablename__ = "comment"
    __table_args__ = (Index(None, "question_id", "id"), Index(None, "account_id", "id"))

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("comment.id"), index=True)
    forecast_id: Mapped[int | None] = mapped_column(ForeignKey("forecast.id"), index=True)
    private: Mapped[bool]
    created_at: Mapped[datetime]


class CommentRevision(Base):
    """The Markdown text of a comment until the next revision."""

    __tablename__ = "comment_revision"
    __table_args__ = (UniqueConstraint("comment_id", "number"),)

    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id"))
    number: Mapped[int]
    text: Mapped[str]
    created_at: Mapped[datetime]


class CommentRemoval(Base):
    """The removal or restoration of a comment; the row with the highest number is in force.

    A removal by the author is permanent; curators remove comments with a reason and may restore
    them.
    """

    __tablename__ = "comment_removal"
    __table_args__ = (UniqueConstraint("comment_id", "number"),)

    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id"))
    number: Mapped[int]
    removed: Mapped[bool]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    reason: Mapped[str]
    created_at: Mapped[datetime]
