"""Scores and frozen leaderboards."""

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
    """The scores of an entrant on a question under one of its resolutions.

    An entrant is an account or a pooling method (`bayes` is the published aggregate). `weight` is
    the weight of the question at that resolution. `spot_probability` is the probability active at
    the effective close, the `probability_..` columns those active that many days before it.
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
    """A leaderboard frozen by a curator, with its criteria, time and author."""

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
    """An entry on a frozen leaderboard; `name` is the entrant's name at that time.

    Equal scores share a `rank`; `position` numbers the rows. The columns from `skill` on are empty
    on leaderboards frozen before skills were estimated.
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
