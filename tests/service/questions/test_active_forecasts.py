"""What is remembered of the forecasts on a question is what the rows say, whatever happens."""

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.database.engine import Database
from service.models import Forecast, Withdrawal
from service.questions import active_forecasts, forecasts
from service.questions.active_forecasts import ActiveForecastsCache
from service.questions.hash_chain import Head, append_link, head

START = datetime(2026, 11, 2, tzinfo=UTC)


class UndoneError(Exception):
    """What makes a transaction leave nothing."""


def undo() -> None:
    raise UndoneError


def event(
    chance: random.Random, head: Head, question_id: int, people: list[int], at: datetime
) -> Any:
    """A forecast, sometimes one that expires, or a withdrawal."""
    who = {"question_id": question_id, "account_id": chance.choice(people), "created_at": at}
    if chance.random() < 0.3:
        return Withdrawal(**append_link(Withdrawal, head, who))
    expires_at = at + timedelta(minutes=3) if chance.random() < 0.3 else None
    said = {"probability": chance.random(), "rationale": "", "expires_at": expires_at}
    return Forecast(**append_link(Forecast, head, who | said))


@pytest.mark.parametrize("seed", range(3))
def test_what_is_remembered_is_what_the_rows_say(
    account, question, on_database, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(active_forecasts, "KEPT_STANDS", 4)  # so that questions are also forgotten
    people = [account(f"p{number}").id for number in range(3)]
    asked = [question("rain"), question("snow")]
    chance = random.Random(seed)

    async def live_through_it(database: Database) -> None:
        remembered = [
            ActiveForecastsCache(),
            ActiveForecastsCache(),
        ]  # two processes on one database
        for minute in range(40):
            question_id, undone = chance.choice(asked), chance.random() < 0.2
            with suppress(UndoneError):
                async with database.write() as session:
                    at = START + timedelta(minutes=minute)
                    last = await head(session, question_id)
                    session.add(event(chance, last, question_id, people, at))
                    await session.flush()
                    also = chance.sample(asked, chance.randint(1, 2))
                    ids = sorted({question_id, *also})
                    seen = await chance.choice(remembered).of(session, ids)
                    rows = await forecasts.stands(session, ids, latest_only=True)
                    assert {one: seen[one].listed() for one in ids} == rows
                    if undone:
                        undo()

    on_database(live_through_it)
