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

    A classic pool has no interval, and says nothing without forecasts. Where `hidden` says why the
    reader does not see it, every figure but the number of forecasters is None.
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
        """The reading as someone sees it for whom it is hidden, or is not (None)."""
        if hidden is None:
            return self
        return replace(self, probability=None, lower=None, upper=None, hidden=hidden)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A posterior as it was read, None if it could not be, with a digest of what was stored."""

    digest: bytes
    posterior: Posterior | None


class Aggregator:
    """Computes aggregates; keeps the posteriors that it has read, which never change."""

    def __init__(self, level: float) -> None:
        self.level = level
        self._loaded: dict[int, _Loaded] = {}
        self._of_nobody: dict[tuple[int | None, str], live.Aggregate] = {}
        self.active_forecasts = ActiveForecastsCache()

    async def belief(self, session: AsyncSession, known_at: datetime | None = None) -> Belief:
        """The latest fit accepted by a moment (None: now).

        One whose posterior cannot be read is passed over for the one before it, and logged.
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
        """The belief in force, after comparing what was loaded with what is stored now.

        A posterior that was damaged or mended since it was loaded is loaded anew, so that this
        process answers as any other would.
        """
        for fit_id, loaded in list(self._loaded.items()):
            if _digest(await _stored_posterior(session, fit_id)) != loaded.digest:
                self._loaded.pop(fit_id, None)
        return await self.belief(session)

    async def belief_of(self, session: AsyncSession, fit_id: int | None) -> Belief:
        """What a fit believes, or the prior; NotFound if its posterior cannot be read."""
        if fit_id is None:
            return Belief(None, prior())
        posterior = await self._posterior(session, fit_id)
        if posterior is None:
            raise NotFound(f"the posterior of fit {fit_id} cannot be read")
        return Belief(fit_id, posterior)

    async def _posterior(self, session: AsyncSession, fit_id: int) -> Posterior | None:
        """The posterior of a fit; None, and one line in the log, if it cannot be read."""
        if fit_id in self._loaded:
            return self._loaded[fit_id].posterior
        stored = await _stored_posterior(session, fit_id)
        posterior = None
        try:
            posterior = Posterior.from_bytes(stored)
        except PosteriorError as error:
            log.error("the posterior of fit %d cannot be read: %s", fit_id, error)  # noqa: TRY400  # the sentence says it all
        remember(self._loaded, {fit_id: _Loaded(_digest(stored), posterior)}, KEPT_POSTERIORS)
        return posterior

    def read(
        self, view: View, found: Sequence[Stand], at: datetime, belief: Belief
    ) -> AggregateEstimate:
        """The Bayesian aggregate of a question from its stands at a moment."""
        return self._pooled(view, forecasts.standing_at(found, view, at), at, belief)

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
        """What a posterior says; of nobody's forecasts it says the same all over a domain."""
        empty = (belief.fit_id, domain)
        if not standing and empty in self._of_nobody:
            return self._of_nobody[empty]
        answer = live.aggregate(
            belief.posterior,
            [str(one.account_id) for one in standing],
            [one.probability for one in standing],
            [one.start for one in standing],
            domain=domain,
            level=self.level,
        )
        if not standing:
            remember(self._of_nobody, {empty: answer}, KEPT_DOMAINS)
        return answer

    def published(
        self, view: View, found: Sequence[Stand], *, cause: Cause, at: datetime, belief: Belief
    ) -> tuple[AggregateEstimate, dict[str, Any]]:
        """What is published of a question as of a moment, from its stands, and its row."""
        standing = forecasts.standing_at(found, view, at)
        reading = self._pooled(view, standing, at, belief)
        return reading, _row(view, reading, cause, standing)

    async def publish(
        self,
        session: AsyncSession,
        views: Sequence[View],
        *,
        cause: Cause,
        at: datetime,
        found: Mapping[int, Sequence[Stand]] | None = None,
    ) -> list[AggregateEstimate]:
        """Compute and append the aggregates of (locked) questions as of a moment.

        `found` is every stand on them, where that was read already.
        """
        if not views:
            return []
        belief = await self.belief(session)
        found = found or await self._stands(session, views, at)
        made = [
            self.published(view, found[view.id], cause=cause, at=at, belief=belief)
            for view in views
        ]
        await append(session, [row for _, row in made])
        return [reading for reading, _ in made]

    async def publish_one(
        self, session: AsyncSession, actor: Actor, view: View, *, cause: Cause, at: datetime
    ) -> AggregateEstimate:
        """Publish the aggregate of one locked question as of a moment, and read it as the actor."""
        (reading,) = await self.publish(session, [view], cause=cause, at=at)
        hidden = await visibility.hidden(session, actor, [view], at)
        return reading.seen(hidden.get(view.id))

    async def current(
        self, session: AsyncSession, actor: Actor, views: Sequence[View]
    ) -> dict[int, AggregateEstimate]:
        """The present Bayesian aggregate of each question as the actor sees it.

        It is the published one where nothing has happened since, else computed.
        """
        at = now()
        hidden = await visibility.hidden(session, actor, views, at)
        rows = await session.execute(_latest(), {"ids": [view.id for view in views]})
        published: dict[int, Any] = {row.asked_id: row for row in rows}
        readings = _held([(view, published[view.id]) for view in views], at)
        missing = [view for view in views if view.id not in readings]
        if missing:
            silent = {view.id for view in missing if not published[view.id].cause}
            readings |= await self._computed(session, missing, at, silent)
        return {view.id: readings[view.id].seen(hidden.get(view.id)) for view in views}

    async def look(
        self, database: Database, actor: Actor, question_id: int
    ) -> tuple[View, AggregateEstimate]:
        """A question and its present Bayesian aggregate as the actor sees it; NotFound names it.

        It takes one statement, and no transaction, while the published aggregate holds.
        """
        async with database.autocommit() as session:
            at = now()
            query, asked = _published_with(questions.one_query()), {"question": question_id}
            found = await questions.rows(session, query, asked)
            view = questions.seen(found[0][0] if found else None, question_id, actor)
            reading = _held(found, at).get(question_id)
            if reading is not None:
                hidden = await visibility.hidden(session, actor, [view], at)
                return view, reading.seen(hidden.get(question_id))
        async with database.read() as session:
            view = await questions.get(session, question_id, actor=actor)
            return view, (await self.current(session, actor, [view]))[question_id]

    async def _computed(
        self, session: AsyncSession, views: Sequence[View], at: datetime, silent: set[int]
    ) -> dict[int, AggregateEstimate]:
        """Aggregates as of now; on the silent nothing was ever published, so nothing was said."""
        belief = await self.belief(session)
        found: dict[int, list[Stand]] = {one: [] for one in silent}
        heard = [view for view in views if view.id not in silent]
        if heard:
            found |= await self._stands(session, heard, at)
        return {view.id: self.read(view, found[view.id], at, belief) for view in views}

    async def _stands(
        self, session: AsyncSession, views: Sequence[View], at: datetime
    ) -> dict[int, list[Stand]]:
        """The stands that a present aggregate needs: the latest of each account, as a rule.

        Of those only what was appended since the last time is read. After the effective close an
        earlier one may be the last that counts, so all are read.
        """
        ended = sorted(view.id for view in views if _ended(view, at))
        going = sorted(view.id for view in views if not _ended(view, at))
        latest = await self.active_forecasts.of(session, going)
        found = {question_id: one.listed() for question_id, one in latest.items()}
        return found | await forecasts.stands(session, ended, known_at=at)

    async def if_said(
        self, session: AsyncSession, actor: Actor, view: View, probability: float
    ) -> AggregateEstimate:
        """What the aggregate of an open question would be if the actor said so now.

        Nothing is stored. It is hidden from those who do not see the present one.
        """
        at = now()
        hidden = await visibility.hidden(session, actor, [view], at)
        found = (await self._stands(session, [view], at))[view.id]
        others = [one for one in found if one.account_id != actor.id]
        mine = Stand(actor.id, probability, at.timestamp(), math.inf)
        reading = self.read(view, [*others, mine], at, await self.belief(session))
        return reading.seen(hidden.get(view.id))

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

        Later rows never change the answer; but who sees it is decided by the present.

        Args:
            actor: who looks.
            method: `bayes`, or the name of a classic pool; Invalid says which there are.
            at: not in the future (Invalid), nor before the question was there (NotFound).
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
        reading = await self._read_at(session, view, method, moment)
        return view, reading.seen(hidden.get(question_id))

    async def _read_at(
        self, session: AsyncSession, view: View, method: str, moment: datetime
    ) -> AggregateEstimate:
        """For the Bayesian aggregate of the past it is the one that was published then.

        It is brought up to date where forecasts had expired since.
        """
        if method != BAYES:
            found = await forecasts.stands(session, [view.id], known_at=moment)
            return _pooled(method, forecasts.standing_at(found[view.id], view, moment), moment)
        row = await session.scalar(
            select(Aggregate)
            .where(Aggregate.question_id == view.id, Aggregate.created_at <= moment)
            .order_by(Aggregate.id.desc())
            .limit(1)
        )
        if row is not None and holds(row, view, moment):
            return estimate_of_row(row, moment)
        found = await forecasts.stands(session, [view.id], known_at=moment)
        belief = await self.belief(session, moment)
        return self.read(view, found[view.id], moment, belief)


def _held(found: Iterable[tuple[View, Any]], at: datetime) -> dict[int, AggregateEstimate]:
    """What was published last of questions, by id, as far as it holds under the fit in force.

    `found` has rows with the columns of `_published_with`.
    """
    return {
        view.id: estimate_of_row(row, at)
        for view, row in found
        if row.cause and holds(row, view, at) and (row.fit_id == row.accepted or view.resolved)
    }


@cache
def _latest() -> Select[*tuple[Any, ...]]:
    """What was published last of each question, with the id of the latest accepted fit."""
    question = Question.__table__
    query = select(question.c.id.label("asked_id")).select_from(question)
    asked = question.c.id.in_(bindparam("ids", expanding=True))
    return _published_with(query).where(asked)


@cache
def _published_with(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """A query on questions with what was published last of each, and the latest accepted fit."""
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
    """The prior's draws: what answers before the first accepted fit."""
    return Posterior.prior()


async def first_fit_at(session: AsyncSession) -> datetime | None:
    """When the first fit was accepted; before it the prior answers."""
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
    """Published aggregates of a question, the oldest first, after an id; none where hidden."""
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
    """Refuse a moment in the future, or before the question was there."""
    if at > now():
        raise Invalid("as_of must not be in the future", field="as_of")
    (first,) = await questions.revisions(session, view.id, after=0, limit=1)
    if at < first.created_at:
        raise NotFound(f"question {view.id} did not exist at {at.isoformat()}")


def _ended(view: View, at: datetime) -> bool:
    return view.ends_at is not None and view.ends_at <= at


def holds(row: Aggregate, view: View, at: datetime) -> bool:
    """Whether nothing has happened to the question since an aggregate was published.

    A resolved question keeps the aggregate published with its resolution: a later fit has learned
    from its outcome.
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
    view: View, reading: AggregateEstimate, cause: Cause, standing: Sequence[Stand]
) -> dict[str, Any]:
    PUBLISHED.labels(cause).inc()
    closes = view.ends_at.timestamp() if view.ends_at else np.inf
    moment = reading.as_of.timestamp()
    ends = [one.end for one in standing if moment < one.end < closes]
    return {
        "question_id": view.id,
        "cause": cause,
        "probability": reading.probability,
        "lower": reading.lower,
        "upper": reading.upper,
        "level": reading.level,
        "forecasters": reading.forecasters,
        "fit_id": reading.fit_id,
        "fingerprint": reading.fingerprint,
        "algorithm": live.ALGORITHM,
        "valid_until": datetime.fromtimestamp(min(ends), UTC) if ends else None,
        "created_at": reading.as_of,
    }


def estimate_of_row(row: Aggregate, at: datetime) -> AggregateEstimate:
    """A published aggregate, read at a moment at which it holds."""
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
        method, [one.probability for one in standing], [one.start for one in standing]
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
