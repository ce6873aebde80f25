"""Aggregates: computed from the facts and the latest accepted posterior, published as rows."""

import hashlib
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any, Final

import numpy as np
from prometheus_client import Counter
from sqlalchemy import Select, bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting import live, pooling
from forecasting.posterior import Posterior, PosteriorError
from service.clock import now
from service.database.cache import remember
from service.database.engine import Database
from service.exceptions import Invalid, NotFound
from service.models import Aggregate, Cause, Fit, FitStatus, Question
from service.permissions import Actor
from service.questions import forecasts, questions, visibility
from service.questions.active_forecasts import ActiveForecastsCache
from service.questions.forecasts import Stand
from service.questions.questions import View
from service.questions.visibility import Hidden

log = logging.getLogger(__name__)

BAYES: Final = "bayes"
METHODS: Final = (BAYES, *pooling.POOLS)
KEPT_POSTERIORS: Final = 4
KEPT_DOMAINS: Final = 1000
PUBLISHED: Final = Counter(
    "credence_aggregates", "Aggregates that this process computed to publish", ["cause"]
)


@dataclass(frozen=True, slots=True)
class Belief:
    """The posterior in force at a moment; without an accepted fit, the prior."""

    fit_id: int | None
    posterior: Posterior


@dataclass(frozen=True, slots=True)
class AggregateEstimate:
    """An aggregate by one method as of one moment.

    A classic pool has no interval, and no probability without forecasts. If the reader may not see
    the aggregate, `hidden` gives the reason and only the number of forecasters is set.
    """

    method: str
    probability: float | None
    lower: float | None
    upper: float | None
    level: float | None
    forecasters: int
    as_of: datetime
    fit_id: int | None
    fingerprint: str | None
    hidden: Hidden | None = None

    def seen(self, hidden: Hidden | None) -> "AggregateEstimate":
        """The estimate as shown to a reader; its figures are removed if it is `hidden`."""
        if hidden is None:
            return self
        return replace(self, probability=None, lower=None, upper=None, hidden=hidden)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A loaded posterior, None if it is unreadable, with a digest of the stored bytes."""

    digest: bytes
    posterior: Posterior | None


class Aggregator:
    """Computes aggregates and caches the posteriors that it has loaded, which never change."""

    def __init__(self, level: float) -> None:
        self.level = level
        self._loaded: dict[int, _Loaded] = {}
        self._of_nobody: dict[tuple[int | None, str], live.Aggregate] = {}
        self.active_forecasts = ActiveForecastsCache()

    async def belief(self, session: AsyncSession, known_at: datetime | None = None) -> Belief:
        """The latest fit accepted by a moment (None: now).

        A fit whose posterior cannot be read is logged and skipped in favour of the previous one.
        """
        query = select(Fit.id).where(Fit.status == FitStatus.accepted).order_by(Fit.id.desc())
        if known_at is not None:
            query = query.where(Fit.created_at <= known_at)
        for tried in count():
            fit_id = await session.scalar(query.limit(1).offset(tried))
            if fit_id is None:
                break
            posterior = await self._posterior(session, fit_id)
            if posterior is not None:
                return Belief(fit_id, posterior)
        return Belief(None, prior())

    async def check(self, session: AsyncSession) -> Belief:
        """The belief in force, after comparing the loaded posteriors with the stored ones.

        A posterior that was damaged or repaired since it was loaded is reloaded, so that every
        process gives the same answers.
        """
        for fit_id, loaded in list(self._loaded.items()):
            if _digest(await _stored_posterior(session, fit_id)) != loaded.digest:
                self._loaded.pop(fit_id, None)
        return await self.belief(session)

    async def belief_of(self, session: AsyncSession, fit_id: int | None) -> Belief:
        """The belief of a fit, or the prior; NotFound if the fit's posterior cannot be read."""
        if fit_id is None:
            return Belief(None, prior())
        posterior = await self._posterior(session, fit_id)
        if posterior is None:
            raise NotFound(f"the posterior of fit {fit_id} cannot be read")
        return Belief(fit_id, posterior)

    async def _posterior(self, session: AsyncSession, fit_id: int) -> Posterior | None:
        """The posterior of a fit; None, with a log entry, if it cannot be read."""
        if fit_id in self._loaded:
            return self._loaded[fit_id].posterior
        stored = await _stored_posterior(session, fit_id)
        posterior = None
        try:
            posterior = Posterior.from_bytes(stored)
        except PosteriorError as error:
            log.error("the posterior of fit %d cannot be read: %s", fit_id, error)  # noqa: TRY400  # the message is complete
        remember(self._loaded, {fit_id: _Loaded(_digest(stored), posterior)}, KEPT_POSTERIORS)
        return posterior

    def read(
        self, view: View, stands: Sequence[Stand], at: datetime, belief: Belief
    ) -> AggregateEstimate:
        """The Bayesian aggregate of a question at a moment, computed from its stands."""
        return self._pooled(view, forecasts.standing_at(stands, view, at), at, belief)

    def _pooled(
        self, view: View, standing: Sequence[Stand], at: datetime, belief: Belief
    ) -> AggregateEstimate:
        answer = self._answer(standing, belief, view.revision.domain)
        return AggregateEstimate(
            method=BAYES,
            probability=answer.probability,
            lower=answer.lower,
            upper=answer.upper,
            level=answer.level,
            forecasters=answer.forecasters,
            as_of=at,
            fit_id=belief.fit_id,
            fingerprint=belief.posterior.fingerprint,
        )

    def _answer(self, standing: Sequence[Stand], belief: Belief, domain: str) -> live.Aggregate:
        """The aggregate under a posterior; without forecasts it is the same for a whole domain."""
        empty = (belief.fit_id, domain)
        if not standing and empty in self._of_nobody:
            return self._of_nobody[empty]
        answer = live.aggregate(
            belief.posterior,
            [str(stand.account_id) for stand in standing],
            [stand.probability for stand in standing],
            [stand.start for stand in standing],
            domain=domain,
            level=self.level,
        )
        if not standing:
            remember(self._of_nobody, {empty: answer}, KEPT_DOMAINS)
        return answer

    def published(
        self, view: View, stands: Sequence[Stand], *, cause: Cause, at: datetime, belief: Belief
    ) -> tuple[AggregateEstimate, dict[str, Any]]:
        """The aggregate to publish for a question as of a moment, and its row."""
        standing = forecasts.standing_at(stands, view, at)
        estimate = self._pooled(view, standing, at, belief)
        return estimate, _row(view, estimate, cause, standing)

    async def publish(
        self,
        session: AsyncSession,
        views: Sequence[View],
        *,
        cause: Cause,
        at: datetime,
        stands: Mapping[int, Sequence[Stand]] | None = None,
    ) -> list[AggregateEstimate]:
        """Compute and append the aggregates of (locked) questions as of a moment.

        `stands` are the stands by question id, if they have been read already.
        """
        if not views:
            return []
        belief = await self.belief(session)
        stands = stands or await self._stands(session, views, at)
        made = [
            self.published(view, stands[view.id], cause=cause, at=at, belief=belief)
            for view in views
        ]
        await append(session, [row for _, row in made])
        return [estimate for estimate, _ in made]

    async def publish_one(
        self, session: AsyncSession, actor: Actor, view: View, *, cause: Cause, at: datetime
    ) -> AggregateEstimate:
        """Publish a locked question's aggregate as of a moment and return what the actor sees."""
        (estimate,) = await self.publish(session, [view], cause=cause, at=at)
        hidden = await visibility.hidden(session, actor, [view], at)
        return estimate.seen(hidden.get(view.id))

    async def current(
        self, session: AsyncSession, actor: Actor, views: Sequence[View]
    ) -> dict[int, AggregateEstimate]:
        """The present Bayesian aggregate of each question as the actor sees it.

        The published aggregate is used while it still holds; otherwise a new one is computed.
        """
        at = now()
        hidden = await visibility.hidden(session, actor, views, at)
        rows = await session.execute(_latest(), {"ids": [view.id for view in views]})
        published: dict[int, Any] = {row.requested_id: row for row in rows}
        estimates = _held([(view, published[view.id]) for view in views], at)
        missing = [view for view in views if view.id not in estimates]
        if missing:
            silent = {view.id for view in missing if not published[view.id].cause}
            estimates |= await self._computed(session, missing, at, silent)
        return {view.id: estimates[view.id].seen(hidden.get(view.id)) for view in views}

    async def question_with_aggregate(
        self, database: Database, actor: Actor, question_id: int
    ) -> tuple[View, AggregateEstimate]:
        """A question and its present Bayesian aggregate as the actor sees them.

        NotFound names the question. While the published aggregate holds, this takes one statement
        and no transaction.
        """
        async with database.autocommit() as session:
            at = now()
            query = _published_with(questions.one_query())
            rows = await questions.rows(session, query, {"question": question_id})
            view = questions.seen(rows[0][0] if rows else None, question_id, actor)
            estimate = _held(rows, at).get(question_id)
            if estimate is not None:
                hidden = await visibility.hidden(session, actor, [view], at)
                return view, estimate.seen(hidden.get(question_id))
        async with database.read() as session:
            view = await questions.get(session, question_id, actor=actor)
            return view, (await self.current(session, actor, [view]))[question_id]

    async def _computed(
        self, session: AsyncSession, views: Sequence[View], at: datetime, silent: set[int]
    ) -> dict[int, AggregateEstimate]:
        """Aggregates as of now; `silent` questions have no published aggregate and no forecasts."""
        belief = await self.belief(session)
        stands: dict[int, list[Stand]] = {question_id: [] for question_id in silent}
        forecast_on = [view for view in views if view.id not in silent]
        if forecast_on:
            stands |= await self._stands(session, forecast_on, at)
        return {view.id: self.read(view, stands[view.id], at, belief) for view in views}

    async def _stands(
        self, session: AsyncSession, views: Sequence[View], at: datetime
    ) -> dict[int, list[Stand]]:
        """The stands that the present aggregate needs: usually the latest of each account.

        They come from the cache, which reads only newly appended facts. After the effective close
        an earlier forecast may be the last one that counts, so all stands are read.
        """
        ended = sorted(view.id for view in views if _ended(view, at))
        running = sorted(view.id for view in views if not _ended(view, at))
        latest = await self.active_forecasts.of(session, running)
        stands = {question_id: active.listed() for question_id, active in latest.items()}
        return stands | await forecasts.stands(session, ended, known_at=at)

    async def preview(
        self, session: AsyncSession, actor: Actor, view: View, probability: float
    ) -> AggregateEstimate:
        """The aggregate of an open question if the actor submitted this probability now.

        Nothing is stored. Readers who may not see the present aggregate do not see this one either.
        """
        at = now()
        hidden = await visibility.hidden(session, actor, [view], at)
        stands = (await self._stands(session, [view], at))[view.id]
        others = [stand for stand in stands if stand.account_id != actor.id]
        mine = Stand(actor.id, probability, at.timestamp(), math.inf)
        estimate = self.read(view, [*others, mine], at, await self.belief(session))
        return estimate.seen(hidden.get(view.id))

    async def as_known_at(
        self,
        session: AsyncSession,
        actor: Actor,
        question_id: int,
        *,
        method: str = BAYES,
        at: datetime | None = None,
    ) -> tuple[View, AggregateEstimate]:
        """A question and its aggregate by a method, as known at a moment (None: now).

        Later rows never change the answer; the visibility rules are those in force now.

        Args:
            actor: the reader.
            method: `bayes` or the name of a classic pool; Invalid lists the methods.
            at: not in the future (Invalid) and not before the question existed (NotFound).
        """
        if method not in METHODS:
            raise Invalid(f"method must be one of {', '.join(METHODS)}", field="method")
        present = await questions.get(session, question_id, actor=actor)
        if method == BAYES and at is None:
            return present, (await self.current(session, actor, [present]))[question_id]
        moment = now()
        hidden = await visibility.hidden(session, actor, [present], moment)
        view = present
        if at is not None:
            await require_known(session, present, at)
            view = await questions.get(session, question_id, known_at=at, actor=actor)
            moment = at
        estimate = await self._read_at(session, view, method, moment)
        return view, estimate.seen(hidden.get(question_id))

    async def _read_at(
        self, session: AsyncSession, view: View, method: str, moment: datetime
    ) -> AggregateEstimate:
        """The aggregate by a method as of a moment.

        A past Bayesian aggregate is the one published by then, recomputed if forecasts had expired
        in the meantime.
        """
        if method != BAYES:
            stands = await forecasts.stands(session, [view.id], known_at=moment)
            return _pooled(method, forecasts.standing_at(stands[view.id], view, moment), moment)
        row = await session.scalar(
            select(Aggregate)
            .where(Aggregate.question_id == view.id, Aggregate.created_at <= moment)
            .order_by(Aggregate.id.desc())
            .limit(1)
        )
        if row is not None and holds(row, view, moment):
            return estimate_of_row(row, moment)
        stands = await forecasts.stands(session, [view.id], known_at=moment)
        belief = await self.belief(session, moment)
        return self.read(view, stands[view.id], moment, belief)


def _held(rows: Iterable[tuple[View, Any]], at: datetime) -> dict[int, AggregateEstimate]:
    """The latest published aggregates that still hold under the fit in force, by question id.

    `rows` have the columns added by `_published_with`.
    """
    return {
        view.id: estimate_of_row(row, at)
        for view, row in rows
        if row.cause and holds(row, view, at) and (row.fit_id == row.accepted or view.resolved)
    }


@cache
def _latest() -> Select[*tuple[Any, ...]]:
    """The latest published aggregate of each question, with the id of the latest accepted fit."""
    question = Question.__table__
    query = select(question.c.id.label("requested_id")).select_from(question)
    requested = question.c.id.in_(bindparam("ids", expanding=True))
    return _published_with(query).where(requested)


@cache
def _published_with(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Add each question's latest published aggregate and the latest accepted fit to a query."""
    question, fit, aggregate = Question.__table__, Fit.__table__.c, Aggregate.__table__
    other = aggregate.alias()
    last = select(func.max(other.c.id)).where(other.c.question_id == question.c.id)
    accepted = select(func.max(fit.id)).where(fit.status == FitStatus.accepted)
    return query.add_columns(
        accepted.scalar_subquery().label("accepted"),
        *(column for column in aggregate.c if column.name != "id"),
    ).outerjoin(aggregate, aggregate.c.id == last.correlate(question).scalar_subquery())


async def _stored_posterior(session: AsyncSession, fit_id: int) -> bytes:
    return await session.scalar(select(Fit.posterior).where(Fit.id == fit_id)) or b""


def _digest(stored: bytes) -> bytes:
    return hashlib.blake2b(stored, digest_size=16).digest()


@cache
def prior() -> Posterior:
    """The draws from the prior, used until a fit is accepted."""
    return Posterior.prior()


async def first_fit_at(session: AsyncSession) -> datetime | None:
    """When the first fit was accepted; until then aggregates use the prior."""
    first: datetime | None = await session.scalar(
        select(func.min(Fit.created_at)).where(Fit.status == FitStatus.accepted)
    )
    return first


async def history(
    session: AsyncSession,
    actor: Actor,
    view: View,
    *,
    after: int,
    limit: int,
    as_of: datetime | None,
) -> tuple[list[Aggregate], Hidden | None]:
    """Published aggregates of a question after an id, oldest first; none while hidden."""
    hidden = await visibility.hidden(session, actor, [view], now())
    if view.id in hidden:
        return [], hidden[view.id]
    query = (
        select(Aggregate)
        .where(Aggregate.question_id == view.id, Aggregate.id > after)
        .order_by(Aggregate.id)
        .limit(limit)
    )
    if as_of is not None:
        query = query.where(Aggregate.created_at <= as_of)
    return list(await session.scalars(query)), None


async def require_known(session: AsyncSession, view: View, at: datetime) -> None:
    """Reject a moment in the future or before the question existed."""
    if at > now():
        raise Invalid("as_of must not be in the future", field="as_of")
    (first,) = await questions.revisions(session, view.id, after=0, limit=1)
    if at < first.created_at:
        raise NotFound(f"question {view.id} did not exist at {at.isoformat()}")


def _ended(view: View, at: datetime) -> bool:
    return view.ends_at is not None and view.ends_at <= at


def holds(row: Aggregate, view: View, at: datetime) -> bool:
    """Whether a published aggregate is still up to date.

    A resolved question keeps the aggregate published with its resolution, because later fits have
    learned from its outcome.
    """
    changed = [view.revision.created_at]
    if view.resolution is not None:
        changed.append(view.resolution.created_at)
    unexpired = row.valid_until is None or at < row.valid_until
    return unexpired and row.created_at >= max(changed)


async def append(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append published aggregates."""
    connection = await session.connection()
    query = insert(Aggregate).returning(Aggregate.id, sort_by_parameter_order=True)
    await connection.execute(query, rows)


def _row(
    view: View, estimate: AggregateEstimate, cause: Cause, standing: Sequence[Stand]
) -> dict[str, Any]:
    PUBLISHED.labels(cause).inc()
    closes = view.ends_at.timestamp() if view.ends_at else np.inf
    moment = estimate.as_of.timestamp()
    ends = [stand.end for stand in standing if moment < stand.end < closes]
    return {
        "question_id": view.id,
        "cause": cause,
        "probability": estimate.probability,
        "lower": estimate.lower,
        "upper": estimate.upper,
        "level": estimate.level,
        "forecasters": estimate.forecasters,
        "fit_id": estimate.fit_id,
        "fingerprint": estimate.fingerprint,
        "algorithm": live.ALGORITHM,
        "valid_until": datetime.fromtimestamp(min(ends), UTC) if ends else None,
        "created_at": estimate.as_of,
    }


def estimate_of_row(row: Aggregate, at: datetime) -> AggregateEstimate:
    """The estimate given by a published aggregate at a moment at which it holds."""
    return AggregateEstimate(
        method=BAYES,
        probability=row.probability,
        lower=row.lower,
        upper=row.upper,
        level=row.level,
        forecasters=row.forecasters,
        as_of=at,
        fit_id=row.fit_id,
        fingerprint=row.fingerprint,
    )


def _pooled(method: str, standing: Sequence[Stand], at: datetime) -> AggregateEstimate:
    pooled = pooling.pool(
        method, [stand.probability for stand in standing], [stand.start for stand in standing]
    )
    return AggregateEstimate(
        method=method,
        probability=pooled if np.isfinite(pooled) else None,
        lower=None,
        upper=None,
        level=None,
        forecasters=len(standing),
        as_of=at,
        fit_id=None,
        fingerprint=None,
    )
