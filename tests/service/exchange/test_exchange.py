"""Folders of forecasts read in and written out: what was in them comes back, once and whole."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from sqlalchemy import func, select

from forecasting.panel import Panel, PanelQuestion
from service.accounts import accounts
from service.database.engine import Database
from service.exceptions import Conflict, Invalid
from service.exchange import exports, imports
from service.models import Account, Aggregate, Base, Forecast, Question, QuestionSet, Role
from service.questions.aggregates import Aggregator

NEVER = math.inf
UNKNOWN = math.nan


def at(day: int, hour: int = 0) -> float:
    return datetime(2026, 3, day, hour, tzinfo=UTC).timestamp()


TIMED = Panel.of(
    forecasts=[
        ("ann", "rain", at(2), NEVER, 0.2),
        ("bob", "rain", at(3), at(9), 0.9),
        ("ann", "rain", at(4, 6), NEVER, 0.4),
        ("ann", "snow", at(2), NEVER, 0.0),
        ("bob", "snow", at(5), NEVER, 1.0),
        ("bob", "snow", at(6), NEVER, 1.0),
    ],
    questions=[
        PanelQuestion("snow", "Snow?", 1, at(1), at(20), at(12), domain="cold"),
        PanelQuestion("rain", "Rain, or not?", UNKNOWN, at(1), at(20), domain="wet"),
        PanelQuestion("hail", "Hail?", 0, at(1), at(20), at(21)),
    ],
)
QUESTIONS = [PanelQuestion("rain", "Rain?"), PanelQuestion("snow", "Snow?", 0)]
UNTIMED = Panel.of(
    forecasts=[
        ("ann", "rain", UNKNOWN, NEVER, 0.2),
        ("ann", "rain", UNKNOWN, NEVER, 0.3),
        ("bob", "rain", UNKNOWN, NEVER, 0.4),
        ("bob", "snow", UNKNOWN, NEVER, 0.1),
    ],
    questions=QUESTIONS,
)
ROUNDS = Panel.of(
    forecasts=[
        ("bob", "rain", 2, NEVER, 0.4),
        ("ann", "rain", 2, NEVER, 0.3),
        ("ann", "rain", 1, NEVER, 0.2),
        ("bob", "snow", 0, NEVER, 0.1),
    ],
    questions=QUESTIONS,
    rounds=True,
)


@pytest.fixture
def read_in(on_database) -> Callable[..., imports.Imported]:
    def read(panel: Panel, slug: str = "survey") -> imports.Imported:
        async def work(database: Database) -> imports.Imported:
            async with database.write() as session:
                if not await accounts.administrator_exists(session):
                    await accounts.create(session, "root", Role.administrator)
                return await imports.import_panel(session, Aggregator(0.8), panel, slug)

        done: imports.Imported = on_database(work)
        return done

    return read


@pytest.fixture
def write_out(on_database, tmp_path) -> Callable[..., Panel]:
    def write(slug: str | None = "survey") -> Panel:
        folder = tmp_path / str(slug)
        on_database(lambda database: exports.write_folder(database, slug, folder))
        return Panel.read(folder)

    return write


@pytest.fixture
def rows(on_database) -> Callable[[], dict[str, int]]:
    """How many rows each table has."""

    async def counted(database: Database) -> dict[str, int]:
        async with database.read() as session:
            return {
                name: int(await session.scalar(select(func.count()).select_from(table)) or 0)
                for name, table in Base.metadata.tables.items()
            }

    def count() -> dict[str, int]:
        found: dict[str, int] = on_database(counted)
        return found

    return count


def told(panel: Panel, *, times: bool) -> list[tuple[Any, ...]]:
    """What a panel says, in an order of its own, with forecasters by their own names."""
    return sorted(
        (
            panel.questions[panel.question[row]],
            panel.forecasters[panel.forecaster[row]].rpartition(":")[2],
            *((float(panel.time[row]), float(panel.until[row])) if times else ()),
            float(panel.probability[row]),
        )
        for row in range(panel.probability.size)
    )


def asked(panel: Panel, *names: str) -> dict[str, tuple[Any, ...]]:
    return {
        question: (
            panel.titles[index],
            panel.domains[panel.domain[index]],
            *(repr(float(getattr(panel, name)[index])) for name in ("outcome", *names)),
        )
        for index, question in enumerate(panel.questions)
    }


def last(panel: Panel) -> dict[tuple[str, str], float]:
    return {
        (
            panel.questions[question],
            panel.forecasters[panel.forecaster[row]].rpartition(":")[2],
        ): float(panel.probability[row])
        for question in range(len(panel.questions))
        for row in panel.standing(question)
    }


def test_a_panel_with_times_comes_back_as_it_went_in(read_in, write_out) -> None:
    done = read_in(TIMED)
    assert (done.questions, done.forecasters, done.forecasts, done.resolved) == (3, 2, 6, 2)
    back = write_out()
    assert told(back, times=True) == told(TIMED, times=True)
    assert back.questions == TIMED.questions
    assert asked(back, "opens", "closes") == asked(TIMED, "opens", "closes")
    settled = dict(zip(back.questions, back.resolved, strict=True))
    assert (settled["snow"], settled["hail"]) == (at(12), at(21))


@pytest.mark.parametrize("panel", [UNTIMED, ROUNDS], ids=["untimed", "rounds"])
def test_a_panel_without_calendar_keeps_its_forecasts_and_their_order(
    read_in, write_out, panel: Panel
) -> None:
    read_in(panel)
    back = write_out()
    assert told(back, times=False) == told(panel, times=False)
    assert last(back) == last(panel)
    assert last(back)["rain", "ann"] == 0.3
    assert asked(back) == asked(panel)


def test_what_was_written_out_can_be_read_in_elsewhere(read_in, write_out, tmp_path) -> None:
    read_in(TIMED)
    first = write_out()
    first.write(tmp_path)
    again = Panel.read(tmp_path)
    assert told(again, times=True) == told(first, times=True)
    read_in(again, "copy")
    assert told(write_out("copy"), times=True) == told(TIMED, times=True)
    everything = write_out(None)
    assert set(everything.questions) == {
        f"{slug}:{name}" for slug in ("survey", "copy") for name in TIMED.questions
    }


def test_the_same_data_again_changes_nothing_and_other_data_is_refused(read_in, rows) -> None:
    read_in(TIMED)
    before = rows()
    assert before["forecast"] == 6
    done = read_in(TIMED)
    assert (done.questions, done.forecasts, done.resolved) == (0, 0, 0)
    with pytest.raises(Conflict, match="'survey' already exists with other data"):
        read_in(UNTIMED)
    assert rows() == before


@pytest.mark.parametrize("slug", ["", "Survey", "a b", "a/b", "a--b", "-a", "a_b", "a" * 101])
def test_a_slug_that_no_address_can_hold_is_refused(read_in, rows, slug: str) -> None:
    with pytest.raises(Invalid, match="slug"):
        read_in(TIMED, slug)
    assert rows()["question_set"] == 0


def test_a_failure_in_the_middle_stores_nothing(read_in, rows, monkeypatch) -> None:
    read_in(UNTIMED, "other")
    before = rows()
    monkeypatch.setattr("service.scoring.scores.score", None)
    with pytest.raises(TypeError):
        read_in(TIMED)
    assert rows() == before


def test_outcomes_become_resolutions_with_scores(read_in, account, client) -> None:
    read_in(TIMED)
    eve = account("eve", Role.viewer)
    listed = eve.get("/questions", set="survey").json()["items"]
    found = {item["slug"]: item for item in listed}
    assert {slug: item["state"] for slug, item in found.items()} == {
        "snow": "resolved",
        "rain": "closed",
        "hail": "resolved",
    }
    assert found["snow"]["resolution"]["outcome"] == "yes"
    assert found["snow"]["resolution"]["occurred_at"] == "2026-03-12T00:00:00Z"
    scores = eve.get(f"/questions/{found['snow']['id']}/scores").json()["items"]
    by_name = {score["forecaster"]: score for score in scores}
    assert by_name["survey:ann"]["spot_brier"] == pytest.approx(1.0)
    assert by_name["survey:bob"]["spot_brier"] == pytest.approx(0.0)
    assert by_name["survey:ann"]["coverage"] == pytest.approx(10 / 19)
    assert by_name["survey:bob"]["coverage"] == pytest.approx(7 / 19)
    assert None in by_name
    assert eve.get(f"/questions/{found['hail']['id']}/scores").json()["items"] == []


def test_imported_forecasters_let_nobody_in(read_in, on_database) -> None:
    read_in(TIMED)

    async def people(database: Database) -> list[Any]:
        async with database.read() as session:
            return list(
                await session.scalars(
                    select(Account).where(Account.name.startswith("survey:", autoescape=True))
                )
            )

    found = on_database(people)
    assert {one.name for one in found} == {"survey:ann", "survey:bob"}
    assert all(one.deactivated_at is not None and one.role == "forecaster" for one in found)


def test_imported_forecasts_keep_their_times_and_make_a_history(read_in, on_database) -> None:
    read_in(TIMED)

    async def history(database: Database) -> tuple[list[datetime], list[tuple[datetime, int]]]:
        async with database.read() as session:
            rain = await session.scalar(select(Question.id).where(Question.slug == "rain"))
            made = await session.scalars(
                select(Forecast.created_at).where(Forecast.question_id == rain)
            )
            published = await session.execute(
                select(Aggregate.created_at, Aggregate.forecasters)
                .where(Aggregate.question_id == rain)
                .order_by(Aggregate.id)
            )
            return sorted(made), [(moment, count) for moment, count in published]

    made, published = on_database(history)
    assert [moment.timestamp() for moment in made] == [at(2), at(3), at(4, 6)]
    assert [moment for moment, _ in published] == sorted(moment for moment, _ in published)
    counts = {moment.day: count for moment, count in published[:-1]}
    assert counts == {2: 1, 6: 2, 10: 1, 14: 1, 18: 1}


def test_what_was_withdrawn_or_has_expired_comes_back_as_such(account, question, write_out) -> None:
    ann, bob, rain = account("ann"), account("bob"), question()
    with time_machine.travel(datetime(2026, 11, 3, tzinfo=UTC), tick=False):
        ann.forecast(rain, 0.1, expires_at="2026-11-05T00:00:00Z")
        bob.forecast(rain, 0.7)
    with time_machine.travel(datetime(2026, 11, 4, tzinfo=UTC), tick=False):
        bob("DELETE", f"/questions/{rain}/forecasts/current")
    with time_machine.travel(datetime(2026, 11, 6, tzinfo=UTC), tick=False):
        ann.forecast(rain, 0.2)
    with time_machine.travel(datetime(2026, 11, 7, tzinfo=UTC), tick=False):
        ann.forecast(rain, 0.3)

    def day(number: int) -> float:
        return datetime(2026, 11, number, tzinfo=UTC).timestamp()

    assert told(write_out("tests"), times=True) == [
        ("rain", "ann", day(3), day(5), 0.1),
        ("rain", "ann", day(6), NEVER, 0.2),
        ("rain", "ann", day(7), NEVER, 0.3),
        ("rain", "bob", day(3), day(4), 0.7),
    ]


def test_an_empty_installation_is_written_out_as_no_questions(write_out, on_database) -> None:
    assert write_out(None).questions == ()

    async def sets(database: Database) -> list[QuestionSet]:
        async with database.read() as session:
            return list(await session.scalars(select(QuestionSet)))

    assert on_database(sets) == []


def test_an_import_with_outcomes_shows_how_calibrated_its_crowd_was(on_database, account) -> None:
    reader = account("administrator", Role.administrator)
    questions = [PanelQuestion(id=f"q{index}", outcome=float(index % 2)) for index in range(20)]
    forecasts = [
        (name, f"q{index}", math.nan, math.inf, 0.8 if index % 2 else 0.3)
        for index in range(20)
        for name in ("ann", "bob")
    ]
    panel = Panel.of(forecasts=forecasts, questions=questions)

    async def read_in(database: Database) -> None:
        async with database.write() as session:
            await imports.import_panel(session, Aggregator(0.8), panel, "weather")

    on_database(read_in)
    found = reader.get("/calibration", set="weather").json()
    assert found["questions"] == 20
    assert found["brier"] < 0.25
