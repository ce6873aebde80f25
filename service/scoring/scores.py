"""Scores: computed from the forecasts at each resolution, and rebuildable from the facts."""

import hashlib
import json
import math
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, TypedDict, TypeVarTuple

import numpy as np
from sqlalchemy import ColumnElement, Select, and_, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from forecasting import pooling, scores
from forecasting.types import FloatArray, IntArray
from service.models import (
    Account,
    Aggregate,
    Forecast,
    Outcome,
    Question,
    QuestionRevision,
    QuestionSet,
    Resolution,
    RevisionTag,
    Score,
)
from service.questions import forecasts, questions
from service.questions.aggregates import BAYES
from service.questions.forecasts import Stand
from service.questions.questions import View

KINDS: Final = ("brier", "log", "baseline", "peer")
SPOT_KINDS: Final = tuple(f"spot_{kind}" for kind in KINDS)
HORIZONS: Final = {
    1: "probability_1_day",
    7: "probability_7_days",
    30: "probability_30_days",
    90: "probability_90_days",
}
"""Days before the effective close, and the column of the probability active at that time."""

BATCH: Final = 200
CROWD: Final = 0
"""The account id of stands that belong to an aggregate or a pool."""


Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFilter:
    """A filter on scores: by set, by tag, settled in [from, before), as known at a moment.

    None does not restrict, but the scores of archived sets are included only with their
    `set_slug`. A question was settled when the event of its resolution occurred.
    """

    set_slug: str | None = None
    tag: str | None = None
    settled_from: datetime | None = None
    settled_before: datetime | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """SHA-256 digests of `canonical` before and after a rebuild, and the number of scores."""

    before: str
    after: str
    scores: int


async def score(
    session: AsyncSession, views: Sequence[View], *, known_at: datetime | None = None
) -> dict[int, list[Stand]]:
    """Append the scores of every forecaster, of the aggregate and of every pool.

    Scores belong to the resolutions of the given views; only outcomes yes and no are scored.
    `known_at` is the moment of the views if that is not now. Returns the stands on the scored
    questions, keyed by question id.
    """
    scored = [view for view in views if view.outcome is not None]
    ids = [view.id for view in scored]
    stands = await forecasts.stands(session, ids, known_at=known_at)
    published = await _published(session, ids, known_at)
    rows = [row for view in scored for row in _earned(view, stands[view.id], published[view.id])]
    if rows:
        await (await session.connection()).execute(insert(Score), rows)
    return stands


async def rebuild(session: AsyncSession) -> Rebuilt:
    """Replace all scores by new ones, computed from the facts known at each resolution.

    The same facts give the same bytes, so the digests differ only if scores were lost or changed or
    came from another version. The task `rebuild_scores` does the same in small batches of
    questions.
    """
    before, after = await digest(session), 0
    while following := await resolved(session, after=after, limit=BATCH):
        ids = [question_id for question_id, _ in following]
        await rescore(session, ids)
        after = ids[-1]
    count = int(await session.scalar(select(func.count()).select_from(Score)) or 0)
    return Rebuilt(before, await digest(session), count)


async def resolved(session: AsyncSession, *, after: int, limit: int) -> list[tuple[int, int]]:
    """The questions after an id that were ever resolved, each with its number of forecasts."""
    forecast = (
        select(func.count())
        .where(Forecast.question_id == Resolution.question_id)
        .correlate(Resolution)
        .scalar_subquery()
    )
    rows = await session.execute(
        select(Resolution.question_id, forecast)
        .where(Resolution.question_id > after)
        .group_by(Resolution.question_id)
        .order_by(Resolution.question_id)
        .limit(limit)
    )
    return [(question_id, count) for question_id, count in rows]


async def count_resolved(session: AsyncSession) -> int:
    """The number of questions that were ever resolved."""
    query = select(func.count(Resolution.question_id.distinct()))
    return int(await session.scalar(query) or 0)


async def rescore(session: AsyncSession, question_ids: Sequence[int]) -> None:
    """Replace all scores of the given questions by new ones, for every resolution of theirs."""
    await questions.lock(session, question_ids)
    made_of = select(Resolution.id).where(Resolution.question_id.in_(question_ids))
    await session.execute(delete(Score).where(Score.resolution_id.in_(made_of)))
    rows = await session.execute(
        select(Resolution.created_at, Resolution.question_id)
        .where(
            Resolution.question_id.in_(question_ids),
            Resolution.outcome.in_([Outcome.yes, Outcome.no]),
        )
        .order_by(Resolution.created_at, Resolution.id)
    )
    for known_at, made in groupby(rows.all(), key=lambda row: row[0]):
        ids = [question_id for _, question_id in made]
        query = questions.views_query(known_at).where(Question.id.in_(ids))
        await score(session, await questions.views(session, query), known_at=known_at)
    session.expunge_all()


async def digest(session: AsyncSession) -> str:
    """SHA-256, in hexadecimal, over `canonical`."""
    sha256 = hashlib.sha256()
    async for line in canonical(session):
        sha256.update(line)
    return sha256.hexdigest()


async def canonical(
    session: AsyncSession, question_ids: Sequence[int] | None = None
) -> AsyncIterator[bytes]:
    """Every score as a line of JSON, in an order that does not depend on insertion order.

    `question_ids` restricts the scores to these questions.
    """
    columns = [column for column in Score.__table__.columns if column.name != "id"]
    query = select(*columns).order_by(
        Score.resolution_id, func.coalesce(Score.account_id, 0), Score.method
    )
    if question_ids is not None:
        query = query.where(Score.question_id.in_(question_ids))
    async for row in await session.stream(query):
        yield json.dumps(list(row)).encode() + b"\n"


async def of_question(
    session: AsyncSession, view: View, *, after: int, limit: int
) -> list[tuple[Score, str | None]]:
    """The scores of a resolved question with the forecasters' names; a method has no name."""
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


async def breakdown(
    session: AsyncSession, view: View, account_id: int
) -> tuple[scores.ScoreTerms, list[int]]:
    """The terms of a resolved question's scores, and the indices of the account's terms."""
    known_at = view.resolution.created_at if view.resolution else None
    people: Sequence[Stand] = []
    if view.outcome is not None:
        stands = await forecasts.stands(session, [view.id], known_at=known_at)
        people = _counted(view, stands[view.id])
    terms = scores.score_terms(**_columns(people), **_window(view))
    own = np.flatnonzero(terms.forecaster == account_id)
    return terms, own[np.argsort(terms.start[own], kind="stable")].tolist()


def _earned(
    view: View, stands: Sequence[Stand], published: Sequence[Stand]
) -> Iterable[dict[str, Any]]:
    """The score rows of a question."""
    window, people = _window(view), _columns(_counted(view, stands))
    earned = scores.score_question(**people, **window)
    yield from _rows(view, earned, people)
    methods = [BAYES, *pooling.POOLS]
    pools = _columns(_counted(view, published)), *_pooled(people, window)
    pooled: _Columns = {
        "forecaster": np.repeat(np.arange(len(pools)), [pool["start"].size for pool in pools]),
        "start": np.concatenate([pool["start"] for pool in pools]),
        "end": np.concatenate([pool["end"] for pool in pools]),
        "probability": np.concatenate([pool["probability"] for pool in pools]),
    }
    earned = scores.score_outsiders(
        **pooled,
        crowd_forecaster=people["forecaster"],
        crowd_start=people["start"],
        crowd_end=people["end"],
        crowd_probability=people["probability"],
        **window,
    )
    yield from _rows(view, earned, pooled, methods)


def _pooled(people: "_Columns", window: "_Window") -> Iterable["_Columns"]:
    """The stands of each pool: its probability between changes of the active forecasts."""
    start, end, probability = people["start"], people["end"], people["probability"]
    if window["closes"] > window["opens"]:
        stops = np.fmin(window["closes"], window["ends"])
        edges = np.unique(np.clip(np.concatenate([start, end]), window["opens"], stops))
        pooled = pooling.pool_through(probability, start, end, edges[:-1])
    else:
        last = list(
            {who: place for place, who in enumerate(people["forecaster"].tolist())}.values()
        )
        start, edges = start[last], np.array([window["opens"], math.inf])
        always = np.full(start.size, math.inf)
        pooled = pooling.pool_through(probability[last], start, always, np.sort(start)[-1:])
    for values in pooled.values():
        known = np.flatnonzero(~np.isnan(values))
        yield {
            "forecaster": np.full(known.size, CROWD),
            "start": edges[known],
            "end": edges[known + 1],
            "probability": values[known],
        }


class _Window(TypedDict):
    outcome: float
    opens: float
    closes: float
    ends: float


class _Columns(TypedDict):
    """Stands as columns."""

    forecaster: IntArray
    start: FloatArray
    end: FloatArray
    probability: FloatArray


def _window(view: View) -> _Window:
    opens, closes, ends = view.revision.opens_at, view.revision.closes_at, view.ends_at
    return {
        "outcome": float(view.outcome or 0),
        "opens": opens.timestamp(),
        "closes": closes.timestamp() if closes else math.nan,
        "ends": ends.timestamp() if ends else math.nan,
    }


def _counted(view: View, stands: Sequence[Stand]) -> Sequence[Stand]:
    """The stands to score; without a scheduled close, those active at the effective close."""
    if view.revision.closes_at is None and view.ends_at is not None:
        return forecasts.standing_at(stands, view, view.ends_at)
    return stands


def _columns(stands: Sequence[Stand]) -> _Columns:
    return {
        "forecaster": np.array([stand.account_id for stand in stands], dtype=np.int64),
        "start": np.array([stand.start for stand in stands], dtype=np.float64),
        "end": np.array([stand.end for stand in stands], dtype=np.float64),
        "probability": np.array([stand.probability for stand in stands], dtype=np.float64),
    }


async def matching(
    session: AsyncSession, query: Select[*Columns], scope: ScoreFilter
) -> Select[*Columns]:
    """Apply a filter to a query on scores; this joins Resolution, so the query may use it too."""
    query = query.join(Resolution, Resolution.id == Score.resolution_id).where(
        _in_force(Resolution, scope.as_of)
    )
    if scope.set_slug is not None:
        question_set = await questions.find_set(session, scope.set_slug)
        query = query.join(Question, Question.id == Score.question_id).where(
            Question.set_id == question_set.id
        )
    else:
        archived = questions.listed(archived=True)
        if scope.as_of is not None:
            archived = and_(archived, QuestionSet.archived_at <= scope.as_of)
        of_archived = select(Question.id).join(QuestionSet).where(archived)
        query = query.where(Score.question_id.not_in(of_archived))
    if scope.tag is not None:
        tagged = (
            select(QuestionRevision.question_id)
            .join(RevisionTag, RevisionTag.revision_id == QuestionRevision.id)
            .where(RevisionTag.tag == scope.tag, _in_force(QuestionRevision, scope.as_of))
        )
        query = query.where(Score.question_id.in_(tagged))
    if scope.settled_from is not None:
        query = query.where(Resolution.occurred_at >= scope.settled_from)
    if scope.settled_before is not None:
        query = query.where(Resolution.occurred_at < scope.settled_before)
    return query


def _in_force(
    table: type[Resolution | QuestionRevision], as_of: datetime | None
) -> ColumnElement[bool]:
    """The condition that a row is its question's latest, as known at a moment."""
    later = aliased(table)
    superseding = [later.question_id == table.question_id, later.number > table.number]
    if as_of is None:
        return ~select(later.id).where(*superseding).exists()
    superseded = select(later.id).where(*superseding, later.created_at <= as_of).exists()
    return and_(table.created_at <= as_of, ~superseded)


async def _published(
    session: AsyncSession, question_ids: Sequence[int], known_at: datetime | None
) -> dict[int, list[Stand]]:
    """The history of the aggregate as stands: each published value until the next one."""
    query = select(
        Aggregate.question_id,
        Aggregate.created_at,
        Aggregate.valid_until,
        Aggregate.forecasters,
        Aggregate.probability,
    ).where(Aggregate.question_id.in_(question_ids))
    if known_at is not None:
        query = query.where(Aggregate.created_at <= known_at)
    rows = await session.execute(query.order_by(Aggregate.question_id, Aggregate.id.desc()))
    stands: dict[int, list[Stand]] = {question_id: [] for question_id in question_ids}
    following: dict[int, float] = {}
    for question_id, created_at, valid_until, forecasters, probability in rows:
        start = created_at.timestamp()
        end = following.get(question_id, math.inf)
        following[question_id] = min(start, end)
        expires = valid_until.timestamp() if valid_until else math.inf
        if forecasters and end > start:
            stands[question_id].append(Stand(CROWD, probability, start, min(end, expires)))
    return stands


def _at_horizons(view: View, stands: _Columns) -> dict[int, dict[str, float]]:
    """Each entrant's active probability at the effective close and at each horizon, by column."""
    if view.ends_at is None:
        return {}
    ends = view.ends_at
    moments = {"spot_probability": ends}
    if view.revision.closes_at is not None:
        moments |= {column: ends - timedelta(days=days) for days, column in HORIZONS.items()}
    by_entrant: dict[int, dict[str, float]] = {}
    for column, at in moments.items():
        active = forecasts.holds_at(stands["start"], stands["end"], view, at)
        for who, probability in zip(
            stands["forecaster"][active].tolist(),
            stands["probability"][active].tolist(),
            strict=True,
        ):
            by_entrant.setdefault(who, {})[column] = probability
    return by_entrant


def _rows(
    view: View,
    earned: scores.QuestionScores,
    stands: _Columns,
    methods: Sequence[str] | None = None,
) -> Iterable[dict[str, Any]]:
    """The score rows of accounts, or of methods, which are identified by their index."""
    resolution = view.resolution
    if resolution is None:
        return
    at_horizons = _at_horizons(view, stands)
    no_forecast = dict.fromkeys(("spot_probability", *HORIZONS.values()))
    for index, who in enumerate(earned.forecasters.tolist()):
        if not earned.coverage[index] > 0:
            continue
        columns = {
            column: _number(getattr(earned, column)[index]) for column in (*KINDS, *SPOT_KINDS)
        }
        yield {
            "question_id": view.id,
            "resolution_id": resolution.id,
            "account_id": who if methods is None else None,
            "method": None if methods is None else methods[who],
            "weight": view.revision.weight,
            "coverage": float(earned.coverage[index]),
            **columns,
            **no_forecast,
            **at_horizons.get(who, {}),
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
