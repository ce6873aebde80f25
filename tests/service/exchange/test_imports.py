"""What an import adjusts and counts: no contradiction in a set becomes a score or a future time."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from everything import TODAY
from sqlalchemy import select, update

from forecasting.csv_io import Notes
from forecasting.panel import Panel, PanelQuestion
from service.clock import TICK
from service.database.engine import Database
from service.exceptions import Conflict, Invalid
from service.exchange import imports
from service.models import (
    Account,
    Aggregate,
    Forecast,
    Question,
    QuestionRevision,
    Resolution,
    Role,
    Score,
)
from service.questions.aggregates import Aggregator

NEVER, UNKNOWN = math.inf, math.nan
START = TODAY - timedelta(days=400)


def day(number: float) -> float:
    return (START + timedelta(days=number)).timestamp()


def moment(number: float) -> datetime:
    return datetime.fromtimestamp(day(number), UTC)


def asked(
    outcome: float = UNKNOWN,
    opens: float = UNKNOWN,
    closes: float = UNKNOWN,
    resolved: float = UNKNOWN,
) -> PanelQuestion:
    times = [value if math.isnan(value) else day(value) for value in (opens, closes, resolved)]
    return PanelQuestion("q", "Will it?", outcome, *times)


def panel(question: PanelQuestion, *days: float) -> Panel:
    return Panel.of(
        forecasts=[(f"f{n}", "q", day(number), NEVER, 0.7) for n, number in enumerate(days)],
        questions=[question],
    )


BEFORE = "questions with forecasts before their opening, opened at their first forecast"
AFTER = "forecasts made after the close or the answer, which do not count"
CLOSES_FIRST = "questions that close before they open, of which no forecast counts"
CLOSED_LATER = "questions that close before they open, closed when their answer became known"
AT_CLOSE = "questions with a forecast at their very close, closed a microsecond later"
UNDATED = "questions with an answer but not its time, answered at their close, else now"
EARLY_ANSWER = "questions answered before they open, opened at their answer"
UNOPENED = "questions without an opening, opened at their first forecast, else at their close"
LATE_ANSWER = "questions answered in the future, answered at the moment of the import"


@pytest.mark.parametrize(
    ("question", "days", "opens", "closes", "adjusted"),
    [
        (asked(1, 0, 20, 10), (1, 5), 0, 20, {}),
        (asked(1, 3, 20, 10), (1, 5), 1, 20, {BEFORE: 1}),
        (asked(1, UNKNOWN, 20, 10), (1, 5), 1, 20, {UNOPENED: 1}),
        (asked(1, 0, 20), (1, 5), 0, 20, {UNDATED: 1}),
        (asked(1, 0, 20, 10), (1, 12, 25), 0, 20, {AFTER: 2}),
        (asked(UNKNOWN, 0, 20), (1, 25), 0, 20, {AFTER: 1}),
        (asked(1, 5, 2, 9), (6,), 5, 9, {CLOSED_LATER: 1}),
        (asked(1, 5, 2, 1), (6,), 1, 2, {CLOSES_FIRST: 1, EARLY_ANSWER: 1, AFTER: 1}),
        (asked(1, 5, 2), (6,), None, 2, {CLOSES_FIRST: 1, UNDATED: 1, AFTER: 1}),
        (asked(UNKNOWN, 5, 2), (6,), None, 2, {CLOSES_FIRST: 1, AFTER: 1}),
        (asked(1, 5, 20, 3), (6,), 3, 20, {EARLY_ANSWER: 1, AFTER: 1}),
        (asked(1, 0, 20, 9000), (6,), 0, 20, {LATE_ANSWER: 1}),
    ],
)
def test_times_that_contradict_each_other_are_adjusted_and_counted(
    question: PanelQuestion,
    days: tuple[float, ...],
    opens: float | None,
    closes: float,
    adjusted: dict[str, int],
) -> None:
    notes = Notes()
    (life,) = imports.plan(panel(question, *days), "survey", notes).lives
    assert life.closes_at is not None
    assert life.opens_at < life.closes_at == moment(closes)
    if opens is not None:
        assert life.opens_at == moment(opens)
    assert {rule: note.count for rule, note in notes.adjusted.items()} == adjusted
    assert {note.first for note in notes.adjusted.values()} <= {"question q"}


def test_a_forecast_at_the_very_close_counts() -> None:
    notes = Notes()
    (life,) = imports.plan(panel(asked(1, 0, 20, 30), 20), "survey", notes).lives
    assert life.closes_at == moment(20) + TICK
    assert list(notes.adjusted) == [AT_CLOSE]


def test_a_survey_of_one_moment_opens_and_closes_with_it() -> None:
    (life,) = imports.plan(panel(asked(1, 5, 5, 30), 5, 5), "survey").lives
    assert (life.opens_at, life.closes_at) == (moment(5), moment(5) + TICK)


def test_a_forecast_of_the_future_is_refused() -> None:
    with pytest.raises(Invalid, match=r"the forecast of 'f1' on 'q' was made at .* in the future"):
        imports.plan(panel(asked(UNKNOWN, 0, 9000), 5, 401), "survey")


@pytest.fixture
def stored(on_database) -> Callable[[Panel], None]:
    def store(found: Panel) -> None:
        async def work(database: Database) -> None:
            async with database.write() as session:
                await imports.import_panel(session, Aggregator(0.8), found, "survey")

        on_database(work)

    return store


@pytest.fixture
def column(on_database) -> Callable[[Any], list[Any]]:
    def values(of: Any) -> list[Any]:
        async def read(database: Database) -> list[Any]:
            async with database.read() as session:
                return list(await session.scalars(select(of)))

        found: list[Any] = on_database(read)
        return found

    return values


@pytest.mark.parametrize(
    ("question", "days", "coverage"),
    [
        (asked(1, 5, 2, 1), (6, 7), []),
        (asked(1, 5, 2), (6, 7), []),
        (asked(1, 5, 2, 9), (6, 7), [0.5, 0.75]),
        (asked(1, 5, 5, 30), (5, 5), [1, 1]),
    ],
    ids=["answered first", "no answer's time", "answered later", "one moment"],
)
def test_a_question_that_closes_before_it_opens_is_scored_over_a_span_or_not_at_all(
    stored, column, account, question: PanelQuestion, days: tuple[float, ...], coverage: list[float]
) -> None:
    account("root", Role.administrator)
    stored(panel(question, *days))
    people = column(select(Score.coverage).where(Score.account_id.is_not(None)).subquery().c[0])
    assert sorted(people) == pytest.approx(coverage)
    assert len(column(Resolution.id)) == 1


def rounds(*times: float) -> Panel:
    return Panel.of(
        forecasts=[("ann", "q", time, NEVER, 0.1 * n) for n, time in enumerate(times, start=1)],
        questions=[asked(UNKNOWN, 0, 20)],
        rounds=True,
    )


def test_nothing_of_a_set_of_rounds_is_in_the_future_and_live_forecasts_are_not_moved(
    stored, column, account
) -> None:
    bob = account("bob")
    notes = Notes()
    found = rounds(3, 10**15, 1)
    imports.plan(found, "survey", notes)
    assert [note.count for note in notes.adjusted.values()] == [1, 1]
    stored(found)
    imported = datetime.now(UTC)
    times = [*column(Forecast.created_at), *column(Aggregate.created_at)]
    assert max([*times, *column(QuestionRevision.opens_at)]) <= imported
    made = dict(zip(column(Forecast.probability), column(Forecast.created_at), strict=True))
    assert made[0.1 * 3] < made[0.1] < made[0.2]
    (question_id,) = column(Question.id)
    answer = bob.forecast(question_id, 0.4)
    live = datetime.fromisoformat(answer.json()["forecast"]["created_at"])
    assert imported <= live <= datetime.now(UTC)


def test_an_account_of_the_name_of_a_forecaster_refuses_the_import(
    stored, column, account, on_database
) -> None:
    account("f0")

    async def rename(database: Database) -> None:
        """As accounts could be named once."""
        async with database.write() as session:
            await session.execute(update(Account).values(name="Survey:F0", key="Survey:F0"))

    on_database(rename)
    with pytest.raises(Conflict, match=r"already an account named 'survey:f0'; give another slug"):
        stored(panel(asked(UNKNOWN, 0, 20), 1))
    assert column(Question.id) == []


def test_a_panel_without_questions_is_not_stored(stored, column) -> None:
    stored(Panel.of(forecasts=[], questions=[]))
    assert column(Question.id) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a\u200bb", "must not hold U\\+200B"),
        ("x" * 94, "must be at most 100 characters long"),
        ("a  b", "two spaces in a row"),
    ],
)
def test_a_forecaster_whose_account_could_have_no_such_name_is_refused(
    name: str, reason: str
) -> None:
    found = Panel.of(forecasts=[(name, "q", day(1), NEVER, 0.5)], questions=[asked()])
    with pytest.raises(Invalid, match=f"forecaster .* {reason}"):
        imports.plan(found, "survey")
