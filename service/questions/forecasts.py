"""Forecasts: submission, withdrawal, and the single rule for which forecasts count and when."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import compress
from typing import NamedTuple, TypeVarTuple, assert_never

import numpy as np
from sqlalchemy import Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.types import BoolArray, FloatArray
from service.clock import TICK, now
from service.exceptions import Conflict, Invalid
from service.models import Account, Forecast, Role, Withdrawal
from service.permissions import Actor
from service.questions import hash_chain, questions, visibility
from service.questions.hash_chain import Head, Receipt
from service.questions.questions import State, View
from service.questions.visibility import Hidden
from service.text.validation import check_passage

Columns = TypeVarTuple("Columns")


class Stand(NamedTuple):
    """A forecast that counts, and the interval [start, end) during which it was active.

    `start` and `end` are seconds since 1970 UTC; `end` is infinite while the forecast is active.
    The question's close does not end a stand: `standing_at` and the scores apply the close.
    """

    account_id: int
    probability: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Draft:
    """A forecast about to be submitted."""

    question_id: int
    probability: float
    rationale: str = ""
    expires_at: datetime | None = None


class NothingStands(Conflict):
    """The forecaster has no active forecast to withdraw."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A forecast as its reader sees it."""

    forecast: Forecast
    account_name: str
    bot: bool


def checked(draft: Draft, at: datetime) -> Draft:
    """The forecast in its stored form; Invalid names the field that no question would accept."""
    if not (math.isfinite(draft.probability) and 0 <= draft.probability <= 1):
        raise Invalid("probability must be a number from 0 to 1", field="probability")
    if draft.expires_at is not None and draft.expires_at <= at:
        raise Invalid("expires_at must be in the future", field="expires_at")
    return replace(draft, rationale=check_passage(draft.rationale, "rationale", optional=True))


async def append(
    session: AsyncSession,
    submitted: Sequence[tuple[Actor, Draft]],
    heads: Mapping[int, Head],
    at: datetime,
) -> list[tuple[Forecast, Receipt]]:
    """Append validated forecasts on locked, open questions in the order of submission.

    Args:
        session: the transaction that holds the locks of the questions.
        submitted: the forecasts, each with its forecaster.
        heads: the heads of the questions' chains.
        at: now.
    """
    last, rows, before = dict(heads), [], []
    made: dict[tuple[int, int], datetime] = {}
    for actor, draft in submitted:
        question_id, head = draft.question_id, last[draft.question_id]
        moment = await hash_chain.moment(session, heads[question_id], question_id, actor.id, at)
        if head.at is not None:
            moment = max(moment, head.at)
        if moment == made.get((question_id, actor.id)):
            moment += TICK
        values = {
            "question_id": question_id,
            "account_id": actor.id,
            "probability": abs(draft.probability),  # a zero is stored without its sign
            "rationale": draft.rationale,
            "expires_at": draft.expires_at,
            "created_at": moment,
        }
        made[question_id, actor.id] = moment
        rows.append(hash_chain.append_link(Forecast, head, values))
        before.append(head)
        last[question_id] = Head.of(rows[-1])
    connection = await session.connection()
    query = insert(Forecast).returning(Forecast.id, sort_by_parameter_order=True)
    ids = (await connection.scalars(query, rows)).all()
    stored = [Forecast(id=row_id, **row) for row_id, row in zip(ids, rows, strict=True)]
    return [(row, hash_chain.receipt(head, row)) for head, row in zip(before, stored, strict=True)]


def unrepeated(
    drafts: Sequence[Draft], mine: Mapping[int, Stand], at: datetime, *, within: timedelta
) -> list[Draft]:
    """The drafts without those that only repeat the forecaster's very recent forecasts.

    Some clients retry after a lost response without sending an Idempotency-Key. A draft that equals
    the active forecast, if that was made at most `within` ago, is treated as such a retry.

    Args:
        drafts: the drafts of one forecaster.
        mine: the forecaster's latest stand by question, for questions that have one.
        at: now.
        within: the maximum age of a repeated forecast.
    """

    def repeats(draft: Draft) -> bool:
        ends = draft.expires_at.timestamp() if draft.expires_at else math.inf
        stand = mine.get(draft.question_id)
        return (
            stand is not None
            and (stand.probability, stand.end) == (draft.probability, ends)
            and at.timestamp() - stand.start <= within.total_seconds()
        )

    return [draft for draft in drafts if not repeats(draft)]


async def withdraw(
    session: AsyncSession, actor: Actor, question_id: int
) -> tuple[View, Withdrawal, Receipt]:
    """Withdraw the actor's active forecast; NothingStands if there is none."""
    actor.require(Role.forecaster, "withdraw a forecast")
    await questions.lock(session, [question_id])
    at = now()
    view = await questions.get(session, question_id, actor=actor)
    require_open(view, at)
    head = await hash_chain.head(session, question_id)
    at = await hash_chain.moment(session, head, question_id, actor.id, at)
    mine = await stands(session, [question_id], known_at=at, account_id=actor.id)
    if not any(stand.end > at.timestamp() for stand in mine[question_id]):
        raise NothingStands("you have no active forecast on this question to withdraw")
    values = {"question_id": question_id, "account_id": actor.id, "created_at": at}
    row = Withdrawal(**hash_chain.append_link(Withdrawal, head, values))
    session.add(row)
    await session.flush()
    return view, row, hash_chain.receipt(head, row)


def require_open(view: View, at: datetime) -> None:
    """Raise Conflict, giving the reason, unless the question takes forecasts at a moment."""
    match state := view.state(at):
        case State.open:
            return
        case State.draft:
            reason = "is a draft"
        case State.upcoming:
            reason = f"opens at {view.revision.opens_at.isoformat()}"
        case State.closed:
            reason = f"closed at {_iso(view.revision.closes_at)}"
        case State.resolved:
            reason = f"is resolved: {view.resolved.outcome if view.resolved else ''}"
        case _:
            assert_never(state)
    raise Conflict(
        f"question {view.id} {reason}; questions take forecasts only while they are open",
        current={"state": state},
    )


async def stands(
    session: AsyncSession,
    question_ids: Sequence[int],
    *,
    known_at: datetime | None = None,
    account_id: int | None = None,
    latest_only: bool = False,
) -> dict[int, list[Stand]]:
    """Which forecasts count, and when: the single rule for aggregates, scores and fits.

    A forecast is active from its submission until its forecaster's next one, its withdrawal or its
    expiry. Forecasts of people and bots count alike, even after an account is deactivated.

    Args:
        question_ids: the questions.
        known_at: use only facts recorded by this moment; None: all facts.
        account_id: only forecasts of this account.
        latest_only: only the latest forecast of each account (enough for the present aggregate).
    """
    by_question: dict[int, list[Stand]] = {question_id: [] for question_id in question_ids}
    if not by_question:
        return by_question
    ended: dict[tuple[int, int], list[float]] = defaultdict(list)
    for question_id, account, at in await session.execute(
        _known(
            select(Withdrawal.question_id, Withdrawal.account_id, Withdrawal.created_at),
            Withdrawal,
            question_ids,
            known_at,
            account_id,
        ).order_by(Withdrawal.id)
    ):
        ended[question_id, account].append(at.timestamp())
    query = _known(
        select(
            Forecast.question_id,
            Forecast.account_id,
            Forecast.probability,
            Forecast.created_at,
            Forecast.expires_at,
        ),
        Forecast,
        question_ids,
        known_at,
        account_id,
    )
    if latest_only:
        latest = _known(
            select(func.max(Forecast.id)), Forecast, question_ids, known_at, account_id
        ).group_by(Forecast.question_id, Forecast.account_id)
        query = query.where(Forecast.id.in_(latest))
    following: dict[tuple[int, int], float] = {}
    for question_id, account, probability, created_at, expires_at in await session.execute(
        query.order_by(Forecast.id.desc())
    ):
        key = (question_id, account)
        start = created_at.timestamp()
        ends = [following.get(key, math.inf)]
        ends.extend(at for at in ended.get(key, ()) if at >= start)
        if expires_at is not None:
            ends.append(expires_at.timestamp())
        following[key] = start
        by_question[question_id].append(Stand(account, probability, start, min(ends)))
    for of_question in by_question.values():
        of_question.reverse()
    return by_question


def _known(
    query: Select[*Columns],
    table: type[Forecast | Withdrawal],
    question_ids: Sequence[int],
    known_at: datetime | None,
    account_id: int | None,
) -> Select[*Columns]:
    query = query.where(table.question_id.in_(question_ids))
    if known_at is not None:
        query = query.where(table.created_at <= known_at)
    if account_id is not None:
        query = query.where(table.account_id == account_id)
    return query


def standing_at(stands: Sequence[Stand], view: View, at: datetime) -> list[Stand]:
    """The stands active at a moment, or at the effective close if that came earlier."""
    start = np.array([stand.start for stand in stands], dtype=np.float64)
    end = np.array([stand.end for stand in stands], dtype=np.float64)
    return list(compress(stands, holds_at(start, end, view, at).tolist()))


def holds_at(start: FloatArray, end: FloatArray, view: View, at: datetime) -> BoolArray:
    """The mask of the stands in `standing_at`, from arrays of their starts and ends in seconds."""
    opens = view.revision.opens_at.timestamp()
    moment, ends = at.timestamp(), view.ends_at.timestamp() if view.ends_at else math.inf
    if moment < ends:
        return (opens <= start) & (start <= moment) & (moment < end)
    return (opens <= start) & (start < ends) & (ends <= end)


async def listing(
    session: AsyncSession,
    actor: Actor,
    view: View,
    *,
    mine: bool,
    before: int | None,
    limit: int,
) -> tuple[list[Entry], Hidden | None]:
    """Forecasts on a question before an id, newest first.

    While forecasts are hidden, only those of the actor and of accounts that count as the same
    reader.
    """
    hidden = (await visibility.hidden(session, actor, [view], now())).get(view.id)
    query = (
        select(Forecast, Account.name, Account.bot)
        .join(Account, Account.id == Forecast.account_id)
        .where(Forecast.question_id == view.id)
        .order_by(Forecast.id.desc())
        .limit(limit)
    )
    if mine:
        query = query.where(Forecast.account_id == actor.id)
    elif hidden:
        query = query.where(Forecast.account_id.in_(visibility.reader(actor)))
    if before is not None:
        query = query.where(Forecast.id < before)
    return [Entry(*row) for row in await session.execute(query)], hidden


def _iso(at: datetime | None) -> str:
    return at.isoformat() if at else "no time"
