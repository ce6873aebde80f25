"""The active forecasts on questions, cached between requests and extended by new facts.

A submission needs the latest forecast of every forecaster on its question, and nearly all of them
are unchanged since the previous submission. Facts are append-only, and only one transaction at a
time appends to a question, so everything read up to a position stays valid.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Select,
    and_,
    bindparam,
    event,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.models import ChainedFact, Forecast, Withdrawal
from service.questions import hash_chain
from service.questions.forecasts import Stand
from service.questions.hash_chain import Head

KEPT_STANDS: Final = 100_000


@dataclass(frozen=True, slots=True)
class ActiveForecasts:
    """The latest stand of each account, oldest first, and the head of the question's chain."""

    stands: Mapping[int, Stand] = field(default_factory=dict)
    head: Head = field(default_factory=Head)

    def after(self, rows: Iterable[Sequence[Any]]) -> "ActiveForecasts":
        """Return a copy extended by the facts appended since, in order."""
        stands, head = dict(self.stands), self.head
        for kind, _, account_id, probability, expires_at, *place in rows:
            head = Head(*place)
            at, before = head.at.timestamp() if head.at else 0.0, stands.get(account_id)
            if kind == Forecast.__tablename__:
                stands.pop(account_id, None)
                end = expires_at.timestamp() if expires_at else math.inf
                stands[account_id] = Stand(account_id, probability, at, end)
            elif kind == Withdrawal.__tablename__ and before and before.start <= at < before.end:
                stands[account_id] = Stand(account_id, before.probability, before.start, at)
        return ActiveForecasts(stands, head)

    def then(self, rows: Iterable[Forecast]) -> "ActiveForecasts":
        """Return a copy extended by newly stored forecasts."""
        return self.after(
            (
                row.__tablename__,
                row.question_id,
                row.account_id,
                row.probability,
                row.expires_at,
                row.position,
                row.digest,
                row.created_at,
            )
            for row in rows
        )

    def listed(self) -> list[Stand]:
        """The stands in the order of `forecasts.stands`."""
        return list(self.stands.values())


class ActiveForecastsCache:
    """The active forecasts on recently forecast questions."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, ActiveForecasts] = OrderedDict()
        self._size = 0

    async def of(
        self, session: AsyncSession, question_ids: Sequence[int]
    ) -> dict[int, ActiveForecasts]:
        """The latest stand of each account on the given questions.

        A read transaction sees the facts up to some moment; one that holds the question's lock sees
        all of them. Facts that the transaction itself appends are cached only if it commits.
        """
        cached = {
            question_id: self._kept[question_id]
            for question_id in question_ids
            if question_id in self._kept
        }
        appended: list[Sequence[Any]] = []
        if cached:
            parameters = {
                name: value
                for place, (question_id, before) in enumerate(cached.items())
                for name, value in (
                    (f"question_{place}", question_id),
                    (f"position_{place}", before.head.position),
                )
            }
            appended += await session.execute(_appended(len(cached)), parameters)
        unknown = [question_id for question_id in question_ids if question_id not in cached]
        if unknown:
            appended += await session.execute(_last(), {"ids": unknown})
        rows: dict[int, list[Sequence[Any]]] = {question_id: [] for question_id in question_ids}
        for row in appended:
            rows[row[1]].append(row)
        active = {
            question_id: cached.get(question_id, ActiveForecasts()).after(rows[question_id])
            for question_id in question_ids
        }
        self.keep_once_committed(session, active)
        return active

    def keep_once_committed(
        self, session: AsyncSession, active: Mapping[int, ActiveForecasts]
    ) -> None:
        """Cache the active forecasts if the transaction commits."""
        event.listen(session.sync_session, "after_commit", lambda _: self._keep(dict(active)))

    def _keep(self, active: Mapping[int, ActiveForecasts]) -> None:
        for question_id, latest in active.items():
            before = self._kept.pop(question_id, None)
            self._size += len(latest.stands) - (len(before.stands) if before else 0)
            self._kept[question_id] = latest
        while self._size > KEPT_STANDS and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped.stands)


@cache
def _appended(questions: int) -> Select[*tuple[Any, ...]]:
    """The facts appended to a number of questions, each after a position in its chain."""
    return _in_order(
        query.where(
            or_(
                *(
                    and_(
                        table.question_id == bindparam(f"question_{place}"),
                        table.position > bindparam(f"position_{place}"),
                    )
                    for place in range(questions)
                )
            )
        )
        for table, query in _facts()
    )


@cache
def _last() -> Select[*tuple[Any, ...]]:
    """Each account's latest forecast on questions, every withdrawal and every resolution."""
    ids: BindParameter[int] = bindparam("ids", expanding=True)
    last = select(func.max(Forecast.id)).where(Forecast.question_id.in_(ids))
    last = last.group_by(Forecast.question_id, Forecast.account_id)
    return _in_order(
        query.where(Forecast.id.in_(last) if table is Forecast else table.question_id.in_(ids))
        for table, query in _facts()
    )


def _facts() -> Iterator[tuple[type[ChainedFact], Select[*tuple[Any, ...]]]]:
    for table in hash_chain.SEALED_COLUMNS:
        forecasts = table is Forecast
        yield (
            table,
            select(
                literal(table.__tablename__).label("kind"),
                table.question_id,
                table.account_id,
                Forecast.probability if forecasts else null().label("probability"),
                Forecast.expires_at if forecasts else null().label("expires_at"),
                table.position,
                table.digest,
                table.created_at,
            ),
        )


def _in_order(queries: Iterable[Select[*tuple[Any, ...]]]) -> Select[*tuple[Any, ...]]:
    rows = union_all(*queries).subquery()
    return select(rows).order_by(rows.c.position)
