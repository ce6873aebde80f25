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
    """What someone has to say on a question; its text is in its revisions.

    `parent_id` is the comment that it answers, which answers none; `forecast_id` the author's
    forecast that it explains.
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
    """The text of a comment, Markdown, until the next revision."""

    __tablename__ = "comment_revision"
    __table_args__ = (UniqueConstraint("comment_id", "number"),)

    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id"))
    number: Mapped[int]
    text: Mapped[str]
    created_at: Mapped[datetime]


class CommentRemoval(Base):
    """A comment was taken out of sight, or put back; the latest number holds.

    Its author takes it out for good; a curator with a reason, and may put it back.
    """

    __tablename__ = "comment_removal"
    __table_args__ = (UniqueConstraint("comment_id", "number"),)

    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id"))
    number: Mapped[int]
    removed: Mapped[bool]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    reason: Mapped[str]
    created_at: Mapped[datetime]
