"""Scores, and leaderboards frozen at a moment."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base


class Score(Base):
    """What someone's forecasts on a question earned under one resolution of it.

    An entrant is an account, or a method that pools forecasts (`bayes` is the published aggregate).
    `weight` is the question's at that resolution. `spot_probability` is what stood at the effective
    close, the `probability_..` columns what stood so many days before it.
    """

    __tablename__ = "score"
    __table_args__ = (
        UniqueConstraint("resolution_id", "account_id"),
        Index(None, "resolution_id", "method", unique=True),
    )

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"), index=True)
    resolution_id: Mapped[int] = mapped_column(ForeignKey("resolution.id"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    method: Mapped[str | None] = mapped_column(String(40), index=True)
    weight: Mapped[float]
    coverage: Mapped[float]
    brier: Mapped[float | None]
    log: Mapped[float | None]
    baseline: Mapped[float | None]
    peer: Mapped[float | None]
    spot_probability: Mapped[float | None]
    spot_brier: Mapped[float | None]
    spot_log: Mapped[float | None]
    spot_baseline: Mapped[float | None]
    spot_peer: Mapped[float | None]
    probability_1_day: Mapped[float | None]
    probability_7_days: Mapped[float | None]
    probability_30_days: Mapped[float | None]
    probability_90_days: Mapped[float | None]


class FrozenLeaderboard(Base):
    """A leaderboard that a curator froze: what it ranked, as of when, and by whom."""

    __tablename__ = "frozen_leaderboard"
    __table_args__ = (UniqueConstraint("name", "version"),)

    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    criteria: Mapped[dict[str, Any]]
    entrants: Mapped[int]
    as_of: Mapped[datetime]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[datetime]


class FrozenEntry(Base):
    """A place on a frozen leaderboard; `name` is what the entrant was called then.

    Equal scores share a `rank`; `position` counts the rows. The columns from `skill` on are empty
    on those that were frozen before skills were estimated.
    """

    __tablename__ = "frozen_standing"
    __table_args__ = (UniqueConstraint("leaderboard_id", "position"),)

    leaderboard_id: Mapped[int] = mapped_column(ForeignKey("frozen_leaderboard.id"))
    position: Mapped[int]
    rank: Mapped[int]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    method: Mapped[str | None] = mapped_column(String(40))
    name: Mapped[str]
    bot: Mapped[bool]
    questions: Mapped[int]
    coverage: Mapped[float]
    score: Mapped[float]
    ranked_by: Mapped[float]
    skill: Mapped[float | None]
    skill_lower: Mapped[float | None]
    skill_upper: Mapped[float | None]
    rank_lower: Mapped[int | None]
    rank_upper: Mapped[int | None]
    first: Mapped[float | None]
    level: Mapped[float | None]
