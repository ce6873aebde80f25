"""Fits: whether one is due, the data it uses, and how an accepted fit takes effect."""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from forecasting.forecasters import Summaries
from forecasting.panel import Panel, PanelQuestion
from forecasting.posterior import FORMAT, Posterior, PosteriorError
from service.clock import now
from service.curation import resolutions
from service.database.engine import Database
from service.database.isolation import together_or_apart
from service.exceptions import NotFound
from service.models import (
    Cause,
    Fit,
    FitStatus,
    Forecast,
    ForecasterSummary,
    Outcome,
    Question,
    Resolution,
    Role,
)
from service.permissions import Actor
from service.questions import forecasts, hash_chain, questions
from service.questions.aggregates import Aggregator
from service.questions.forecasts import Stand
from service.questions.questions import State, View

FAILURES_BEFORE_REST: Final = 3
BATCH: Final = 200
NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Need:
    """Whether the latest accepted fit lacks resolutions, and whether to fit now.

    `since` is the time of the first resolution that the latest fit lacks; None if no fit is due or
    about to be due.
    """

    behind: bool
    due: bool
    why: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """The data of one fit, read in a single transaction."""

    panel: Panel
    resolutions: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Sampled:
    """The result of sampling: a posterior, or the reason for its absence."""

    status: FitStatus
    reason: str = ""
    posterior: Posterior | None = None
    diagnostics: dict[str, Any] = field(default_factory=dict)
    summaries: Summaries | None = None


async def need(
    session: AsyncSession, *, quiet: timedelta, longest_wait: timedelta, at: datetime
) -> Need:
    """Derive from the rows whether a fit is due.

    A fit is due when there are resolutions newer than the latest accepted fit in the current
    storage format, and either none within the last `quiet` or the first of them is `longest_wait`
    old. A refused fit is not repeated on the same resolutions, and a failed one at most
    `FAILURES_BEFORE_REST` times.
    """
    present = await resolutions.count(session)
    known = await covered(session)
    if present <= known:
        return Need(behind=False, due=False, why="every resolution is in the latest fit")
    tried = [
        status
        for (status,) in await session.execute(
            select(Fit.status).where(Fit.resolutions == present, Fit.status != FitStatus.accepted)
        )
    ]
    if FitStatus.refused in tried:
        return Need(behind=True, due=False, why="the fit to these resolutions was refused")
    if len(tried) >= FAILURES_BEFORE_REST:
        return Need(behind=True, due=False, why=f"fitting failed {len(tried)} times; waiting")
    newest, oldest = await _waiting(session, present - known)
    if at - newest < quiet and at - oldest < longest_wait:
        return Need(behind=True, due=False, why="waiting for further resolutions", since=oldest)
    why = f"{present - known} resolutions are new"
    return Need(behind=True, due=True, why=why, since=oldest)


async def covered(session: AsyncSession) -> int:
    """The number of resolutions in the latest accepted fit of the current storage format."""
    count = await session.scalar(
        select(Fit.resolutions)
        .where(Fit.status == FitStatus.accepted, Fit.format == FORMAT)
        .order_by(Fit.id.desc())
        .limit(1)
    )
    return count or 0


async def _waiting(session: AsyncSession, count: int) -> tuple[datetime, datetime]:
    """The times of the newest and oldest of the last `count` resolutions.

    Times that cannot be decoded do not delay a fit.
    """
    last = select(Resolution.created_at).order_by(Resolution.id.desc()).limit(count).subquery()
    ends = (
        await session.execute(select(func.max(last.c.created_at), func.min(last.c.created_at)))
    ).one()
    readable = [end for end in ends if isinstance(end, datetime)] or [NEVER]
    return max(readable), min(readable)


async def read_job(session: AsyncSession) -> Job:
    """Read the data of a fit: every question resolved yes or no, with its forecasts."""
    started_at = now()
    present = await resolutions.count(session)
    scored = questions.views_query(None).where(Resolution.outcome.in_([Outcome.yes, Outcome.no]))
    resolved = await questions.views(session, scored.order_by(Question.id))
    views = {view.id: view for view in resolved}
    rows: list[_PanelRows] = []
    for first in range(0, len(resolved), BATCH):
        ids = [view.id for view in resolved[first : first + BATCH]]
        read, _ = await together_or_apart(
            "the fit cannot learn from question", ids, partial(_panel_rows, session, views)
        )
        rows += [one for some in read for one in some]
    panel = Panel.of(
        forecasts=[made for one in rows for made in one.forecasts],
        questions=[one.question for one in rows],
    )
    return Job(panel, present, started_at)


class _PanelRows(NamedTuple):
    question: PanelQuestion
    forecasts: list[tuple[str, str, float, float, float]]


async def _panel_rows(
    session: AsyncSession, views: Mapping[int, View], ids: Sequence[int]
) -> list[_PanelRows]:
    stands = await forecasts.stands(session, ids)
    return [
        _PanelRows(
            _panel_question(views[question_id]),
            [
                (str(one.account_id), str(question_id), one.start, one.end, one.probability)
                for one in stands[question_id]
                if _counts(views[question_id], one)
            ],
        )
        for question_id in ids
    ]


def _counts(view: View, one: Stand) -> bool:
    ends = view.ends_at.timestamp() if view.ends_at else math.inf
    return view.revision.opens_at.timestamp() <= one.start < ends


def _panel_question(view: View) -> PanelQuestion:
    return PanelQuestion(
        id=str(view.id),
        title=view.revision.title,
        outcome=float(view.outcome) if view.outcome is not None else math.nan,
        opens=view.revision.opens_at.timestamp(),
        closes=_seconds(view.revision.closes_at),
        resolved=_seconds(view.ends_at),
        domain=view.revision.domain,
    )


def _seconds(at: datetime | None) -> float:
    return at.timestamp() if at else math.nan


async def record(
    database: Database, aggregator: Aggregator, job: Job, sampled: Sampled, *, seed: int
) -> Fit:
    """Store a fit with any status; an accepted one then renews every pending aggregate.

    The renewal uses short transactions: concurrent readers compute with the new fit, and an
    interrupted renewal loses nothing.
    """
    async with database.write() as session:
        fit = _fit(job, sampled, seed)
        session.add(fit)
        await session.flush()
        session.add_all(_summaries(fit.id, sampled.summaries))
    if fit.status == FitStatus.accepted:
        await renew(database, aggregator)
    return fit


def _summaries(fit_id: int, summaries: Summaries | None) -> Iterator[ForecasterSummary]:
    if summaries is None:
        return
    for name in summaries.forecasters:
        one = asdict(summaries.of(name))
        yield ForecasterSummary(
            fit_id=fit_id,
            account_id=int(name),
            resolved=one.pop("resolved"),
            level=one.pop("level"),
            figures={figure: list(estimate.values()) for figure, estimate in one.items()},
        )


async def renew(database: Database, aggregator: Aggregator) -> int:
    """Publish the aggregate of every unresolved question with forecasts; returns their number."""
    async with database.read() as session:
        pending = await _pending(session)
    for first in range(0, len(pending), BATCH):
        ids = pending[first : first + BATCH]
        await together_or_apart(
            "the aggregate cannot be renewed of question",
            ids,
            partial(_renew, database, aggregator),
        )
    return len(pending)


async def _renew(database: Database, aggregator: Aggregator, ids: Sequence[int]) -> None:
    async with database.write() as session:
        await questions.lock(session, ids)
        query = questions.views_query(None).where(Question.id.in_(ids))
        views = await questions.views(session, query)
        views = [view for view in views if view.resolved is None]
        at = await hash_chain.present(session, ids, now())
        await aggregator.publish(session, views, cause=Cause.fit, at=at)


async def _pending(session: AsyncSession) -> list[int]:
    unresolved = questions.in_state(State.open, now()) | questions.in_state(State.closed, now())
    query = (
        questions.views_query(None)
        .with_only_columns(Question.id)
        .where(unresolved, select(Forecast.id).where(Forecast.question_id == Question.id).exists())
        .order_by(Question.id)
    )
    return [question_id for (question_id,) in await session.execute(query)]


def _fit(job: Job, sampled: Sampled, seed: int) -> Fit:
    posterior = sampled.posterior
    metadata = dict(posterior.metadata) if posterior else {}
    return Fit(
        status=sampled.status,
        reason=sampled.reason,
        resolutions=job.resolutions,
        questions=len(job.panel.questions),
        forecasts=len(job.panel.probability),
        forecasters=len(job.panel.forecasters),
        data_hash=job.panel.data_hash,
        fingerprint=posterior.fingerprint if posterior else "",
        seed=seed,
        priors=metadata.get("priors") or {},
        versions=metadata.get("versions") or {},
        diagnostics=metadata.get("diagnostics") or sampled.diagnostics,
        started_at=job.started_at,
        created_at=now(),
        format=FORMAT,
        posterior=posterior.to_bytes() if posterior else None,
    )


async def get(session: AsyncSession, fit_id: int, *, with_posterior: bool = False) -> Fit:
    """One fit; NotFound names the id."""
    options = [undefer(Fit.posterior)] if with_posterior else []
    fit = await session.get(Fit, fit_id, options=options)
    if fit is None:
        raise NotFound(f"there is no fit {fit_id}")
    return fit


async def inference_data(session: AsyncSession, actor: Actor, fit_id: int) -> bytes:
    """The draws of an accepted fit as netCDF; NotFound gives the reason if there are none.

    Forecasters may keep their track record private, so only curators receive the skill of each.
    """
    fit = await get(session, fit_id, with_posterior=True)
    if fit.posterior is None:
        raise NotFound(f"fit {fit_id} was {fit.status} and has no posterior")
    try:
        return await asyncio.to_thread(_netcdf, fit.posterior, forecasters=actor.may(Role.curator))
    except PosteriorError:
        raise NotFound(
            f"the posterior of fit {fit_id} was stored by another version and cannot be read; a "
            "later fit's can"
        ) from None


def _netcdf(stored: bytes, *, forecasters: bool) -> bytes:
    return Posterior.from_bytes(stored).to_netcdf(forecasters=forecasters)


async def listing(session: AsyncSession, *, before: int | None, limit: int) -> list[Fit]:
    """Fits before an id, newest first."""
    query = select(Fit).order_by(Fit.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Fit.id < before)
    return list(await session.scalars(query))
