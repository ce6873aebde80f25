"""Leaderboards: forecasters and pools ranked by score, now, in the past, or permanently frozen."""

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
"""Scores that are averages over a question's life; the others are sums over it."""

PSEUDO_QUESTIONS: Final = 10.0
EQUAL_TO_DECIMALS: Final = 9
"""The decimals to which equal scores agree; rounding makes sums of the same terms differ."""


class EntrantFilter(StrEnum):
    """Which accounts a leaderboard ranks."""

    everyone = "everyone"
    people = "people"
    bots = "bots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """The entrants and the score of a leaderboard.

    Attributes:
        kind: the score, one of `scores.KINDS` and `scores.SPOT_KINDS`.
        scope: the questions to include.
        who: people, bots or both.
        least_questions: the minimum number of scored questions of an entrant.
        pools: whether the aggregate and the classic pools are ranked too.
        imported: whether imported forecasters are ranked too; None excludes them, except on the
            leaderboard of a set in which nobody else was scored.
    """

    kind: str = "peer"
    scope: ScoreFilter = field(default_factory=ScoreFilter)
    who: EntrantFilter = EntrantFilter.everyone
    least_questions: int = 1
    pools: bool = False
    imported: bool | None = None


class Skill(TypedDict, total=False):
    """The fields of a `LeaderboardEntry` that express its uncertainty."""

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
        rank: from 1; entrants with equal scores share the best of their ranks, as in 1, 1, 3.
            Among them accounts are listed by id, then methods by name.
        account_id: None for a method.
        method: None for an account; `bayes` is the published aggregate.
        name: the account's or the method's name.
        bot: whether the account is a bot.
        questions: the number of scored questions.
        coverage: the sum of the questions' weights times the coverages.
        score: the weighted mean over questions, see `ranked`.
        ranked_by: the score shrunk towards the mean of the accounts.
        skill: the expected score on one more question with full coverage; this and the following
            fields are None where only pools are ranked. `forecasting.skill` defines the model.
        skill_lower: the lower end of the credible interval of the skill.
        skill_upper: the upper end of the credible interval of the skill.
        rank_lower: the best rank in the credible interval of the rank by skill, which is the
            shortest interval that contains `rank`.
        rank_upper: the worst rank in that interval.
        first: the probability that no other entrant is better.
        level: the probability of both intervals.
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
    """A leaderboard, best entrant first.

    Attributes:
        entries: the entries.
        imported: the number of entries of imported forecasters.
        imported_left_out: the number of imported forecasters who were scored but are not ranked.
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
    """Rank the scored entrants, best first.

    With w a question's weight and c the entrant's coverage of it, the score is Σ w c x / Σ w c for
    averages x (brier, log) and Σ w x / Σ w c for sums x (baseline, peer). Spot scores are averages
    with c = 1. Ranks use (Σ + M k) / (Σ w c + k), with the accounts' mean M and
    k = `PSEUDO_QUESTIONS`, so that neither one lucky answer nor volume wins. Each entry also has
    the skill estimated from the same sums, with k learned.

    Raises:
        Invalid: unknown kind of score.
        NotFound: unknown set.
    """
    kind = criteria.kind
    if kind not in {*scores.KINDS, *scores.SPOT_KINDS}:
        allowed = ", ".join((*scores.KINDS, *scores.SPOT_KINDS))
        raise Invalid(f"score must be one of {allowed}", field="score")
    scored = await _entrants(session, criteria)
    entrants = _chosen(scored, criteria)
    accounts = [entrant for entrant in entrants if entrant.method is None]
    covered = math.fsum(account.coverage for account in accounts)
    mean = math.fsum(account.total for account in accounts) / covered if covered else 0.0
    sign = 1 if kind in LOWER_IS_BETTER else -1
    shrunk = [
        (
            (entrant.total + mean * PSEUDO_QUESTIONS) / (entrant.coverage + PSEUDO_QUESTIONS),
            entrant,
        )
        for entrant in entrants
    ]
    shrunk.sort(
        key=lambda entry: (
            round(sign * entry[0], EQUAL_TO_DECIMALS),
            entry[1].account_id or math.inf,
            entry[1].name,
        )
    )
    ranks = _shared([round(ranked_by, EQUAL_TO_DECIMALS) for ranked_by, _ in shrunk])
    skills = await _skills([entrant for _, entrant in shrunk], ranks, higher_is_better=sign < 0)
    entries = [
        LeaderboardEntry(
            rank=rank,
            account_id=entrant.account_id,
            method=entrant.method,
            name=entrant.name,
            bot=entrant.bot,
            questions=entrant.questions,
            coverage=entrant.coverage,
            score=entrant.total / entrant.coverage,
            ranked_by=ranked_by,
            **estimated,
        )
        for rank, (ranked_by, entrant), estimated in zip(ranks, shrunk, skills, strict=True)
    ]
    imported = sum(entrant.imported for entrant in entrants)
    imported_scored = sum(entrant.imported for entrant in scored)
    return Board(entries, imported, imported_scored - imported)


def _chosen(scored: Sequence[_Entrant], criteria: Criteria) -> Sequence[_Entrant]:
    """The ranked entrants: all scored ones, with imported forecasters only by the criteria."""
    real = [entrant for entrant in scored if not entrant.imported]
    nobody_real = all(entrant.method for entrant in real)
    alone = criteria.imported is None and criteria.scope.set_slug is not None and nobody_real
    return scored if criteria.imported or alone else real


def _shared(ordered: Sequence[float]) -> list[int]:
    """The ranks of sorted values; equal values share a rank, as in 1, 1, 3."""
    ranks: list[int] = []
    for place, value in enumerate(ordered, start=1):
        tied = bool(ranks) and value == ordered[place - 2]
        ranks.append(ranks[-1] if tied else place)
    return ranks


async def _skills(
    entrants: Sequence[_Entrant], ranks: Sequence[int], *, higher_is_better: bool
) -> Sequence[Skill]:
    """The skill of each entrant, in the given order, with the model estimated from the accounts."""
    if all(entrant.method for entrant in entrants):
        return [Skill() for _ in entrants]
    sums = tuple(
        (
            entrant.total,
            entrant.coverage,
            entrant.squares,
            entrant.questions,
            entrant.method is None,
            rank,
        )
        for entrant, rank in zip(entrants, ranks, strict=True)
    )
    return await asyncio.to_thread(_estimated, sums, higher_is_better)


@lru_cache(maxsize=32)
def _estimated(
    sums: tuple[tuple[float, float, float, int, bool, int], ...], higher_is_better: bool
) -> list[Skill]:
    """Skills from sums; cached, because thousands of entrants take most of a second."""
    total, coverage, squares, scored, is_account, ranks = zip(*sums, strict=True)
    estimated = skill(
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
            skill=float(estimated.mean[place]),
            skill_lower=float(estimated.lower[place]),
            skill_upper=float(estimated.upper[place]),
            rank_lower=int(estimated.rank_lower[place]),
            rank_upper=int(estimated.rank_upper[place]),
            first=float(estimated.first[place]),
            level=estimated.level,
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
    """Store a leaderboard permanently, as the next version under its name.

    The stored leaderboard is the one known at `criteria.scope.as_of`, or now.

    Raises:
        Invalid: the name is empty or longer than 100 characters, or the moment is in the future.
        Conflict: someone else froze a version under the same name at the same time.
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
        raise Conflict(
            f"someone else has just frozen {name!r}; review that version first"
        ) from None
    session.add_all(
        FrozenEntry(leaderboard_id=row.id, position=position, **asdict(entry))
        for position, entry in enumerate(board.entries, start=1)
    )
    await session.flush()
    return row


def _plain(criteria: Criteria) -> dict[str, Any]:
    """The criteria as JSON values, with the field names of the API."""
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
    """Frozen leaderboards before an id, newest first, each with the name of its curator."""
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
    """One frozen leaderboard with the name of its curator; NotFound names the id."""
    row = (
        await session.execute(
            select(FrozenLeaderboard, Account.name)
            .join(Account, Account.id == FrozenLeaderboard.account_id)
            .where(FrozenLeaderboard.id == leaderboard_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no frozen leaderboard {leaderboard_id}")
    return row[0], row[1]


async def entries(
    session: AsyncSession, leaderboard_id: int, *, after: int, limit: int
) -> Sequence[FrozenEntry]:
    """The next entries of a frozen leaderboard after a position; NotFound names the id."""
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
    """An account's entry on a frozen leaderboard, if it has one."""
    row: FrozenEntry | None = await session.scalar(
        select(FrozenEntry).where(
            FrozenEntry.leaderboard_id == leaderboard_id,
            FrozenEntry.account_id == account_id,
        )
    )
    return row
