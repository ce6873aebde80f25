"""Leaderboards: forecasters and pools by their scores, now, in the past, or frozen for good."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Float, func, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service import scoring
from service.accounts import Actor
from service.clock import now
from service.errors import Conflict, Invalid, NotFound
from service.models import Account, FrozenLeaderboard, FrozenStanding, Role, Score
from service.scoring import Scope

LOWER_IS_BETTER: Final = frozenset({"brier", "log", "spot_brier", "spot_log"})
AVERAGES: Final = frozenset({"brier", "log", *scoring.SPOT_KINDS})
"""Kinds whose terms are each a question's own average; the others are sums over its life."""

PSEUDO_QUESTIONS: Final = 10.0
LONGEST_NAME: Final = 100


class Who(StrEnum):
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
    """

    kind: str = "peer"
    scope: Scope = field(default_factory=Scope)
    who: Who = Who.everyone
    least_questions: int = 1
    pools: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An entrant's place: an account's, or a pooling method's.

    Attributes:
        rank: from 1; equal scores go by the account's id, methods by name after them.
        account_id: empty for a method.
        method: empty for an account; `bayes` is the published aggregate.
        name: the account's, or the method's.
        bot: whether the account is a program's.
        questions: how many questions were scored.
        coverage: the sum of their weights times coverages.
        score: the mean over questions by weight, see `ranked`.
        ranked_by: the score pulled to the field's mean.
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


@dataclass(frozen=True, slots=True)
class _Entrant:
    account_id: int | None
    method: str | None
    name: str
    bot: bool
    questions: int
    coverage: float
    total: float


async def ranked(session: AsyncSession, criteria: Criteria) -> list[Standing]:
    """Everyone who was scored, best first.

    With w a question's weight and c the share of its life that the entrant forecast, the score is
    Σ w c x / Σ w c for averages x (brier, log) and Σ w x / Σ w c for sums x (baseline, peer). Spot
    scores are averages with c = 1. The rank goes by (Σ + M k) / (Σ w c + k), M the accounts' mean
    and k = `PSEUDO_QUESTIONS`, so that neither one lucky answer nor volume wins.

    Raises:
        Invalid: a kind that is no score.
        NotFound: a set that is not there.
    """
    kind = criteria.kind
    if kind not in {*scoring.KINDS, *scoring.SPOT_KINDS}:
        allowed = ", ".join((*scoring.KINDS, *scoring.SPOT_KINDS))
        raise Invalid(f"score must be one of {allowed}", field="score")
    entrants = await _entrants(session, criteria)
    accounts = [one for one in entrants if one.method is None]
    covered = math.fsum(one.coverage for one in accounts)
    mean = math.fsum(one.total for one in accounts) / covered if covered else 0.0
    sign = 1 if kind in LOWER_IS_BETTER else -1
    pulled = [
        ((one.total + mean * PSEUDO_QUESTIONS) / (one.coverage + PSEUDO_QUESTIONS), one)
        for one in entrants
    ]
    pulled.sort(key=lambda entry: (sign * entry[0], entry[1].account_id or math.inf, entry[1].name))
    return [
        Standing(
            rank=rank,
            account_id=one.account_id,
            method=one.method,
            name=one.name,
            bot=one.bot,
            questions=one.questions,
            coverage=one.coverage,
            score=one.total / one.coverage,
            ranked_by=ranked_by,
        )
        for rank, (ranked_by, one) in enumerate(pulled, start=1)
    ]


async def _entrants(session: AsyncSession, criteria: Criteria) -> list[_Entrant]:
    kind = criteria.kind
    value = getattr(Score, kind)
    covered = literal(1.0, Float) if kind in scoring.SPOT_KINDS else Score.coverage
    earned = value * covered if kind in AVERAGES else value
    query = (
        select(
            Score.account_id,
            Score.method,
            Account.name,
            Account.bot,
            func.count(),
            func.sum(Score.weight * covered),
            func.sum(Score.weight * earned),
        )
        .outerjoin(Account, Account.id == Score.account_id)
        .where(value.is_not(None), Score.coverage > 0)
        .group_by(Score.account_id, Score.method, Account.name, Account.bot)
        .having(func.count() >= criteria.least_questions)
    )
    if not criteria.pools:
        query = query.where(Score.account_id.is_not(None))
    if criteria.who is not Who.everyone:
        chosen = Account.bot.is_(criteria.who is Who.bots)
        query = query.where(Score.account_id.is_(None) | chosen)
    rows = await session.execute(await scoring.in_scope(session, query, criteria.scope))
    return [
        _Entrant(account_id, method, name or method or "", bool(bot), count, coverage, total)
        for account_id, method, name, bot, count, coverage, total in rows
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
    if not (name.strip() and len(name) <= LONGEST_NAME and name.isprintable()):
        raise Invalid(f"name must be 1 to {LONGEST_NAME} printable characters", field="name")
    at = now()
    as_of = criteria.scope.as_of or at
    if as_of > at:
        raise Invalid("as_of must not be in the future", field="as_of")
    standings = await ranked(session, criteria)
    last = await session.scalar(
        select(func.max(FrozenLeaderboard.version)).where(FrozenLeaderboard.name == name)
    )
    row = FrozenLeaderboard(
        name=name,
        version=(last or 0) + 1,
        criteria=_plain(criteria),
        entrants=len(standings),
        as_of=as_of,
        account_id=actor.id,
        created_at=at,
    )
    session.add(row)
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict(f"someone else has just frozen {name!r}; look at it first") from None
    columns = [one.name for one in fields(Standing)]
    session.add_all(
        FrozenStanding(
            leaderboard_id=row.id, **{column: getattr(one, column) for column in columns}
        )
        for one in standings
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


async def standings(
    session: AsyncSession, leaderboard_id: int, *, after: int, limit: int
) -> Sequence[FrozenStanding]:
    """The next places of a frozen leaderboard after a rank; NotFound names the id."""
    await get(session, leaderboard_id)
    rows = await session.scalars(
        select(FrozenStanding)
        .where(FrozenStanding.leaderboard_id == leaderboard_id, FrozenStanding.rank > after)
        .order_by(FrozenStanding.rank)
        .limit(limit)
    )
    return rows.all()
