"""API structs of leaderboards and their entries."""

from datetime import datetime
from typing import Any

import msgspec

from service.models import FrozenEntry, FrozenLeaderboard
from service.scoring.leaderboards import Criteria, EntrantFilter, LeaderboardEntry
from service.scoring.scores import ScoreFilter
from service.web.openapi import example_body
from service.web.schemas import Moment, ScoreKind, StoredText


class StandingOut(msgspec.Struct):
    """An entry on a leaderboard: a forecaster or, with `method`, a pool.

    `score` is the mean over questions; `ranked_by` is the score shrunk towards the mean of the
    accounts. `coverage` is the sum of the questions' weights times the entrant's coverages.

    `skill` is the expected score on one more question, shrunk towards the mean of the accounts by a
    learned amount; it lies in [`skill_lower`, `skill_upper`] with probability `level`, and the rank
    by skill in [`rank_lower`, `rank_upper`], the shortest such interval that contains `rank` (on
    leaderboards frozen before November 2026 a central interval, which may not contain it). `first`
    is the probability of being the best of all entrants. These are null where only pools are
    ranked, and on leaderboards frozen before they were estimated.

    Equal scores share a `rank`, as in 1, 1, 3.
    """

    rank: int
    forecaster_id: int | None
    forecaster: str
    method: str | None
    bot: bool
    questions: int
    coverage: float
    score: float
    ranked_by: float
    skill: float | None
    skill_lower: float | None
    skill_upper: float | None
    rank_lower: int | None
    rank_upper: int | None
    first: float | None
    level: float | None

    @classmethod
    def of(cls, place: LeaderboardEntry | FrozenEntry) -> "StandingOut":
        """From an entry."""
        own = {"forecaster_id", "forecaster"}
        return cls(
            forecaster_id=place.account_id,
            forecaster=place.name,
            **{name: getattr(place, name) for name in cls.__struct_fields__ if name not in own},
        )


class NewLeaderboard(msgspec.Struct, forbid_unknown_fields=True):
    """A leaderboard to freeze, with the parameters of a live one."""

    name: StoredText
    score: ScoreKind = "peer"
    set: StoredText | None = None
    tag: StoredText | None = None
    settled_from: Moment | None = None
    settled_before: Moment | None = None
    as_of: Moment | None = None
    who: EntrantFilter = EntrantFilter.everyone
    least_questions: int = 1
    pools: bool = False
    imported: bool | None = None

    def criteria(self) -> Criteria:
        """The criteria of the leaderboard."""
        return Criteria(
            kind=self.score,
            scope=ScoreFilter(
                set_slug=self.set,
                tag=self.tag,
                settled_from=self.settled_from,
                settled_before=self.settled_before,
                as_of=self.as_of,
            ),
            who=self.who,
            least_questions=self.least_questions,
            pools=self.pools,
            imported=self.imported,
        )


class FrozenOut(msgspec.Struct):
    """A frozen leaderboard with its criteria, its time and its author."""

    id: int
    name: str
    version: int
    criteria: dict[str, Any]
    entrants: int
    as_of: datetime
    frozen_by: str
    frozen_at: datetime

    @classmethod
    def of(cls, row: FrozenLeaderboard, by: str) -> "FrozenOut":
        """From the row and the name of its author."""
        return cls(
            id=row.id,
            name=row.name,
            version=row.version,
            criteria=row.criteria,
            entrants=row.entrants,
            as_of=row.as_of,
            frozen_by=by,
            frozen_at=row.created_at,
        )


example_body(NewLeaderboard("Spring cup", score="peer", tag="energy", least_questions=10))
