"""Leaderboards: forecasters and pools by their scores, now, in the past, or frozen for good."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypedDict

from sqlalchemy import Float, func, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.skill import skill
from service.clock import now
from service.exceptions import Conflict, Invalid, NotFound
from service.models import Account, FrozenEntry, FrozenLeaderboard, Role, Score
from service.permissions import Actor
from service.scoring import scores
from service.scoring.scores import ScoreFilter
from service.text.validation import check_name

LOWER_IS_BETTER: Final = frozenset({"brier", "log", "spot_brier", "spot_log"})
AVERAGES: Final = frozenset({"brier", "log", *scores.SPOT_KINDS})
"""Kinds whose terms are each a question's own average; the others are sums over its life."""

PSEUDO_QUESTIONS: Final = 10.0
EQUAL_TO_DECIMALS: Final = 9
"""Scores that agree to so many decimals are equal: sums of the same terms differ beyond them."""


class EntrantFilter(StrEnum):
    """Which accounts a leaderboard ranks."""

    everyone = "everyone"
    people = "people"
    bots = "bots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What a leaderboard ranks, and by what.

    Attributes:
        kind: the score, one of `scoring.KINDS` and `scoring.SPOT_KINDS`.
        scope: which questions.
        who: people, bots or both.
        least_questions: entrants with fewer scored questions are left out.
        pools: whether the aggregate and the classic pools are ranked among them.
        imported: whether imported forecasters are ranked among them; None leaves them out, except
            on the leaderboard of a set where nobody else was scored.
    """

    kind: str = "peer"
    scope: ScoreFilter = field(default_factory=ScoreFilter)
    who: EntrantFilter = EntrantFilter.everyone
    least_questions: int = 1
    pools: bool = False
    imported: bool | None = None


class Skill(TypedDict, total=False):
    """The fields of a `LeaderboardEntry` that say how sure it is."""

    skill: float
    skill_lower: float
    skill_upper: float
    rank_lower: int
    rank_upper: int
    first: float
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardEntry:
    """An entrant's place: an account's, or a pooling method's.

    Attributes:
        rank: from 1; equal scores share the best rank of theirs, and the next one follows as many
            ranks later. Among them accounts are listed by id, then methods by name.
        account_id: empty for a method.
        method: empty for an account; `bayes` is the published aggregate.
        name: the account's, or the method's.
        bot: whether the account is a program's.
        questions: how many questions were scored.
        coverage: the sum of their weights times coverages.
        score: the mean over questions by weight, see `ranked`.
        ranked_by: the score pulled to the field's mean.
        skill: the score to expect of one more question, wholly covered; this and what follows
            are None where only pools are ranked. `forecasting.skill` has the model.
        skill_lower: the lower end of its credible interval.
        skill_upper: the upper end.
        rank_lower: the best rank of the credible interval of the rank by skill, the shortest that
            holds `rank`.
        rank_upper: the worst.
        first: the probability that nobody ranked is better.
        level: the mass of both intervals.
    """

    rank: int
    account_id: int | None
    method: str | None
    name: str
    bot: bool
    questions: int
    coverage: float
    score: float
    ranked_by: float
    skill: float | None = None
    skill_lower: float | None = None
    skill_upper: float | None = None
    rank_lower: int | None = None
    rank_upper: int | None = None
    first: float | None = None
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """A leaderboard: everyone who is ranked, best first.

    Attributes:
        standings: the places.
        imported: how many of them are of imported forecasters.
        imported_left_out: how many imported forecasters were scored and are not ranked.
    """

    entries: list[LeaderboardEntry]
    imported: int
    imported_left_out: int


@dataclass(frozen=True, slots=True)
class _Entrant:
    account_id: int | None
    method: str | None
    name: str
    bot: bool
    imported: bool
    questions: int
    coverage: float
    total: float
    squares: float


async def ranked(session: AsyncSession, criteria: Criteria) -> Board:
    """Everyone who was scored, best first.

    With w a question's weight and c the share of its life that the entrant forecast, the score is
    Σ w c x / Σ w c for averages x (brier, log) and Σ w x / Σ w c for sums x (baseline, peer). Spot
    scores are averages with c = 1. The rank goes by (Σ + M k) / (Σ w c + k), M the accounts' mean
    and k = `PSEUDO_QUESTIONS`, so that neither one lucky answer nor volume wins. Beside it stands
    what the same sums say of everyone's skill, with k learned.

    Raises:
        Invalid: a kind that is no score.
        NotFound: a set that is not there.
    """
    kind = criteria.kind
    if kind not in {*scores.KINDS, *scores.SPOT_KINDS}:
        allowed = ", ".join((*scores.KINDS, *scores.SPOT_KINDS))
        raise Invalid(f"score must be one of {allowed}", field="score")
    scored = await _entrants(session, criteria)
    entrants = _chosen(scored, criteria)
    accounts = [one for one in entrants if one.method is None]
    covered = math.fsum(one.coverage for one in accounts)
    mean = math.fsum(one.total for one in accounts) / covered if covered else 0.0
    sign = 1 if kind in LOWER_IS_BETTER else -1
    pulled = [
        ((one.total + mean * PSEUDO_QUESTIONS) / (one.coverage + PSEUDO_QUESTIONS), one)
        for one in entrants
    ]
    pulled.sort(
        key=lambda entry: (
            round(sign * entry[0], EQUAL_TO_DECIMALS),
            entry[1].account_id or math.inf,
            entry[1].name,
        )
    )
    ranks = _shared([round(ranked_by, EQUAL_TO_DECIMALS) for ranked_by, _ in pulled])
    skills = await _skills([one for _, one in pulled], ranks, higher_is_better=sign < 0)
    entries = [
        LeaderboardEntry(
            rank=rank,
            account_id=one.account_id,
            method=one.method,
            name=one.name,
            bot=one.bot,
            questions=one.questions,
            coverage=one.coverage,
            score=one.total / one.coverage,
            ranked_by=ranked_by,
            **found,
        )
        for rank, (ranked_by, one), found in zip(ranks, pulled, skills, strict=True)
    ]
    imported = sum(one.imported for one in entrants)
    return Board(entries, imported, sum(one.imported for one in scored) - imported)


def _chosen(scored: Sequence[_Entrant], criteria: Criteria) -> Sequence[_Entrant]:
    """Who of those scored is ranked: imported forecasters as the criteria say."""
    real = [one for one in scored if not one.imported]
    nobody_real = all(one.method for one in real)
    alone = criteria.imported is None and criteria.scope.set_slug is not None and nobody_real
    return scored if criteria.imported or alone else real


def _shared(ordered: Sequence[float]) -> list[int]:
    """The ranks of values in their order, such as 1, 1, 3: equal ones share theirs."""
    ranks: list[int] = []
    for place, value in enumerate(ordered, start=1):
        tied = bool(ranks) and value == ordered[place - 2]
        ranks.append(ranks[-1] if tied else place)
    return ranks


async def _skills(
    entrants: Sequence[_Entrant], ranks: Sequence[int], *, higher_is_better: bool
) -> Sequence[Skill]:
    """How sure each rank is, in the order given, as the accounts among them teach it."""
    if all(one.method for one in entrants):
        return [Skill() for _ in entrants]
    sums = tuple(
        (one.total, one.coverage, one.squares, one.questions, one.method is None, rank)
        for one, rank in zip(entrants, ranks, strict=True)
    )
    return await asyncio.to_thread(_estimated, sums, higher_is_better)


@lru_cache(maxsize=32)
def _estimated(
    sums: tuple[tuple[float, float, float, int, bool, int], ...], higher_is_better: bool
) -> list[Skill]:
    """Skills from sums; remembered, since those of thousands take most of a second."""
    total, coverage, squares, scored, is_account, ranks = zip(*sums, strict=True)
    found = skill(
        total,
        coverage,
        squares,
        scored,
        higher_is_better=higher_is_better,
        in_field=is_account,
        shown=ranks,
    )
    return [
        Skill(
            skill=float(found.mean[place]),
            skill_lower=float(found.lower[place]),
            skill_upper=float(found.upper[place]),
            rank_lower=int(found.rank_lower[place]),
            rank_upper=int(found.rank_upper[place]),
            first=float(found.first[place]),
            level=found.level,
        )
        for place in range(len(sums))
    ]


async def _entrants(session: AsyncSession, criteria: Criteria) -> list[_Entrant]:
    kind = criteria.kind
    value = getattr(Score, kind)
    covered = literal(1.0, Float) if kind in scores.SPOT_KINDS else Score.coverage
    earned = value * covered if kind in AVERAGES else value
    squared = value * earned if kind in AVERAGES else value * value / covered
    query = (
        select(
            Score.account_id,
            Score.method,
            Account.name,
            Account.bot,
            Account.imported,
            func.count(),
            func.sum(Score.weight * covered),
            func.sum(Score.weight * earned),
            func.sum(Score.weight * squared),
        )
        .outerjoin(Account, Account.id == Score.account_id)
        .where(value.is_not(None), Score.coverage > 0)
        .group_by(Score.account_id, Score.method, Account.name, Account.bot, Account.imported)
        .having(func.count() >= criteria.least_questions)
    )
    if not criteria.pools:
        query = query.where(Score.account_id.is_not(None))
    if criteria.who is not EntrantFilter.everyone:
        chosen = Account.bot.is_(criteria.who is EntrantFilter.bots)
        query = query.where(Score.account_id.is_(None) | chosen)
    rows = await session.execute(await scores.matching(session, query, criteria.scope))
    return [
        _Entrant(account_id, method, name or method or "", bool(bot), bool(imported), *sums)
        for account_id, method, name, bot, imported, *sums in rows
    ]


async def freeze(
    session: AsyncSession, actor: Actor, name: str, criteria: Criteria
) -> FrozenLeaderboard:
    """Store a leaderboard for good, as the next version under its name.

    What is frozen is the leaderboard as known at `criteria.scope.as_of`, or now.

    Raises:
        Invalid: a name that is empty, or longer than 100 characters, or a moment in the future.
        Conflict: someone froze a version under the name at the same time.
    """
    actor.require(Role.curator, "freeze a leaderboard")
    name = check_name(name, "name")
    if criteria.scope.tag is not None:
        check_name(criteria.scope.tag, "tag")
    at = now()
    as_of = criteria.scope.as_of or at
    if as_of > at:
        raise Invalid("as_of must not be in the future", field="as_of")
    board = await ranked(session, criteria)
    last = await session.scalar(
        select(func.max(FrozenLeaderboard.version)).where(FrozenLeaderboard.name == name)
    )
    row = FrozenLeaderboard(
        name=name,
        version=(last or 0) + 1,
        criteria=_plain(criteria) | {"imported": board.imported > 0},
        entrants=len(board.entries),
        as_of=as_of,
        account_id=actor.id,
        created_at=at,
    )
    session.add(row)
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict(f"someone else has just frozen {name!r}; look at it first") from None
    session.add_all(
        FrozenEntry(leaderboard_id=row.id, position=position, **asdict(one))
        for position, one in enumerate(board.entries, start=1)
    )
    await session.flush()
    return row


def _plain(criteria: Criteria) -> dict[str, Any]:
    """The criteria as JSON values, under the names that the API gives them."""
    scope = criteria.scope
    return {
        "score": criteria.kind,
        "set": scope.set_slug,
        "tag": scope.tag,
        "settled_from": scope.settled_from.isoformat() if scope.settled_from else None,
        "settled_before": scope.settled_before.isoformat() if scope.settled_before else None,
        "who": criteria.who,
        "least_questions": criteria.least_questions,
        "pools": criteria.pools,
    }


async def frozen(
    session: AsyncSession, *, name: str | None, before: int | None, limit: int
) -> list[tuple[FrozenLeaderboard, str]]:
    """Frozen leaderboards with who froze them, the newest first, from before an id on."""
    query = (
        select(FrozenLeaderboard, Account.name)
        .join(Account, Account.id == FrozenLeaderboard.account_id)
        .order_by(FrozenLeaderboard.id.desc())
        .limit(limit)
    )
    if name is not None:
        query = query.where(FrozenLeaderboard.name == name)
    if before is not None:
        query = query.where(FrozenLeaderboard.id < before)
    return [(row, by) for row, by in await session.execute(query)]


async def get(session: AsyncSession, leaderboard_id: int) -> tuple[FrozenLeaderboard, str]:
    """One frozen leaderboard with who froze it; NotFound names the id."""
    found = (
        await session.execute(
            select(FrozenLeaderboard, Account.name)
            .join(Account, Account.id == FrozenLeaderboard.account_id)
            .where(FrozenLeaderboard.id == leaderboard_id)
        )
    ).one_or_none()
    if found is None:
        raise NotFound(f"there is no frozen leaderboard {leaderboard_id}")
    return found[0], found[1]


async def entries(
    session: AsyncSession, leaderboard_id: int, *, after: int, limit: int
) -> Sequence[FrozenEntry]:
    """The next places of a frozen leaderboard after a position; NotFound names the id."""
    await get(session, leaderboard_id)
    rows = await session.scalars(
        select(FrozenEntry)
        .where(FrozenEntry.leaderboard_id == leaderboard_id, FrozenEntry.position > after)
        .order_by(FrozenEntry.position)
        .limit(limit)
    )
    return rows.all()


async def entry_of(
    session: AsyncSession, leaderboard_id: int, account_id: int
) -> FrozenEntry | None:
    """An account's place on a frozen leaderboard, if it has one."""
    found: FrozenEntry | None = await session.scalar(
        select(FrozenEntry).where(
            FrozenEntry.leaderboard_id == leaderboard_id,
            FrozenEntry.account_id == account_id,
        )
    )
    return found
