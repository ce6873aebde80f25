"""Submission of forecasts: simultaneous submissions share one transaction.

A submission costs less than the transaction around it, with its locks, queries and disk writes.
Submissions that arrive during a transaction are therefore queued and stored together by the next
one; each is validated, stored and answered separately. Forecasts on one question that are stored at
the same time lead to one aggregate, which includes all of them and is returned to each submitter.
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
"""The limit of forecasts in a transaction of several submissions; a single one may exceed it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored forecast, its receipt, and the aggregate as its forecaster sees it."""

    forecast: Forecast
    receipt: Receipt
    estimate: AggregateEstimate


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
    """The queue of submissions in this process; its transactions run one at a time."""

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
        """Append forecasts, all or none, each with the resulting aggregate.

        Args:
            actor: the forecaster.
            drafts: at least one forecast, in the order in which to store them.
            answer: encodes the response as JSON; it is stored under the key in the same
                transaction.
            key: the Idempotency-Key header; see `idempotency.once`.
            request: the request's method, path and body.
            unrepeated_within: omit drafts that repeat a forecast made at most this long ago; see
                `forecasts.unrepeated`.

        Returns:
            The response, and whether it was replayed for a repeated key.
        """
        actor.require(Role.forecaster, "forecast")
        submission = _Submission(
            actor, drafts, Key.of(actor, key), request, answer, unrepeated_within
        )
        self._waiting.append(submission)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._store_all())
        return await submission.answered

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
        except Exception as error:  # noqa: BLE001  # every error is passed on to the submitters
            if outcomes or len(batch) == 1:  # the commit failed, or no other submission is affected
                for submission in batch:
                    _finish(submission, error)
                return
            for submission in batch:
                await self._store([submission])
            return
        for submission, outcome in zip(batch, outcomes, strict=True):
            _finish(submission, outcome)

    async def _outcomes(
        self, session: AsyncSession, batch: Sequence[_Submission]
    ) -> list[_Outcome]:
        outcomes = await _repeated(session, batch)
        question_ids = {
            draft.question_id
            for submission in batch
            if submission not in outcomes
            for draft in submission.drafts
        }
        await questions.lock(session, list(question_ids))
        at = now()
        views = await questions.many(session, question_ids)
        latest = await self._aggregator.active_forecasts.of(session, sorted(views))
        fresh: dict[_Submission, list[Draft]] = {}
        for submission in batch:
            if submission not in outcomes:
                try:
                    fresh[submission] = _checked(submission, views, latest, at)
                except Problem as problem:
                    outcomes[submission] = problem
        stored = await self._append(session, fresh, views, latest, at)
        answers = {submission: submission.answer(rows) for submission, rows in stored.items()}
        await idempotency.remember(
            session,
            {
                submission.key: (submission.request, answer)
                for submission, answer in answers.items()
                if submission.key
            },
        )
        outcomes |= {submission: (answer, False) for submission, answer in answers.items()}
        return [outcomes[submission] for submission in batch]

    async def _append(
        self,
        session: AsyncSession,
        fresh: Mapping[_Submission, list[Draft]],
        views: Mapping[int, View],
        latest: dict[int, ActiveForecasts],
        at: datetime,
    ) -> dict[_Submission, list[Stored]]:
        submitted = [
            (submission, draft) for submission, drafts in fresh.items() for draft in drafts
        ]
        stored: dict[_Submission, list[Stored]] = {submission: [] for submission in fresh}
        if not submitted:
            return stored
        belief = await self._aggregator.belief(session)
        heads = {question_id: active.head for question_id, active in latest.items()}
        made = await forecasts.append(
            session, [(submission.actor, draft) for submission, draft in submitted], heads, at
        )
        moments: dict[tuple[int, datetime], list[Forecast]] = {}
        for forecast, _ in made:
            moments.setdefault((forecast.question_id, forecast.created_at), []).append(forecast)
        estimates, rows = {}, []
        for (question_id, moment), simultaneous in moments.items():
            latest[question_id] = latest[question_id].then(simultaneous)
            estimates[question_id, moment], row = self._aggregator.published(
                views[question_id],
                latest[question_id].listed(),
                cause=Cause.forecast,
                at=moment,
                belief=belief,
            )
            rows.append(row)
        for (submission, _), (forecast, receipt) in zip(submitted, made, strict=True):
            view, moment = views[forecast.question_id], forecast.created_at
            estimate = estimates[view.id, moment]
            hidden = visibility.hidden_from_forecaster(submission.actor, view, moment)
            stored[submission].append(Stored(forecast, receipt, estimate.seen(hidden)))
        await aggregates.append(session, rows)
        self._aggregator.active_forecasts.keep_once_committed(session, latest)
        return stored


async def _repeated(
    session: AsyncSession, batch: Iterable[_Submission]
) -> dict[_Submission, _Outcome]:
    """The stored responses of submissions whose key was used before."""
    kept = await idempotency.answered(
        session, [submission.key for submission in batch if submission.key]
    )
    outcomes: dict[_Submission, _Outcome] = {}
    for submission in batch:
        if submission.key in kept:
            try:
                outcomes[submission] = kept[submission.key].to(submission.request), True
            except Problem as problem:
                outcomes[submission] = problem
    return outcomes


def _checked(
    submission: _Submission,
    views: Mapping[int, View],
    latest: Mapping[int, ActiveForecasts],
    at: datetime,
) -> list[Draft]:
    """The new drafts of a submission; raises if any of them cannot be stored."""
    drafts, actor = list(submission.drafts), submission.actor
    if submission.unrepeated_within is not None:
        mine = {
            question_id: active.stands[actor.id]
            for question_id, active in latest.items()
            if actor.id in active.stands
        }
        drafts = forecasts.unrepeated(drafts, mine, at, within=submission.unrepeated_within)
    drafts = [forecasts.checked(draft, at) for draft in drafts]
    for draft in drafts:
        view = questions.seen(views.get(draft.question_id), draft.question_id, actor)
        forecasts.require_open(view, at)
    return drafts


def _fits(batch: Sequence[_Submission], another: _Submission) -> bool:
    """Whether another submission may join the transaction; one that may be a repeat may not."""
    size = sum(len(submission.drafts) for submission in (*batch, another))
    repeatable = another.key is not None or another.unrepeated_within is not None
    repeat = repeatable and another.actor.id in {submission.actor.id for submission in batch}
    return size <= MOST_FORECASTS and not repeat


def _finish(submission: _Submission, outcome: tuple[bytes, bool] | Exception) -> None:
    if submission.answered.done():  # the client has disconnected
        return
    if isinstance(outcome, Exception):
        submission.answered.set_exception(outcome)
    else:
        submission.answered.set_result(outcome)
