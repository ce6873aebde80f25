"""What a document's implications read as: polarity, combination, movement, evidence, the past."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from questions.schema import Document, Implication, Question, QuestionSet
from service.accounts import accounts
from service.database.engine import Database
from service.implications import implications as scoreboard
from service.implications.implications import ImplicationSummary, Interval, Point, TrackedQuestion
from service.models import Implication as ImplicationRow
from service.models import Role
from service.questions import questions
from service.questions.aggregates import Aggregator

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def implication(slug: str, **changes: Any) -> Implication:
    plain = {"section": "1", "paraphrase": f"It may {slug}.", "hedge": "may", "actors": ("sky",)}
    return Implication(slug=slug, **(plain | changes))


def asked(slug: str, implication: str, **changes: Any) -> Question:
    plain: dict[str, Any] = {
        "polarity": "supports",
        "why": "It says so.",
        "kind": "binary",
        "title": f"Will {slug} come?",
        "background": "It did.",
        "background_as_of": date(2026, 11, 1),
        "criteria": "Yes if it does.",
        "fine_print": "None.",
        "domain": "sky",
        "window_starts_at": NOW - 30 * DAY,
        "deadline_at": NOW + 300 * DAY,
        "opens_at": NOW - 30 * DAY,
        "closes_at": NOW + 300 * DAY,
        "resolves_by": NOW + 330 * DAY,
    }
    return Question(slug=slug, implication=implication, **(plain | changes))


def document(implications: list[Implication], asking: list[Question]) -> QuestionSet:
    return QuestionSet(
        version=1,
        slug="weather",
        title="Weather",
        description="The sky.",
        defaults="UTC.",
        document=Document(title="Almanac", origin="our own"),
        implications=tuple(implications),
        questions=tuple(asking),
    )


WEATHER = document(
    [
        implication("wet"),
        implication("cold"),
        implication("gone", premise="overtaken", premise_note="It went."),
        implication("silent", uncovered="Nothing can be watched."),
    ],
    [
        asked("rain", "wet"),
        asked("drought", "wet", polarity="contradicts", weight=3.0),
        asked("fog", "wet", polarity="neutral"),
        asked("hidden", "wet", draft=True),
        asked("snow", "cold", polarity="contradicts"),
        asked("dodo", "gone"),
    ],
)


@pytest.fixture
def at() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def load(on_database) -> Callable[[QuestionSet], Any]:
    def run(one: QuestionSet) -> Any:
        async def work(database: Database) -> Any:
            async with database.write() as session:
                return await questions.load(session, one)

        return on_database(work)

    return run


def ids(caller: Any) -> dict[str, int]:
    return {one["slug"]: one["id"] for one in caller.get("/questions", limit=200).json()["items"]}


def lines(caller: Any, **params: Any) -> dict[str, Any]:
    answer = caller.get("/sets/weather/implications", **params)
    assert answer.status_code == 200, answer.text
    return {one["slug"]: one for one in answer.json()["items"]}


def aggregate(caller: Any, question_id: int, **params: Any) -> dict[str, Any]:
    return caller.get(f"/questions/{question_id}/aggregate", **params).json()


def leaning(caller: Any, **params: Any) -> dict[str, int]:
    answer = caller.get("/sets/weather", **params).json()
    return {name: count for name, count in answer["summary"].items() if count}


def test_a_reading_is_the_weighted_mean_of_what_questions_say_polarity_applied(
    at, load, account
) -> None:
    load(WEATHER)
    ann = account("ann")
    found = ids(ann)
    for slug, probability in (("rain", 0.8), ("drought", 0.3), ("fog", 0.99)):
        ann.forecast(found[slug], probability)
    wet = lines(ann)["wet"]
    rain, drought = (aggregate(ann, found[slug]) for slug in ("rain", "drought"))
    assert wet["reading"] == pytest.approx(
        {
            "probability": (rain["probability"] + 3 * (1 - drought["probability"])) / 4,
            "lower": (rain["lower"] + 3 * (1 - drought["upper"])) / 4,
            "upper": (rain["upper"] + 3 * (1 - drought["lower"])) / 4,
        }
    )
    shown = {one["slug"]: one for one in wet["questions"]}
    assert list(shown) == ["rain", "drought", "fog"]
    assert shown["fog"]["read"] is None
    assert shown["drought"]["aggregate"] == drought
    assert shown["drought"]["read"]["probability"] == 1 - drought["probability"]
    assert wet["evidence"] == {"questions": 2, "resolved": 0, "forecasters": 1, "hidden": 0}


def test_what_nobody_has_forecast_is_shown_and_not_read(at, load, account) -> None:
    load(WEATHER)
    cold = lines(account("ann"))["cold"]
    assert (cold["reading"], cold["moved"], cold["lean"]) == (None, None, "open")
    assert cold["evidence"] == {"questions": 0, "resolved": 0, "forecasters": 0, "hidden": 0}
    assert [one["slug"] for one in cold["questions"]] == ["snow"]
    assert cold["questions"][0]["read"] is None


def test_an_answer_counts_as_one_or_nothing_and_no_answer_is_left_out(
    at, load, account, curator
) -> None:
    load(WEATHER)
    found = ids(curator)
    curator.resolve(found["drought"], "no")
    curator.resolve(found["rain"], "annulled")
    curator.resolve(found["snow"], "yes")
    shown = lines(curator)
    assert shown["wet"]["reading"] == {"probability": 1, "lower": 1, "upper": 1}
    assert shown["wet"]["evidence"] == {
        "questions": 1,
        "resolved": 1,
        "forecasters": 0,
        "hidden": 0,
    }
    assert shown["cold"]["reading"] == {"probability": 0, "lower": 0, "upper": 0}
    assert {one["slug"]: one["outcome"] for one in shown["wet"]["questions"]} == {
        "rain": "annulled",
        "drought": "no",
        "fog": None,
    }
    assert leaning(account("ann")) == {
        "confirmed": 1,
        "contradicted": 1,
        "overtaken": 1,
        "not_asked": 1,
    }


def test_a_lean_needs_an_interval_that_excludes_one_half() -> None:
    def lean(lower: float, upper: float, premise: str = "holds") -> str:
        class Revision:
            weight = 1.0

        class View:
            revision = Revision

        watch = TrackedQuestion(View, None, Interval((lower + upper) / 2, lower, upper))  # type: ignore[arg-type]  # a stand-in with what a reading needs
        row = ImplicationRow(premise=premise)
        point = Point(NOW, [watch])
        return str(ImplicationSummary(row, point, Point(NOW, []), 1).lean)

    assert lean(0.51, 0.9) == "confirmed"
    assert lean(0.5, 0.9) == "open"
    assert lean(0.1, 0.5) == "open"
    assert lean(0.1, 0.49) == "contradicted"
    assert lean(0.51, 0.9, premise="overtaken") == "overtaken"
    assert lean(0.51, 0.9, premise="transformed") == "confirmed"


def test_a_reading_moves_and_later_facts_never_change_what_it_was(
    at, load, account, curator
) -> None:
    load(WEATHER)
    ann, bob = account("ann"), account("bob")
    rain = ids(ann)["rain"]
    at.shift(DAY)
    ann.forecast(rain, 0.2, expires_at=(NOW + 8 * DAY).isoformat())
    at.shift(5 * DAY)
    bob.forecast(rain, 0.9)
    at.shift(4 * DAY)
    moments = [(NOW + days * DAY).isoformat() for days in (0, 1, 3, 6, 7, 9, 10)]
    present = lines(ann)["wet"]
    assert present["before"] == pytest.approx(
        lines(ann, as_of=(NOW + 3 * DAY).isoformat())["wet"]["reading"]
    )
    assert present["moved"] == pytest.approx(
        present["reading"]["probability"] - present["before"]["probability"]
    )
    assert present["moved"] > 0
    assert lines(ann, since=moments[0])["wet"]["moved"] is None
    for moment in moments[1:]:
        known = lines(ann, as_of=moment)["wet"]
        assert known["reading"]["probability"] == pytest.approx(
            aggregate(ann, rain, as_of=moment)["probability"]
        )
    before = [lines(ann, as_of=moment) for moment in moments]
    told = [leaning(ann, as_of=moment) for moment in moments]
    path = "/sets/weather/implications/wet/history"
    history = ann.get(path, as_of=moments[-1], points=6).json()
    at.shift(DAY)
    bob.forecast(rain, 0.01)
    curator.resolve(rain, "no")
    load(document(list(WEATHER.implications), [asked("rain", "wet", polarity="contradicts")]))
    assert lines(ann)["wet"]["reading"]["probability"] == 1
    assert [lines(ann, as_of=moment) for moment in moments] == before
    assert [leaning(ann, as_of=moment) for moment in moments] == told
    assert ann.get(path, as_of=moments[-1], points=6).json() == history


def test_the_history_ends_with_the_present_reading(at, load, account) -> None:
    load(WEATHER)
    ann = account("ann")
    at.shift(2 * DAY)
    ann.forecast(ids(ann)["rain"], 0.9)
    at.shift(2 * DAY)
    history = ann.get("/sets/weather/implications/wet/history", points=5).json()
    assert history["implication"] == "wet"
    points = history["points"]
    assert [datetime.fromisoformat(one["as_of"]) for one in points] == [
        NOW + days * DAY for days in range(5)
    ]
    assert [one["questions"] for one in points] == [0, 0, 1, 1, 1]
    assert points[0]["reading"] is None
    assert points[-1]["reading"] == lines(ann)["wet"]["reading"]
    silent = ann.get("/sets/weather/implications/silent/history").json()
    assert silent == {"implication": "silent", "points": []}


def test_the_trends_of_a_set_are_the_histories_of_its_implications(
    at, load, account, on_database
) -> None:
    load(WEATHER)
    ann = account("ann")
    for day, chance in enumerate((0.9, 0.7, 0.4)):
        at.shift(DAY)
        for slug in ("rain", "snow") if day else ("rain",):
            ann.forecast(ids(ann)[slug], chance)
    at.shift(DAY)

    async def read(database: Database) -> dict[str, list[tuple[datetime, Interval | None]]]:
        async with database.read() as session:
            found = await questions.find_set(session, "weather")
            actor, aggregator = accounts.Actor(1, "ann", Role.viewer, bot=False), Aggregator(0.8)
            trends = await scoreboard.trends(session, aggregator, actor, found, points=5)
            lines = await scoreboard.board(session, aggregator, actor, found)
        slugs = {line.implication.id: line.implication.slug for line in lines}
        return {
            slugs[one]: [(point.at, point.reading) for point in points]
            for one, points in trends.items()
        }

    trends = on_database(read)
    assert set(trends) == {"wet", "cold", "gone", "silent"}
    assert trends["silent"] == []
    for slug, expected in (("wet", 4), ("cold", 3)):
        history = ann.get(f"/sets/weather/implications/{slug}/history", points=5).json()["points"]
        told = [one for one in history if one["reading"]]
        assert len(told) == expected
        assert [one["reading"]["probability"] for one in told] == pytest.approx(
            [reading.probability for _, reading in trends[slug]]
        )


def test_what_makes_no_sense_is_refused(at, load, account, refused) -> None:
    load(WEATHER)
    ann = account("ann")
    later, earlier = (NOW + DAY).isoformat(), (NOW - DAY).isoformat()
    path = "/sets/weather/implications"
    refused(ann.get(path, as_of=later), 422, "future", field="as_of")
    refused(ann.get(path, since=later), 422, "not be after", field="since")
    refused(ann.get(path, as_of=earlier), 404, "did not exist")
    refused(ann.get("/sets/weather", as_of=earlier), 404, "did not exist")
    refused(ann.get(f"{path}/nothing/history"), 404, "'nothing'")
    refused(ann.get(f"{path}/wet/history", points=1), 422, field="points")
    refused(ann.get(f"{path}/wet/history", points=61), 422, field="points")


def test_implications_are_paged_in_the_order_of_the_document(at, load, account) -> None:
    load(WEATHER)
    ann = account("ann")
    first = ann.get("/sets/weather/implications", limit=3).json()
    assert [one["slug"] for one in first["items"]] == ["wet", "cold", "gone"]
    second = ann.get("/sets/weather/implications", limit=3, cursor=first["next"]).json()
    assert ([one["slug"] for one in second["items"]], second["next"]) == (["silent"], None)


def test_more_implications_take_no_more_statements(at, statements, load, account, curator) -> None:
    def fill(count: int) -> None:
        names = [f"thing-{number}" for number in range(count)]
        load(
            document(
                [implication(name) for name in names],
                [asked(f"{name}-{part}", name) for name in names for part in ("a", "b")],
            )
        )
        for number, question_id in enumerate(ids(ann).values()):
            at.shift(timedelta(minutes=1))
            if number % 3:
                ann.forecast(question_id, 0.3)

    def sent() -> list[int]:
        counts = []
        moment = (NOW + timedelta(minutes=1)).isoformat()
        for path, params in (
            ("/sets/weather/implications", {"limit": 200}),
            ("/sets/weather/implications", {"limit": 200, "as_of": moment}),
            ("/sets/weather", {}),
            ("/sets/weather/implications/thing-0/history", {}),
        ):
            with statements() as found:
                assert ann.get(path, **params).status_code == 200
            counts.append(len(found))
        return counts

    ann = account("ann")
    fill(2)
    few = sent()
    fill(35)
    many = sent()
    assert many == few
    assert max(many[:3]) <= 20
    assert many[3] <= 30


def test_a_set_without_implications_has_an_empty_scoreboard(account, question) -> None:
    question()
    ann = account("ann")
    assert ann.get("/sets/tests/implications").json() == {"items": [], "next": None}
    assert not any(ann.get("/sets/tests").json()["summary"].values())
