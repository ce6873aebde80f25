"""Importing a panel of forecasts as a separate set."""

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Self

import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.csv_io import Notes
from forecasting.panel import FRACTIONS, Panel
from questions.text import LONGEST_NAME, TextError, clean_name
from service.clock import TICK, now
from service.exceptions import Conflict, Invalid
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
from service.questions import aggregates, forecasts, hash_chain, questions
from service.questions.aggregates import Aggregator, Belief
from service.questions.hash_chain import Head
from service.scoring import scores

BATCH: Final = 500
SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_QUESTION: Final = 200


@dataclass(frozen=True, slots=True)
class Imported:
    """The counts of an import; all zero if the same data was imported before."""

    slug: str
    questions: int
    forecasters: int
    forecasts: int
    resolved: int

    @classmethod
    def of(cls, panel: Panel, slug: str) -> Self:
        """The counts of a set that a panel was newly imported into."""
        resolved = int(np.count_nonzero(~np.isnan(panel.outcome)))
        return cls(
            slug, len(panel.questions), len(panel.forecasters), panel.probability.size, resolved
        )


@dataclass(frozen=True, slots=True)
class Life:
    """The times of an imported question in the service.

    `settled_at` is None for a question without calendar times: the import settles it.
    """

    index: int
    opens_at: datetime
    closes_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of an import: the times of each question and of each forecast."""

    at: datetime
    lives: Sequence[Life]
    made_at: Sequence[datetime]


def slug_of(path: Path) -> str:
    """Derive a set's slug from the name of a folder or file."""
    name = path.resolve().name if path.is_dir() else path.stem
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not slug:
        raise Invalid(f"{path}: no set slug can be derived from this name; give one with --set")
    return slug


async def import_panel(
    session: AsyncSession,
    aggregator: Aggregator,
    panel: Panel,
    slug: str,
    *,
    origin: str = "a folder of forecasts",
    notes: Notes | None = None,
) -> Imported:
    """Store a panel as a separate set, all or nothing; repeating an import changes nothing.

    Forecasters become accounts named `slug:forecaster` without tokens. Calendar times are kept;
    forecasts without times, or with round numbers, get the time of the import, in the order of the
    rounds. Outcomes become resolutions, with scores. The set's description names the `origin`. A
    panel without questions is not stored. `notes` counts the adjustments.

    Raises:
        Conflict: a set with this slug has other data.
        Invalid: a slug or a name that no set or account can have, or a forecast of the future.
    """
    done = plan(panel, slug, notes)
    if not panel.questions:
        return Imported(slug, 0, 0, 0, 0)
    existing = await session.scalar(select(QuestionSet).where(QuestionSet.slug == slug))
    if existing is not None:
        if existing.document.get("data_hash") == panel.data_hash:
            return Imported(slug, 0, 0, 0, 0)
        raise Conflict(f"set {slug!r} already exists with other data; give another slug with --set")
    ids = await _store_questions(session, panel, done, slug, origin)
    people = await _store_forecasters(session, panel, slug, done.at)
    heads: dict[int, Head] = defaultdict(Head)
    made = await _store_forecasts(session, panel, done, ids, people, heads)
    resolved = await _store_outcomes(session, panel, done.lives, ids, heads)
    await _publish(session, aggregator, done.lives, ids, made)
    for first in range(0, len(resolved), BATCH):
        query = questions.views_query(None).where(Question.id.in_(resolved[first : first + BATCH]))
        await scores.score(session, await questions.views(session, query))
    return Imported.of(panel, slug)


def plan(panel: Panel, slug: str, notes: Notes | None = None) -> Plan:
    """Plan an import without a database; `notes` counts the adjustments.

    Raises:
        Invalid: a slug or a name that no set or account can have, or a forecast of the future.
    """
    _check_names(panel, slug)
    at, notes = now(), notes or Notes()
    made_at = _made_at(panel, at)
    rows = np.split(
        np.argsort(panel.question, kind="stable"),
        np.cumsum(np.bincount(panel.question, minlength=len(panel.questions)))[:-1],
    )
    dated = not (panel.rounds or np.isnan(panel.time).any())
    lives = []
    for index, (name, own) in enumerate(zip(panel.questions, rows, strict=False)):
        made = sorted(made_at[row] for row in own.tolist())
        find = _dated_life if dated else _undated_life
        lives.append(find(panel, index, made, at, partial(notes.adjust, place=f"question {name}")))
    return Plan(at, lives, made_at)


Adjust = Callable[[str], None]


def _made_at(panel: Panel, at: datetime) -> list[datetime]:
    """The time of each forecast; rounds are consecutive, and the last one is at the import."""
    if panel.rounds:
        _, place = np.unique(panel.time, return_inverse=True)
        return [at - TICK * back for back in (place.max(initial=0) - place).tolist()]
    if np.isnan(panel.time).any():
        return [at] * panel.time.size
    late = np.flatnonzero(panel.time > at.timestamp())
    if late.size:
        row = int(late[0])
        raise Invalid(
            f"the forecast of {panel.forecasters[panel.forecaster[row]]!r} on "
            f"{panel.questions[panel.question[row]]!r} was made at "
            f"{datetime.fromtimestamp(panel.time[row], UTC).isoformat()}, which is in the future"
        )
    return [datetime.fromtimestamp(value, UTC) for value in panel.time.tolist()]


def _undated_life(
    panel: Panel, index: int, made: Sequence[datetime], at: datetime, adjust: Adjust
) -> Life:
    """The times of a question whose forecasts have no calendar times: it opens at the import."""
    if made:
        adjust(
            "questions with forecasts in rounds, all made at the moment of the import in the order "
            "of the rounds"
            if panel.rounds
            else "questions with forecasts without times, all made at the moment of the import"
        )
    closes = _moment(panel.closes[index])
    if np.isfinite(panel.opens[index]) or (closes and closes <= at):
        adjust(
            "questions whose opening or past close is not used, because their forecasts have no "
            "calendar times"
        )
    return Life(index, min([*made, at]), closes if closes and closes > at else None, None)


def _dated_life(
    panel: Panel, index: int, made: Sequence[datetime], at: datetime, adjust: Adjust
) -> Life:
    """The stated times of a question, adjusted where they contradict its forecasts.

    It opens before it closes, so that scores cover a time span, and before its first forecast.
    """
    answered = not math.isnan(panel.outcome[index])
    known = _moment(panel.resolved[index]) if answered else None
    if known and known > at:
        known = at
        adjust("questions answered in the future, answered at the moment of the import")
    opens = _opening(panel, index, made, at, adjust)
    closes = _moment(panel.closes[index])
    if closes and closes < opens and known and known > opens:
        closes = known
        adjust("questions that close before they open, closed when their answer became known")
    if closes and closes in made and closes >= opens:
        closes += TICK
        adjust("questions with a forecast at their very close, closed a microsecond later")
    if closes and closes <= opens:
        opens = closes - TICK
        adjust("questions that close before they open, of which no forecast counts")
    if answered and known is None:
        adjust("questions with an answer but not its time, answered at their close, else now")
    settled = min(known or closes or at, at)
    if answered and settled < opens:
        opens = settled
        adjust("questions answered before they open, opened at their answer")
    ends = [end for end in (closes, settled if answered else None) if end]
    for _ in made[bisect_left(made, min(ends)) :] if ends else ():
        adjust("forecasts made after the close or the answer, which do not count")
    return Life(index, opens, closes, settled)


def _opening(
    panel: Panel, index: int, made: Sequence[datetime], at: datetime, adjust: Adjust
) -> datetime:
    stated = _moment(panel.opens[index])
    if stated is None:
        adjust("questions without an opening, opened at their first forecast, else at their close")
        return made[0] if made else _moment(panel.closes[index]) or at
    if made and made[0] < stated:
        adjust("questions with forecasts before their opening, opened at their first forecast")
        return made[0]
    return stated


def _check_names(panel: Panel, slug: str) -> None:
    if not SLUG.fullmatch(slug) or len(slug) > LONGEST_NAME:
        raise Invalid(
            f"a set's slug is lower-case letters and digits in groups joined by single hyphens, "
            f"at most {LONGEST_NAME}, not {slug[:LONGEST_NAME]!r}"
        )
    for name in panel.forecasters:
        try:
            clean_name(f"{slug}:{name}")
        except TextError as error:
            raise Invalid(
                f"forecaster {name!r}: the name of the account, SET:NAME, {error}"
            ) from None
    for name in panel.questions:
        if len(name) > LONGEST_QUESTION:
            raise Invalid(f"question {name!r}: an id must be at most {LONGEST_QUESTION} long")


async def _store_questions(
    session: AsyncSession,
    panel: Panel,
    done: Plan,
    slug: str,
    origin: str,
) -> list[int]:
    at = done.at
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
        for row, one in zip(rows, done.lives, strict=True)
    )
    await session.flush()
    return [row.id for row in rows]


async def _store_forecasters(
    session: AsyncSession, panel: Panel, slug: str, at: datetime
) -> list[int]:
    like = select(Account.name).where(Account.name.istartswith(f"{slug}:", autoescape=True))
    taken = {name.lower() for name in await session.scalars(like)}
    for name in panel.forecasters:
        if f"{slug}:{name}".lower() in taken:
            raise Conflict(
                f"there is already an account named '{slug}:{name}'; give another slug with --set"
            )
    rows = [
        Account(
            name=f"{slug}:{name}",
            role=Role.forecaster,
            bot=False,
            imported=True,
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
    done: Plan,
    ids: Sequence[int],
    people: Sequence[int],
    heads: dict[int, Head],
) -> dict[int, list[datetime]]:
    """Append the forecasts in order of time; returns the times of each question's forecasts."""
    made: dict[int, list[datetime]] = defaultdict(list)
    order = np.argsort(panel.time, kind="stable")
    rows = []
    for row in order.tolist():
        question_id = ids[panel.question[row]]
        made[question_id].append(done.made_at[row])
        values = {
            "question_id": question_id,
            "account_id": people[panel.forecaster[row]],
            "probability": float(panel.probability[row]),
            "rationale": "",
            "expires_at": _moment(panel.until[row]),
            "created_at": done.made_at[row],
        }
        rows.append(hash_chain.append_link(Forecast, heads[question_id], values))
        heads[question_id] = Head.of(rows[-1])
    if rows:
        await session.execute(insert(Forecast), rows)
    return made


async def _store_outcomes(
    session: AsyncSession,
    panel: Panel,
    lives: Sequence[Life],
    ids: Sequence[int],
    heads: dict[int, Head],
) -> list[int]:
    administrator = await session.scalar(
        select(Account.id).where(Account.role == Role.administrator).order_by(Account.id).limit(1)
    )
    known = [one for one in lives if not np.isnan(panel.outcome[one.index])]
    if not known:
        return []
    if administrator is None:
        raise Conflict("resolutions need an administrator as their author; run `credence init`")
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
        session.add(Resolution(**hash_chain.append_link(Resolution, heads[ids[one.index]], values)))
    await session.flush()
    return [ids[one.index] for one in known]


async def _publish(
    session: AsyncSession,
    aggregator: Aggregator,
    lives: Sequence[Life],
    ids: Sequence[int],
    made: dict[int, list[datetime]],
) -> None:
    """Publish past and current aggregates of each question, computed with the model in force."""
    at = now()
    prior = Belief(None, aggregates.prior())
    first_fit = await aggregates.first_fit_at(session) or at + TICK
    forecast = [one for one in lives if ids[one.index] in made]
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


def _moments(one: Life, made: Sequence[datetime], at: datetime) -> list[datetime]:
    """Times at fractions of a question's life; without calendar times, those of its forecasts."""
    if one.closes_at is None or one.settled_at is None:
        return [made[-1]]
    ends = min(one.closes_at, at)
    return sorted({one.opens_at + (ends - one.opens_at) * share for share in FRACTIONS})


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if math.isfinite(seconds) else None
