"""Submissions that come at the same time share a transaction, and nothing else."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, func, select

from service.database.engine import Database
from service.exceptions import Conflict, Invalid
from service.models import Aggregate, Forecast, Role, SetPolicy
from service.permissions import Actor
from service.questions import forecasts, questions
from service.questions.aggregates import Aggregator
from service.questions.forecasts import Draft
from service.questions.submissions import Stored, Submissions


class UndoneError(Exception):
    """What makes a transaction leave nothing."""


def undo() -> None:
    raise UndoneError


def told(stored: list[Stored]) -> bytes:
    """The answer: what was said, and the crowd with it."""
    return msgspec.json.encode(
        [(one.forecast.probability, one.estimate.probability) for one in stored]
    )


@pytest.fixture
def people(account) -> list[Actor]:
    callers = [account(f"p{number}") for number in range(6)]
    return [Actor(one.id, f"p{place}", Role.forecaster, False) for place, one in enumerate(callers)]


@pytest.fixture
def at_once(on_database) -> Any:
    """Submit several things at the same time; the answers, and the transactions that it took."""

    def run(*asked: tuple[Actor, list[Draft], dict[str, Any]], fail: bool = False) -> Any:
        async def work(database: Database) -> Any:
            commits: list[object] = []

            def committed(connection: object) -> None:
                commits.append(connection)
                if fail:
                    raise OSError("no space left on the disk")

            event.listen(database.engine.sync_engine, "commit", committed)
            submissions = Submissions(database, Aggregator(0.8))
            answers = await asyncio.gather(
                *(submissions.submit(actor, drafts, told, **more) for actor, drafts, more in asked),
                return_exceptions=True,
            )
            return answers, len(commits)

        return on_database(work)

    return run


@pytest.fixture
def published(on_database) -> Any:
    """What is stored of a question: its forecasts, and the aggregates published with them."""

    def read(question_id: int) -> list[list[float]]:
        async def work(database: Database) -> Any:
            async with database.read() as session:
                return [
                    (
                        await session.scalars(
                            select(table.probability)
                            .where(table.question_id == question_id)
                            .order_by(table.id)
                        )
                    ).all()
                    for table in (Forecast, Aggregate)
                ]

        return on_database(work)

    return read


def test_those_of_one_moment_are_answered_with_the_aggregate_that_has_them_all(
    people, question, at_once, published, curator
) -> None:
    rain = question("rain")
    said = [0.1, 0.9, 0.4, 0.8, 0.7, 0.2]
    answers, commits = at_once(
        *((who, [Draft(rain, value)], {}) for who, value in zip(people, said, strict=True))
    )
    assert commits == 1
    told = [msgspec.json.decode(answer)[0] for answer, _ in answers]
    assert [probability for probability, _ in told] == said
    (crowd,) = {crowd for _, crowd in told}
    assert published(rain) == [said, [crowd]]
    (kept,) = curator.get(f"/questions/{rain}/aggregate/history").json()["items"]
    assert kept["forecasters"] == len(said)
    assert kept["probability"] == curator.get(f"/questions/{rain}/aggregate").json()["probability"]


def test_one_who_forecasts_twice_at_once_is_answered_with_an_aggregate_for_each(
    people, question, at_once, published
) -> None:
    rain = question("rain")
    answers, commits = at_once(
        (people[0], [Draft(rain, 0.1)], {}),
        (people[1], [Draft(rain, 0.4)], {}),
        (people[0], [Draft(rain, 0.9)], {}),
    )
    assert commits == 1
    first, other, second = (msgspec.json.decode(answer)[0][1] for answer, _ in answers)
    assert first == other < second
    assert published(rain) == [[0.1, 0.4, 0.9], [first, second]]


def test_one_that_is_refused_harms_no_other(people, question, at_once, published) -> None:
    rain = question("rain")
    over = question("over", closes_at=datetime(2026, 11, 2, tzinfo=UTC))
    answers, _ = at_once(
        (people[0], [Draft(rain, 0.3)], {}),
        (people[1], [Draft(rain, 0.4), Draft(over, 0.4)], {}),
        (people[2], [Draft(rain, 1.5)], {}),
        (people[3], [Draft(rain, 0.6)], {}),
    )
    assert isinstance(answers[1], Conflict)
    assert isinstance(answers[2], Invalid)
    assert published(rain)[0] == [0.3, 0.6]
    assert published(over)[0] == []


def test_one_that_no_database_takes_harms_no_other(people, question, at_once, published) -> None:
    rain = question("rain")
    answers, _ = at_once(
        (people[0], [Draft(rain, 0.3)], {}),
        (people[1], [Draft(rain, 0.4, "half a character: \ud800")], {}),
        (people[2], [Draft(rain, 0.6)], {}),
    )
    assert isinstance(answers[1], Invalid)
    assert published(rain)[0] == [0.3, 0.6]


def test_the_same_key_twice_at_the_same_time_is_done_once(
    people, question, at_once, published
) -> None:
    rain = question("rain")
    one = (people[0], [Draft(rain, 0.3)], {"key": "k", "request": b"a"})
    answers, _ = at_once(one, one, (people[0], one[1], {"key": "k", "request": b"b"}))
    assert [repeated for _, repeated in answers[:2]] == [False, True]
    assert answers[0][0] == answers[1][0]
    assert isinstance(answers[2], Invalid)
    assert published(rain)[0] == [0.3]


def test_nothing_is_acknowledged_that_could_not_be_committed(
    people, question, at_once, published
) -> None:
    rain = question("rain")
    answers, commits = at_once(*((who, [Draft(rain, 0.3)], {}) for who in people), fail=True)
    assert [str(one) for one in answers] == ["no space left on the disk"] * len(people)
    assert commits == 1  # whether it was stored is for each to find out, by their key
    assert published(rain) == [[], []]


def test_someone_who_says_two_things_at_once_says_them_in_order(
    people, question, at_once, on_database
) -> None:
    rain = question("rain")
    at_once(
        (people[0], [Draft(rain, 0.3), Draft(rain, 0.4)], {}), (people[0], [Draft(rain, 0)], {})
    )

    async def stands(database: Database) -> Any:
        async with database.read() as session:
            return (await forecasts.stands(session, [rain]))[rain]

    found = on_database(stands)
    assert [one.probability for one in found] == [0.3, 0.4, 0]
    assert [one.end for one in found[:2]] == [one.start for one in found[1:]]


def test_what_was_not_committed_is_not_remembered_of_a_question(question, on_database) -> None:
    rain = question("rain")

    async def policies(database: Database) -> list[str | None]:
        seen = []
        for name in ("after_forecast", "always"):
            with suppress(UndoneError):
                async with database.write() as session:
                    set_id = (await questions.get(session, rain)).question.set_id
                    session.add(
                        SetPolicy(
                            set_id=set_id,
                            number=1,
                            visibility=name,
                            reveal_at=None,
                            account_id=None,
                            reason="",
                            created_at=datetime.now(UTC),
                        )
                    )
                    await session.flush()
                    view = await questions.get(session, rain)
                    seen.append(view.policy.visibility if view.policy else None)
                    count = await session.scalar(select(func.count()).select_from(SetPolicy))
                    assert count == 1
                    if name == "after_forecast":
                        undo()
        return seen

    assert on_database(policies) == ["after_forecast", "always"]
