"""Sets, implications, and questions with their revisions."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from questions.text import search_form
from service.models.base import Base, one_of


class Visibility(StrEnum):
    """When forecasters see others' forecasts and the aggregates of a set's questions.

    `after_forecast`: after forecasting the question, or once it has closed. `reveal_at`: from a
    given moment. Resolved questions are always visible to everybody.
    """

    always = "always"
    after_forecast = "after_forecast"
    reveal_at = "reveal_at"


class QuestionSet(Base):
    """A set: a document and the questions about it.

    An archived set (`archived_at`) is omitted from lists and leaderboards, but keeps its address.
    """

    __tablename__ = "question_set"

    slug: Mapped[str] = mapped_column(String(100), unique=True)
    title: Mapped[str]
    description: Mapped[str]
    defaults: Mapped[str]
    document: Mapped[dict[str, Any]]
    review: Mapped[dict[str, Any] | None]
    waivers: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SetPolicy(Base):
    """The visibility policy of a set; the one with the highest number is in force.

    Sets without a policy always show everything. `account_id` is the curator who set it; empty if
    it comes from the set's file.
    """

    __tablename__ = "set_policy"
    __table_args__ = (UniqueConstraint("set_id", "number"), one_of("visibility", Visibility))

    set_id: Mapped[int] = mapped_column(ForeignKey("question_set.id"))
    number: Mapped[int]
    visibility: Mapped[str] = mapped_column(String(20))
    reveal_at: Mapped[datetime | None]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    reason: Mapped[str]
    created_at: Mapped[datetime]


class Implication(Base):
    """An implication: something that the document expects or assumes, in our own words."""

    __tablename__ = "implication"
    __table_args__ = (UniqueConstraint("set_id", "slug"),)

    set_id: Mapped[int] = mapped_column(ForeignKey("question_set.id"))
    position: Mapped[int]
    slug: Mapped[str] = mapped_column(String(100))
    section: Mapped[str]
    paraphrase: Mapped[str]
    hedge: Mapped[str]
    actors: Mapped[list[str]]
    premise: Mapped[str]
    premise_note: Mapped[str]
    uncovered: Mapped[str]


class Question(Base):
    """A question; everything that can change about it is in its revisions.

    `file_hash` is the hash of its text in the set's file at the last load; empty if it was never
    loaded from a file.
    """

    __tablename__ = "question"
    __table_args__ = (UniqueConstraint("set_id", "slug"), Index(None, "set_id", "id"))

    set_id: Mapped[int] = mapped_column(ForeignKey("question_set.id"))
    slug: Mapped[str] = mapped_column(String(200))
    file_hash: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


def _search_text(context: Any) -> str:
    """The default of a revision's `search_text`."""
    row = context.get_current_parameters()
    return search_form("\n".join((row["title"], row["background"], row["criteria"])))


class QuestionRevision(Base):
    """The text, dates and links of a question from `created_at` until the next revision.

    `account_id` is the curator who made it; empty if it comes from the set's file. `search_text` is
    its title, background and criteria, normalised for searching, the same on every database.
    """

    __tablename__ = "question_revision"
    __table_args__ = (UniqueConstraint("question_id", "number"),)

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    number: Mapped[int]
    content_hash: Mapped[str] = mapped_column(String(64))
    implication_id: Mapped[int | None] = mapped_column(ForeignKey("implication.id"), index=True)
    polarity: Mapped[str] = mapped_column(String(20))
    why: Mapped[str]
    title: Mapped[str]
    background: Mapped[str]
    background_as_of: Mapped[date | None]
    criteria: Mapped[str]
    fine_print: Mapped[str]
    sources: Mapped[list[dict[str, Any]]]
    domain: Mapped[str]
    tags: Mapped[list[str]]
    weight: Mapped[float]
    tail: Mapped[bool] = mapped_column(default=False)
    draft: Mapped[bool]
    window_starts_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    opens_at: Mapped[datetime]
    closes_at: Mapped[datetime | None]
    resolves_by: Mapped[datetime | None]
    reveal_at: Mapped[datetime | None]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    reason: Mapped[str] = mapped_column(default="")
    search_text: Mapped[str] = mapped_column(deferred=True, default=_search_text)
    created_at: Mapped[datetime]


class RevisionTag(Base):
    """A tag of a revision, for filtering lists."""

    __tablename__ = "revision_tag"
    __table_args__ = (UniqueConstraint("tag", "revision_id"),)

    revision_id: Mapped[int] = mapped_column(ForeignKey("question_revision.id"), index=True)
    tag: Mapped[str] = mapped_column(String(100))
