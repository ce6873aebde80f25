"""Aggregates: computed from the facts and the latest accepted posterior, published as rows."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from typing import Final

import numpy as np
from prometheus_client import Counter
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting import live, pooling
from forecasting.posterior import Posterior, PosteriorError
from service import forecasts, questions, visibility
from service.accounts import Actor
from service.clock import now
from service.errors import Invalid, NotFound
from service.forecasts import Stand
from service.models import Aggregate, Fit, FitStatus
from service.questions import View
from service.standings import Standings
from service.visibility import Hidden

log = logging.getLogger(__name__)

BAYES: Final = "bayes"
METHODS: Final = (BAYES, *pooling.POOLS)
KEPT_POSTERIORS: Final = 4
PUBLISHED: Final = Counter(
    "credence_aggregates", "Aggregates that this process computed to publish", ["cause"]
)


@dataclass(frozen=True, slots=True)
class Belief:
    """The posterior in force at a moment; without an accepted fit, the prior."""

    fit_id: int | None
    posterior: Posterior


@dataclass(frozen=True, slots=True)
class Reading:
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

    def seen(self, hidden: Hidden | None) -> "Reading":
        """The reading as someone sees it for whom it is hidden, or is not (None)."""
        if hidden is None:
            return self
        return replace(self, probability=None, lower=None, upper=None, hidden=hidden)


class Aggregator:
    """Computes aggregates; keeps the posteriors that it has read, which never change."""

    def __init__(self, level: float) -> None:
        self.level = level
        self._kept: dict[int, Posterior] = {}
        self._standings = Standings()

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
            posterior = self._kept.get(fit_id) or await self._load(session, fit_id)
            if posterior is not None:
                return Belief(fit_id, posterior)
        return Belief(None, prior())

    async def belief_of(self, session: AsyncSession, fit_id: int | None) -> Belief:
        """What a fit believes, or the prior; NotFound if its posterior cannot be read."""
        if fit_id is None:
            return Belief(None, prior())
        posterior = self._kept.get(fit_id) or await self._load(session, fit_id)
        if posterior is None:
            raise NotFound(f"the posterior of fit {fit_id} cannot be read")
        return Belief(fit_id, posterior)

    async def _load(self, session: AsyncSession, fit_id: int) -> Posterior | None:
        stored = await session.scalar(select(Fit.posterior).where(Fit.id == fit_id))
        try:
            posterior = Posterior.from_bytes(stored or b"")
        except PosteriorError as error:
            log.error("the posterior of fit %d cannot be read: %s", fit_id, error)  # noqa: TRY400  # the sentence says it all
            return None
        while len(self._kept) >= KEPT_POSTERIORS:
            self._kept.pop(next(iter(self._kept)))
        self._kept[fit_id] = posterior
        return posterior

    def read(self, view: View, found: Sequence[Stand], at: datetime, belief: Belief) -> Reading:
        """The Bayesian aggregate of a question from its stands at a moment."""
        standing = forecasts.standing_at(found, view, at)
        answer = live.aggregate(
            belief.posterior,
            [str(one.account_id) for one in standing],
            [one.probability for one in standing],
            [one.start for one in standing],
            domain=view.revision.domain,
            level=self.level,
        )
        return Reading(
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

    def row(
        self, view: View, found: Sequence[Stand], *, cause: str, at: datetime, belief: Belief
    ) -> Aggregate:
        """What is published of a question as of a moment, from its stands."""
        return _row(view, self.read(view, found, at, belief), cause, found)

    async def publish(
        self,
        session: AsyncSession,
        views: Sequence[View],
        *,
        cause: str,
        at: datetime,
        belief: Belief | None = None,
    ) -> list[Aggregate]:
        """Compute and append the aggregates of (locked) questions as of a moment."""
        belief = belief or await self.belief(session)
        found = await _stands(session, views, at)
        rows = [self.row(view, found[view.id], cause=cause, at=at, belief=belief) for view in views]
        session.add_all(rows)
        await session.flush()
        return rows

    async def publish_one(
        self, session: AsyncSession, actor: Actor, view: View, *, cause: str, at: datetime
    ) -> Reading:
        """Publish the aggregate of one locked question as of a moment, and read it as the actor.

        While forecasts are taken, only what was appended since the last time is read.
        """
        if _ended(view, at):
            (row,) = await self.publish(session, [view], cause=cause, at=at)
        else:
            found = await self._standings.of(session, view.id)
            row = self.row(view, found, cause=cause, at=at, belief=await self.belief(session))
            session.add(row)
            await session.flush()
        hidden = await visibility.hidden(session, actor, [view], at)
        return reading_of(row, at).seen(hidden.get(view.id))

    async def current(
        self, session: AsyncSession, actor: Actor, views: Sequence[View]
    ) -> dict[int, Reading]:
        """The present Bayesian aggregate of each question as the actor sees it.

        It is the published one where nothing has happened since, else computed.
        """
        at = now()
        hidden = await visibility.hidden(session, actor, views, at)
        belief = await self.belief(session)
        latest = (
            select(func.max(Aggregate.id))
            .where(Aggregate.question_id.in_([view.id for view in views]))
            .group_by(Aggregate.question_id)
        )
        rows = await session.scalars(select(Aggregate).where(Aggregate.id.in_(latest)))
        published = {row.question_id: row for row in rows}
        readings: dict[int, Reading] = {}
        missing: list[View] = []
        for view in views:
            row = published.get(view.id)
            same_fit = row is not None and row.fit_id == belief.fit_id
            if row is not None and holds(row, view, at) and (same_fit or view.resolved):
                readings[view.id] = reading_of(row, at)
            else:
                missing.append(view)
        found = await _stands(session, missing, at)
        for view in missing:
            readings[view.id] = self.read(view, found[view.id], at, belief)
        return {view.id: readings[view.id].seen(hidden.get(view.id)) for view in views}

    async def if_said(
        self, session: AsyncSession, actor: Actor, view: View, probability: float
    ) -> Reading:
        """What the aggregate of an open question would be if the actor said so now.

        Nothing is stored. It is hidden from those who do not see the present one.
        """
        at = now()
        hidden = await visibility.hidden(session, actor, [view], at)
        found = (await _stands(session, [view], at))[view.id]
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
    ) -> tuple[View, Reading]:
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
    ) -> Reading:
        """For the Bayesian aggregate of the past it is the one that was published then.

        It is brought up to date where forecasts had expired since.
        """
        found = await _stands(session, [view], moment)
        if method != BAYES:
            return _pooled(method, forecasts.standing_at(found[view.id], view, moment), moment)
        row = await session.scalar(
            select(Aggregate)
            .where(Aggregate.question_id == view.id, Aggregate.created_at <= moment)
            .order_by(Aggregate.id.desc())
            .limit(1)
        )
        if row is not None and holds(row, view, moment):
            return reading_of(row, moment)
        belief = await self.belief(session, moment)
        return self.read(view, found[view.id], moment, belief)


@lru_cache(maxsize=1)
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


async def _stands(
    session: AsyncSession, views: Sequence[View], at: datetime
) -> dict[int, list[Stand]]:
    """The stands that an aggregate needs: the latest of each account while forecasts are taken.

    After the effective close an earlier one may be the last that counts, so all are read.
    """
    ended = {view.id for view in views if _ended(view, at)}
    going = [view.id for view in views if view.id not in ended]
    found = await forecasts.stands(session, going, known_at=at, latest_only=True)
    return found | await forecasts.stands(session, sorted(ended), known_at=at)


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


def _row(view: View, reading: Reading, cause: str, found: Sequence[Stand]) -> Aggregate:
    PUBLISHED.labels(cause).inc()
    closes = view.ends_at.timestamp() if view.ends_at else np.inf
    ends = [
        one.end
        for one in forecasts.standing_at(found, view, reading.as_of)
        if reading.as_of.timestamp() < one.end < closes
    ]
    return Aggregate(
        question_id=view.id,
        cause=cause,
        probability=reading.probability,
        lower=reading.lower,
        upper=reading.upper,
        level=reading.level,
        forecasters=reading.forecasters,
        fit_id=reading.fit_id,
        fingerprint=reading.fingerprint,
        valid_until=datetime.fromtimestamp(min(ends), UTC) if ends else None,
        created_at=reading.as_of,
    )


def reading_of(row: Aggregate, at: datetime) -> Reading:
    """A published aggregate, read at a moment at which it holds."""
    return Reading(
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


def _pooled(method: str, standing: Sequence[Stand], at: datetime) -> Reading:
    pooled = pooling.pool(
        method, [one.probability for one in standing], [one.start for one in standing]
    )
    return Reading(
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
