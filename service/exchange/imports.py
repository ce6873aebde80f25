"""Storing a panel of forecasts as a set of its own."""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.panel import FRACTIONS, Panel
from service import aggregates, chain, forecasts, questions, scoring
from service.aggregates import Aggregator, Belief
from service.chain import Head
from service.clock import TICK, now
from service.errors import Conflict, Invalid
from service.models import (
    Account,
    Cause,
    Forecast,
    Outcome,
    Question,
    QuestionRevision,
    QuestionSet,
    Resolution,
    Role,
)

BATCH: Final = 500
SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME: Final = 100
LONGEST_QUESTION: Final = 200


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import stored; nothing if the same data had been imported before."""

    slug: str
    questions: int
    forecasters: int
    forecasts: int
    resolved: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a panel with the times that it has in the service.

    `settled_at` is None for a question without calendar times: it is settled by the import.
    """

    index: int
    opens_at: datetime
    closes_at: datetime | None
    settled_at: datetime | None


def slug_of(path: Path) -> str:
    """A set's slug from the name of a folder or a file."""
    name = path.resolve().name if path.is_dir() else path.stem
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not slug:
        raise Invalid(f"{path}: no set's slug can be made of this name; give one with --set")
    return slug


async def import_panel(
    session: AsyncSession,
    aggregator: Aggregator,
    panel: Panel,
    slug: str,
    *,
    origin: str = "a folder of forecasts",
) -> Imported:
    """Store a panel as a set of its own, all or nothing; the same data again changes nothing.

    Forecasters become accounts named `slug:forecaster` that no token opens. Calendar times are
    kept; a forecast without one, or with a round's number, is made at the moment of the import, in
    the order of the rounds. Outcomes become resolutions, with scores. The set's description names
    the `origin`.

    Raises:
        Conflict: there is a set of this slug with other data.
        Invalid: a slug or a name that no set or account can have.
    """
    _check_names(panel, slug)
    held = await session.scalar(select(QuestionSet).where(QuestionSet.slug == slug))
    if held is not None:
        if held.document.get("data_hash") == panel.data_hash:
            return Imported(slug, 0, 0, 0, 0)
        raise Conflict(f"there is a set {slug!r} with other data; give another slug with --set")
    at = now()
    asked = _asked(panel, at)
    ids = await _store_questions(session, panel, asked, slug, origin, at)
    people = await _store_forecasters(session, panel, slug, at)
    heads: dict[int, Head] = defaultdict(Head)
    made = await _store_forecasts(session, panel, ids, people, heads, at)
    resolved = await _store_outcomes(session, panel, asked, ids, heads)
    await _publish(session, aggregator, asked, ids, made)
    for first in range(0, len(resolved), BATCH):
        query = questions.views_query(None).where(Question.id.in_(resolved[first : first + BATCH]))
        await scoring.score(session, await questions.views(session, query))
    return Imported(slug, len(ids), len(people), len(panel.probability), len(resolved))


def _check_names(panel: Panel, slug: str) -> None:
    if not SLUG.fullmatch(slug) or len(slug) > LONGEST_NAME:
        raise Invalid(
            f"a set's slug is lower-case letters and digits in groups joined by single hyphens, "
            f"at most {LONGEST_NAME}, not {slug!r}"
        )
    for name in panel.forecasters:
        if len(f"{slug}:{name}") > LONGEST_NAME:
            raise Invalid(f"forecaster {name!r}: {slug}:NAME must be at most {LONGEST_NAME} long")
    for name in panel.questions:
        if len(name) > LONGEST_QUESTION:
            raise Invalid(f"question {name!r}: an id must be at most {LONGEST_QUESTION} long")


def _asked(panel: Panel, at: datetime) -> list[Asked]:
    return [_times(panel, index, at) for index in range(len(panel.questions))]


def _times(panel: Panel, index: int, at: datetime) -> Asked:
    time = panel.time[panel.question == index]
    closes = _moment(panel.closes[index])
    if panel.rounds or np.isnan(time).any():
        return Asked(index, at, closes if closes and closes > at else None, None)
    made = [datetime.fromtimestamp(value, UTC) for value in time]
    opens = _moment(panel.opens[index]) or min([*made, closes or at])
    if closes is not None and closes in made:
        closes += TICK
    settled = _moment(panel.resolved[index]) or closes or at
    return Asked(index, min(opens, settled), closes, min(settled, at))


async def _store_questions(
    session: AsyncSession,
    panel: Panel,
    asked: Sequence[Asked],
    slug: str,
    origin: str,
    at: datetime,
) -> list[int]:
    stored = QuestionSet(
        slug=slug,
        title=slug,
        description=f"Imported from {origin}.",
        defaults="",
        document={"title": slug, "data_hash": panel.data_hash},
        created_at=at,
    )
    session.add(stored)
    await session.flush()
    rows = [Question(set_id=stored.id, slug=name, created_at=at) for name in panel.questions]
    session.add_all(rows)
    await session.flush()
    session.add_all(
        QuestionRevision(
            question_id=row.id,
            number=1,
            content_hash=panel.data_hash,
            implication_id=None,
            polarity="neutral",
            why="",
            title=panel.titles[one.index] or row.slug,
            background="",
            background_as_of=None,
            criteria="",
            fine_print="",
            sources=[],
            domain=panel.domains[panel.domain[one.index]],
            tags=[],
            weight=1.0,
            draft=False,
            window_starts_at=None,
            deadline_at=None,
            opens_at=one.opens_at,
            closes_at=one.closes_at,
            resolves_by=None,
            created_at=min(one.opens_at, at),
        )
        for row, one in zip(rows, asked, strict=True)
    )
    await session.flush()
    return [row.id for row in rows]


async def _store_forecasters(
    session: AsyncSession, panel: Panel, slug: str, at: datetime
) -> list[int]:
    rows = [
        Account(
            name=f"{slug}:{name}",
            role=Role.forecaster,
            bot=False,
            created_at=at,
            deactivated_at=at,
        )
        for name in panel.forecasters
    ]
    session.add_all(rows)
    await session.flush()
    return [row.id for row in rows]


async def _store_forecasts(
    session: AsyncSession,
    panel: Panel,
    ids: Sequence[int],
    people: Sequence[int],
    heads: dict[int, Head],
    at: datetime,
) -> dict[int, list[datetime]]:
    """Append the forecasts in the order of their times; when those of each question were made."""
    made: dict[int, list[datetime]] = defaultdict(list)
    order = np.argsort(panel.time, kind="stable")
    rows = []
    for row in order.tolist():
        question_id = ids[panel.question[row]]
        created_at = _made_at(panel, float(panel.time[row]), at)
        made[question_id].append(created_at)
        values = {
            "question_id": question_id,
            "account_id": people[panel.forecaster[row]],
            "probability": float(panel.probability[row]),
            "rationale": "",
            "expires_at": _moment(panel.until[row]),
            "created_at": created_at,
        }
        rows.append(chain.linked(Forecast, heads[question_id], values))
        heads[question_id] = Head.of(rows[-1])
    if rows:
        await session.execute(insert(Forecast), rows)
    return made


def _made_at(panel: Panel, time: float, at: datetime) -> datetime:
    if panel.rounds:
        return at + TICK * int(time)
    return at if math.isnan(time) else datetime.fromtimestamp(time, UTC)


async def _store_outcomes(
    session: AsyncSession,
    panel: Panel,
    asked: Sequence[Asked],
    ids: Sequence[int],
    heads: dict[int, Head],
) -> list[int]:
    administrator = await session.scalar(
        select(Account.id).where(Account.role == Role.administrator).order_by(Account.id).limit(1)
    )
    known = [one for one in asked if not np.isnan(panel.outcome[one.index])]
    if not known:
        return []
    if administrator is None:
        raise Conflict("resolutions need an administrator to answer for them; run `credence init`")
    latest = now()
    for one in known:
        values = {
            "question_id": ids[one.index],
            "number": 1,
            "outcome": Outcome.yes if panel.outcome[one.index] == 1 else Outcome.no,
            "occurred_at": one.settled_at or latest,
            "evidence_url": "",
            "note": "Imported.",
            "account_id": administrator,
            "created_at": latest,
        }
        session.add(Resolution(**chain.linked(Resolution, heads[ids[one.index]], values)))
    await session.flush()
    return [ids[one.index] for one in known]


async def _publish(
    session: AsyncSession,
    aggregator: Aggregator,
    asked: Sequence[Asked],
    ids: Sequence[int],
    made: dict[int, list[datetime]],
) -> None:
    """Publish what the model in force would have said during each question's life, and says now."""
    at = now()
    prior = Belief(None, aggregates.prior())
    first_fit = await aggregates.first_fit_at(session) or at + TICK
    forecast = [one for one in asked if ids[one.index] in made]
    for first in range(0, len(forecast), BATCH):
        batch = {ids[one.index]: one for one in forecast[first : first + BATCH]}
        found = await forecasts.stands(session, list(batch))
        rows = []
        for view in (await questions.many(session, batch)).values():
            for moment in [*_moments(batch[view.id], made[view.id], at), at]:
                belief = await aggregator.belief(session, moment) if moment >= first_fit else prior
                stands = found[view.id]
                rows.append(
                    aggregator.published(
                        view, stands, cause=Cause.imported, at=moment, belief=belief
                    )[1]
                )
        await aggregates.append(session, rows)


def _moments(one: Asked, made: Sequence[datetime], at: datetime) -> list[datetime]:
    """Fractions of a question's life; without calendar times, when its forecasts were stored."""
    if one.closes_at is None or one.settled_at is None:
        return [made[-1]]
    ends = min(one.closes_at, at)
    return sorted({one.opens_at + (ends - one.opens_at) * share for share in FRACTIONS})


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if math.isfinite(seconds) else None
