"""Scores: derived at each resolution from the stands of forecasts; leaderboards and calibration."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypedDict, TypeVarTuple

import numpy as np
from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from forecasting import scores
from forecasting.calibration import Reliability, reliability
from service import forecasts, questions
from service.errors import Invalid, NotFound
from service.forecasts import Stand
from service.models import (
    LARGEST_ID,
    Account,
    Aggregate,
    Outcome,
    Question,
    Resolution,
    Score,
)
from service.questions import View

KINDS: Final = ("brier", "log", "baseline", "peer")
LOWER_IS_BETTER: Final = frozenset({"brier", "log"})
PSEUDO_QUESTIONS: Final = 10.0
AGGREGATE: Final = "aggregate"

Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Standing:
    """A forecaster's place.

    `ranked_by` is the score pulled to the field's mean by `PSEUDO_QUESTIONS` questions' worth, so
    that neither one lucky answer nor volume wins.
    """

    rank: int
    account_id: int
    name: str
    bot: bool
    questions: int
    coverage: float
    score: float
    ranked_by: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reliability over the resolved questions, of the forecasts that stood when each closed."""

    questions: int
    reliability: Reliability | None


async def score(session: AsyncSession, views: Sequence[View]) -> None:
    """Append the scores of every forecaster and of the aggregate under the present resolutions.

    A question that is neither yes nor no is not scored.
    """
    scored = [view for view in views if view.outcome is not None]
    ids = [view.id for view in scored]
    found = await forecasts.stands(session, ids)
    published = await _published(session, ids)
    for view in scored:
        session.add_all(_earned(view, found[view.id], published[view.id]))
    await session.flush()


def _earned(view: View, found: Sequence[Stand], published: Sequence[Stand]) -> Iterable[Score]:
    window = _window(view)
    people, crowd = _counted(view, found), _counted(view, published)
    if people:
        earned = scores.score_question(
            forecaster=[one.account_id for one in people], **_intervals(people), **window
        )
        accounts = [int(one) for one in earned.forecasters]
        yield from _rows(view, earned, accounts, _spot(view, people))
    if crowd:
        earned = scores.score_outsider(
            **_intervals(crowd),
            crowd_forecaster=[one.account_id for one in people],
            crowd_start=[one.start for one in people],
            crowd_end=[one.end for one in people],
            crowd_probability=[one.probability for one in people],
            **window,
        )
        yield from _rows(view, earned, [None], _spot(view, crowd))


async def of_question(
    session: AsyncSession, view: View, *, after: int, limit: int
) -> list[tuple[Score, str | None]]:
    """The scores of a resolved question with the forecasters' names; the aggregate has no name."""
    if view.resolved is None:
        return []
    rows = await session.execute(
        select(Score, Account.name)
        .outerjoin(Account, Account.id == Score.account_id)
        .where(Score.resolution_id == view.resolved.id, Score.id > after)
        .order_by(Score.id)
        .limit(limit)
    )
    return [(score_row, name) for score_row, name in rows]


async def leaderboard(
    session: AsyncSession, *, kind: str, set_slug: str | None, as_of: datetime | None = None
) -> list[Standing]:
    """Everyone who was scored, best first.

    A forecaster's score is the mean over questions weighted by coverage (brier, log) or the sum
    over the covered questions (baseline, peer) divided by the coverage; the rank goes by
    (sum + M·k) / (coverage + k) with M the field's mean and k = `PSEUDO_QUESTIONS`.
    """
    if kind not in KINDS:
        raise Invalid(f"score must be one of {', '.join(KINDS)}", field="score")
    column = getattr(Score, kind)
    average = kind in LOWER_IS_BETTER
    earned = func.sum(column * Score.coverage if average else column)
    query = (
        select(
            Account.id,
            Account.name,
            Account.bot,
            func.count(),
            func.sum(Score.coverage),
            earned,
        )
        .join(Account, Account.id == Score.account_id)
        .where(column.is_not(None), Score.coverage > 0)
        .group_by(Account.id, Account.name, Account.bot)
    )
    rows = list(await session.execute(await _in_force(session, query, set_slug, as_of)))
    covered = math.fsum(row[4] for row in rows)
    mean = math.fsum(row[5] for row in rows) / covered if covered else 0.0
    ranked = [
        (
            (total + mean * PSEUDO_QUESTIONS) / (coverage + PSEUDO_QUESTIONS),
            total / coverage,
            (account_id, name, bot, count, coverage),
        )
        for account_id, name, bot, count, coverage, total in rows
    ]
    sign = 1 if average else -1
    ranked.sort(key=lambda entry: (sign * entry[0], entry[2][0]))
    return [
        Standing(rank, account_id, name, bot, count, coverage, value, ranked_by)
        for rank, (ranked_by, value, (account_id, name, bot, count, coverage)) in enumerate(
            ranked, start=1
        )
    ]


async def calibration(
    session: AsyncSession, *, of: str, set_slug: str | None, as_of: datetime | None = None
) -> Calibration:
    """The reliability of the aggregate, or of one forecaster by id."""
    query = select(Score.question_id, Score.spot_probability, Resolution.outcome).where(
        Score.spot_probability.is_not(None)
    )
    if of == AGGREGATE:
        query = query.where(Score.account_id.is_(None))
    elif of.isascii() and of.isdecimal():
        account = await session.get(Account, int(of)) if int(of) <= LARGEST_ID else None
        if account is None:
            raise NotFound(f"there is no forecaster {of}")
        query = query.where(Score.account_id == account.id)
    else:
        raise Invalid(f"of must be {AGGREGATE!r} or a forecaster's id", field="of")
    rows = list(await session.execute(await _in_force(session, query, set_slug, as_of)))
    if not rows:
        return Calibration(0, None)
    measured = reliability(
        np.array([probability for _, probability, _ in rows]),
        np.array([outcome == Outcome.yes for _, _, outcome in rows], dtype=np.float64),
    )
    return Calibration(len(rows), measured)


async def _in_force(
    session: AsyncSession, query: Select[*Columns], set_slug: str | None, as_of: datetime | None
) -> Select[*Columns]:
    """Restrict a query on scores to resolutions that hold (as known at a moment), and to a set."""
    query = query.join(Resolution, Resolution.id == Score.resolution_id).where(_holds(as_of))
    if set_slug is not None:
        found = await questions.find_set(session, set_slug)
        query = query.join(Question, Question.id == Score.question_id).where(
            Question.set_id == found.id
        )
    return query


def _holds(as_of: datetime | None) -> ColumnElement[bool]:
    later = aliased(Resolution)
    superseding = [later.question_id == Resolution.question_id, later.number > Resolution.number]
    if as_of is None:
        return ~select(later.id).where(*superseding).exists()
    superseded = select(later.id).where(*superseding, later.created_at <= as_of).exists()
    return and_(Resolution.created_at <= as_of, ~superseded)


class _Window(TypedDict):
    outcome: float
    opens: float
    closes: float
    ends: float


class _Intervals(TypedDict):
    start: list[float]
    end: list[float]
    probability: list[float]


def _window(view: View) -> _Window:
    opens, closes, ends = view.revision.opens_at, view.revision.closes_at, view.ends_at
    return {
        "outcome": float(view.outcome or 0),
        "opens": opens.timestamp(),
        "closes": closes.timestamp() if closes else math.nan,
        "ends": ends.timestamp() if ends else math.nan,
    }


def _counted(view: View, found: Sequence[Stand]) -> Sequence[Stand]:
    """The stands that can score; without a scheduled close, those that held at the end."""
    if view.revision.closes_at is None and view.ends_at is not None:
        return forecasts.standing_at(found, view, view.ends_at)
    return found


def _intervals(found: Sequence[Stand]) -> _Intervals:
    return {
        "start": [one.start for one in found],
        "end": [one.end for one in found],
        "probability": [one.probability for one in found],
    }


async def _published(session: AsyncSession, question_ids: Sequence[int]) -> dict[int, list[Stand]]:
    """The aggregate's own history as stands: each published value until the next one."""
    rows = await session.scalars(
        select(Aggregate)
        .where(Aggregate.question_id.in_(question_ids))
        .order_by(Aggregate.question_id, Aggregate.id.desc())
    )
    found: dict[int, list[Stand]] = {question_id: [] for question_id in question_ids}
    following: dict[int, float] = {}
    for row in rows:
        start = row.created_at.timestamp()
        end = following.get(row.question_id, math.inf)
        following[row.question_id] = start
        expires = row.valid_until.timestamp() if row.valid_until else math.inf
        if row.forecasters and end > start:
            stand = Stand(0, row.probability, start, min(end, expires))
            found[row.question_id].append(stand)
    return found


def _spot(view: View, found: Sequence[Stand]) -> dict[int | None, float]:
    """Who had which probability standing at the effective close; the aggregate's key is None."""
    if view.ends_at is None:
        return {}
    standing = forecasts.standing_at(found, view, view.ends_at)
    return {one.account_id or None: one.probability for one in standing}


def _rows(
    view: View,
    earned: scores.QuestionScores,
    accounts: Sequence[int | None],
    spot: dict[int | None, float],
) -> Iterable[Score]:
    resolution = view.resolution
    if resolution is None:
        return
    for index, account_id in enumerate(accounts):
        if not earned.coverage[index] > 0:
            continue
        columns = {
            column: _number(getattr(earned, column)[index])
            for kind in KINDS
            for column in (kind, f"spot_{kind}")
        }
        yield Score(
            question_id=view.id,
            resolution_id=resolution.id,
            account_id=account_id,
            coverage=float(earned.coverage[index]),
            spot_probability=spot.get(account_id),
            **columns,
        )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
