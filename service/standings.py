"""What stands on a question now, kept between requests and brought up to date by what is new.

A submission needs the last forecast of every forecaster on its question, of which all but its own
were there at the submission before. Forecasts and withdrawals are only ever appended, those of one
question by one transaction at a time, so what was read up to an id stays true.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from sqlalchemy import Select, bindparam, event, func, literal, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.forecasts import Stand
from service.models import Forecast, Withdrawal

KEPT_STANDS: Final = 100_000


@dataclass(frozen=True, slots=True)
class _Latest:
    """The last stand of each account, the oldest first, and the ids of the last rows in them."""

    stands: dict[int, Stand] = field(default_factory=dict)
    forecast_id: int = 0
    withdrawal_id: int = 0

    def after(self, rows: list[Any]) -> "_Latest":
        """With what was appended since: forecasts in order, then withdrawals."""
        stands = dict(self.stands)
        last = {False: self.forecast_id, True: self.withdrawal_id}
        for withdraws, row_id, account_id, probability, created_at, expires_at in rows:
            last[withdraws] = row_id
            at, before = created_at.timestamp(), stands.get(account_id)
            if not withdraws:
                stands.pop(account_id, None)
                end = expires_at.timestamp() if expires_at else math.inf
                stands[account_id] = Stand(account_id, probability, at, end)
            elif before is not None and before.start <= at < before.end:
                stands[account_id] = Stand(account_id, before.probability, before.start, at)
        return _Latest(stands, last[False], last[True])


class Standings:
    """The last stands on the questions that were forecast on lately."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, _Latest] = OrderedDict()
        self._size = 0

    async def of(self, session: AsyncSession, question_id: int) -> list[Stand]:
        """The last stand of each account on a locked question, as `forecasts.stands` has them.

        What this transaction itself appended counts; it is remembered only if it commits.
        """
        before = self._kept.get(question_id, _Latest())
        query = _appended(whole=not before.forecast_id)
        rows = await session.execute(
            query,
            {
                "question": question_id,
                "forecast": before.forecast_id,
                "withdrawal": before.withdrawal_id,
            },
        )
        latest = before.after(list(rows))
        event.listen(
            session.sync_session, "after_commit", lambda _: self._keep(question_id, latest)
        )
        return list(latest.stands.values())

    def _keep(self, question_id: int, latest: _Latest) -> None:
        before = self._kept.pop(question_id, None)
        self._size += len(latest.stands) - (len(before.stands) if before else 0)
        self._kept[question_id] = latest
        while self._size > KEPT_STANDS and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped.stands)


@cache
def _appended(*, whole: bool) -> Select[Any]:
    """The rows appended to a question after given ids; of the whole, each account's last one."""
    question = bindparam("question", type_=Forecast.id.type)
    forecasts = select(
        literal(value=False).label("withdraws"),
        Forecast.id,
        Forecast.account_id,
        Forecast.probability,
        Forecast.created_at,
        Forecast.expires_at,
    ).where(Forecast.question_id == question, Forecast.id > bindparam("forecast"))
    if whole:
        last = select(func.max(Forecast.id)).where(Forecast.question_id == question)
        forecasts = forecasts.where(Forecast.id.in_(last.group_by(Forecast.account_id)))
    withdrawals = select(
        literal(value=True),
        Withdrawal.id,
        Withdrawal.account_id,
        null(),
        Withdrawal.created_at,
        null(),
    ).where(Withdrawal.question_id == question, Withdrawal.id > bindparam("withdrawal"))
    rows = union_all(forecasts, withdrawals).subquery()
    return select(rows).order_by(rows.c.withdraws, rows.c.id)
