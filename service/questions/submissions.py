"""Submitting forecasts: those that come at the same time are stored in one transaction.

A submission costs less than the transaction around it: the locks, the looking up, the waiting for
the disk. So what comes while a transaction is under way waits, and is stored by the next one
together; each is checked, stored and answered by itself. Forecasts on one question that are stored
at one moment lead to one aggregate, which has them all, and each is answered with it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.database.engine import Database
from service.exceptions import Problem
from service.models import Cause, Forecast, Role
from service.permissions import Actor
from service.questions import aggregates, forecasts, questions, visibility
from service.questions.active_forecasts import ActiveForecasts
from service.questions.aggregates import AggregateEstimate, Aggregator
from service.questions.forecasts import Draft
from service.questions.hash_chain import Receipt
from service.questions.questions import View
from service.web import idempotency
from service.web.idempotency import Key

MOST_FORECASTS: Final = 64
"""How many forecasts one transaction takes of several submissions; one alone may have more."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A forecast that was stored, its receipt, and the aggregate that its forecaster sees."""

    forecast: Forecast
    receipt: Receipt
    reading: AggregateEstimate


Answer = Callable[[list[Stored]], bytes]


@dataclass(frozen=True, slots=True, eq=False)
class _Submission:
    actor: Actor
    drafts: Sequence[Draft]
    key: Key | None
    request: bytes
    answer: Answer
    unrepeated_within: timedelta | None = None
    answered: "asyncio.Future[tuple[bytes, bool]]" = field(default_factory=asyncio.Future)


_Outcome = tuple[bytes, bool] | Problem


class Submissions:
    """The process's submissions, one transaction after the other."""

    def __init__(self, database: Database, aggregator: Aggregator) -> None:
        self._database = database
        self._aggregator = aggregator
        self._waiting: deque[_Submission] = deque()
        self._work: asyncio.Task[None] | None = None

    async def submit(
        self,
        actor: Actor,
        drafts: Sequence[Draft],
        answer: Answer,
        *,
        key: str | None = None,
        request: bytes = b"",
        unrepeated_within: timedelta | None = None,
    ) -> tuple[bytes, bool]:
        """Append forecasts, all or none, each with the aggregate that it leads to.

        Args:
            actor: who forecasts.
            drafts: at least one, in the order in which they are said.
            answer: makes the answer, as JSON, which is kept under the key in the same transaction.
            key: the Idempotency-Key header; see `idempotency.once`.
            request: what was asked (method, path and body).
            unrepeated_within: leave out what repeats a forecast of so long ago; see
                `forecasts.unrepeated`.

        Returns:
            The answer, and whether it is the one that the same key got before.
        """
        actor.require(Role.forecaster, "forecast")
        asked = Key.of(actor, key)
        one = _Submission(actor, drafts, asked, request, answer, unrepeated_within)
        self._waiting.append(one)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._store_all())
        return await one.answered

    async def _store_all(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft()]
            while self._waiting and _fits(batch, self._waiting[0]):
                batch.append(self._waiting.popleft())
            await self._store(batch)

    async def _store(self, batch: Sequence[_Submission]) -> None:
        outcomes: list[_Outcome] = []
        try:
            async with self._database.write() as session:
                outcomes = await self._outcomes(session, batch)
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait are told
            if outcomes or len(batch) == 1:  # the commit failed, or there is nobody else to spare
                for one in batch:
                    _tell(one, error)
                return
            for one in batch:
                await self._store([one])
            return
        for one, outcome in zip(batch, outcomes, strict=True):
            _tell(one, outcome)

    async def _outcomes(
        self, session: AsyncSession, batch: Sequence[_Submission]
    ) -> list[_Outcome]:
        outcomes = await _repeated(session, batch)
        asked = {draft.question_id for one in batch if one not in outcomes for draft in one.drafts}
        await questions.lock(session, list(asked))
        at = now()
        views = await questions.many(session, asked)
        latest = await self._aggregator.active_forecasts.of(session, sorted(views))
        fresh: dict[_Submission, list[Draft]] = {}
        for one in batch:
            if one not in outcomes:
                try:
                    fresh[one] = _checked(one, views, latest, at)
                except Problem as problem:
                    outcomes[one] = problem
        stored = await self._append(session, fresh, views, latest, at)
        answers = {one: one.answer(its) for one, its in stored.items()}
        await idempotency.remember(
            session, {one.key: (one.request, said) for one, said in answers.items() if one.key}
        )
        outcomes |= {one: (said, False) for one, said in answers.items()}
        return [outcomes[one] for one in batch]

    async def _append(
        self,
        session: AsyncSession,
        fresh: Mapping[_Submission, list[Draft]],
        views: Mapping[int, View],
        latest: dict[int, ActiveForecasts],
        at: datetime,
    ) -> dict[_Submission, list[Stored]]:
        said = [(one, draft) for one, drafts in fresh.items() for draft in drafts]
        stored: dict[_Submission, list[Stored]] = {one: [] for one in fresh}
        if not said:
            return stored
        belief = await self._aggregator.belief(session)
        heads = {question_id: one.head for question_id, one in latest.items()}
        made = await forecasts.append(
            session, [(one.actor, draft) for one, draft in said], heads, at
        )
        moments: dict[tuple[int, datetime], list[Forecast]] = {}
        for forecast, _ in made:
            moments.setdefault((forecast.question_id, forecast.created_at), []).append(forecast)
        readings, rows = {}, []
        for (question_id, moment), those in moments.items():
            latest[question_id] = latest[question_id].then(those)
            readings[question_id, moment], row = self._aggregator.published(
                views[question_id],
                latest[question_id].listed(),
                cause=Cause.forecast,
                at=moment,
                belief=belief,
            )
            rows.append(row)
        for (one, _), (forecast, receipt) in zip(said, made, strict=True):
            view, moment = views[forecast.question_id], forecast.created_at
            reading = readings[view.id, moment]
            hidden = visibility.hidden_from_forecaster(one.actor, view, moment)
            stored[one].append(Stored(forecast, receipt, reading.seen(hidden)))
        await aggregates.append(session, rows)
        self._aggregator.active_forecasts.keep_once_committed(session, latest)
        return stored


async def _repeated(
    session: AsyncSession, batch: Iterable[_Submission]
) -> dict[_Submission, _Outcome]:
    """The answers of those that were answered before."""
    kept = await idempotency.answered(session, [one.key for one in batch if one.key])
    outcomes: dict[_Submission, _Outcome] = {}
    for one in batch:
        if one.key in kept:
            try:
                outcomes[one] = kept[one.key].to(one.request), True
            except Problem as problem:
                outcomes[one] = problem
    return outcomes


def _checked(
    one: _Submission, views: Mapping[int, View], latest: Mapping[int, ActiveForecasts], at: datetime
) -> list[Draft]:
    """What of a submission is new; refuse all of it for the first that cannot be stored."""
    drafts = list(one.drafts)
    if one.unrepeated_within is not None:
        stands = {question_id: known.stands for question_id, known in latest.items()}
        mine = {
            question_id: those[one.actor.id]
            for question_id, those in stands.items()
            if one.actor.id in those
        }
        drafts = forecasts.unrepeated(drafts, mine, at, within=one.unrepeated_within)
    drafts = [forecasts.checked(draft, at) for draft in drafts]
    for draft in drafts:
        view = questions.seen(views.get(draft.question_id), draft.question_id, one.actor)
        forecasts.require_open(view, at)
    return drafts


def _fits(batch: Sequence[_Submission], another: _Submission) -> bool:
    """Whether another one can go into the same transaction: none that may repeat one of it."""
    many = sum(len(one.drafts) for one in (*batch, another))
    repeatable = another.key is not None or another.unrepeated_within is not None
    again = repeatable and another.actor.id in {one.actor.id for one in batch}
    return many <= MOST_FORECASTS and not again


def _tell(one: _Submission, outcome: tuple[bytes, bool] | Exception) -> None:
    if one.answered.done():  # whoever asked has gone
        return
    if isinstance(outcome, Exception):
        one.answered.set_exception(outcome)
    else:
        one.answered.set_result(outcome)
