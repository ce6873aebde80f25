"""Sets as loaded and as the API shows them; the state of a question, computed in two ways."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import msgspec
import pytest
import time_machine
from sqlalchemy import select

from questions.load import find_sets, read_set
from questions.schema import Document, Implication, Question, QuestionSet, Source
from service.database.engine import Database
from service.models import Question as QuestionRow
from service.models import Resolution, Role
from service.questions import questions
from service.questions.questions import Loaded, State
from service.settings import SHIPPED_SETS

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


def implication(slug: str) -> Implication:
    return Implication(
        slug=slug, section="1", paraphrase=f"It may {slug}.", hedge="may", actors=("the sky",)
    )


def written(slug: str, **changes: Any) -> Question:
    plain: dict[str, Any] = {
        "slug": slug,
        "implication": "wet",
        "polarity": "supports",
        "why": "Rain is wet.",
        "kind": "binary",
        "title": f"Will {slug} fall?",
        "background": "It did.",
        "background_as_of": date(2026, 11, 1),
        "criteria": "Yes if it does.",
        "fine_print": "None.",
        "domain": "sky",
        "tags": ("water",),
        "window_starts_at": NOW - YEAR,
        "deadline_at": NOW + YEAR,
        "opens_at": NOW - YEAR,
        "closes_at": NOW + YEAR,
        "resolves_by": NOW + 2 * YEAR,
        "sources": (Source(name="Almanac", url="https://example.org/", role="primary"),),
    }
    return Question(**(plain | changes))


WEATHER = QuestionSet(
    version=1,
    slug="weather",
    title="Weather",
    description="What the sky will do.",
    defaults="Times are UTC.",
    document=Document(title="Almanac", origin="our own", date=date(2026, 1, 2)),
    implications=(implication("wet"), implication("cold"), implication("bright")),
    questions=(
        written("rain"),
        written("snow", implication="cold", tags=("water", "ice"), polarity="contradicts"),
        written("frost", draft=True, tags=("ice",)),
    ),
)


def replaced(slug: str, **changes: Any) -> QuestionSet:
    """The set with one question changed."""
    return msgspec.structs.replace(
        WEATHER,
        questions=tuple(
            msgspec.structs.replace(question, **changes) if question.slug == slug else question
            for question in WEATHER.questions
        ),
    )


@pytest.fixture
def load(on_database) -> Callable[[QuestionSet], Loaded]:
    def run(one: QuestionSet) -> Loaded:
        async def work(database: Database) -> Loaded:
            async with database.write() as session:
                return await questions.load(session, one)

        loaded: Loaded = on_database(work)
        return loaded

    return run


def every(caller: Any, path: str, **params: Any) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    items: list[dict[str, Any]] = []
    while True:
        page = caller.get(path, **params).json()
        items += page["items"]
        assert len(page["items"]) <= params.get("limit", 50)
        if page["next"] is None:
            return items
        params["cursor"] = page["next"]


def test_loading_again_changes_nothing(load, curator) -> None:
    assert load(WEATHER) == Loaded("weather", created=3, revised=0, unchanged=0)
    before = every(curator, "/questions")
    assert load(WEATHER) == Loaded("weather", created=0, revised=0, unchanged=3)
    after = every(curator, "/questions")
    for listed in (*before, *after):
        listed["aggregate"].pop("as_of")
    assert after == before
    assert len(every(curator, "/sets/weather/implications")) == 3


def test_a_changed_question_gets_a_revision_and_keeps_its_id_and_forecasts(load, account) -> None:
    ann = account("ann")
    load(WEATHER)
    rain = {one["slug"]: one["id"] for one in every(ann, "/questions")}["rain"]
    ann.forecast(rain, 0.3)
    changed = replaced("rain", title="Will it rain at last?", tags=("sky",))
    assert load(changed) == Loaded("weather", created=0, revised=1, unchanged=2)
    detail = ann.get(f"/questions/{rain}").json()
    assert (detail["revision"], detail["title"]) == (2, "Will it rain at last?")
    assert [one["probability"] for one in every(ann, f"/questions/{rain}/forecasts")] == [0.3]
    assert detail["aggregate"]["forecasters"] == 1
    revisions = every(ann, f"/questions/{rain}/revisions", limit=1)
    assert [(one["number"], one["title"]) for one in revisions] == [
        (1, "Will rain fall?"),
        (2, "Will it rain at last?"),
    ]
    assert [one["id"] for one in every(ann, "/questions", tag="sky")] == [rain]
    assert rain not in [one["id"] for one in every(ann, "/questions", tag="water")]
    assert load(WEATHER).revised == 1
    assert ann.get(f"/questions/{rain}").json()["revision"] == 3


def test_a_question_that_left_the_file_stays(load, account) -> None:
    load(WEATHER)
    assert load(msgspec.structs.replace(WEATHER, questions=())) == Loaded("weather", 0, 0, 0)
    assert [one["slug"] for one in every(account("ann"), "/questions")] == ["rain", "snow"]


def test_the_set_and_its_questions_say_what_the_file_says(load, curator) -> None:
    load(WEATHER)
    shown = curator.get("/sets/weather").json()
    assert (shown["title"], shown["defaults"], shown["questions"]) == (
        "Weather",
        "Times are UTC.",
        3,
    )
    assert shown["document"] == {"title": "Almanac", "date": "2026-01-02", "origin": "our own"}
    assert [one["slug"] for one in every(curator, "/sets")] == ["weather"]
    snow = every(curator, "/questions")[1]
    detail = curator.get(f"/questions/{snow['id']}").json()
    file = msgspec.json.decode(msgspec.json.encode(WEATHER.questions[1]))
    same = set(file) & set(detail) - {"tags"}
    assert {name: detail[name] for name in same} == {name: file[name] for name in same}
    assert {"title", "criteria", "fine_print", "background", "sources", "implication"} <= same
    assert (detail["tags"], detail["set"], detail["state"]) == (["water", "ice"], "weather", "open")


def test_implications_come_in_the_order_of_the_document(load, account) -> None:
    ann = account("ann")
    load(WEATHER)
    moved = (*reversed(WEATHER.implications), implication("new"))
    load(msgspec.structs.replace(WEATHER, implications=moved))
    listed = every(ann, "/sets/weather/implications", limit=2)
    assert [one["slug"] for one in listed] == ["bright", "cold", "wet", "new"]
    assert [one["position"] for one in listed] == [1, 2, 3, 4]


def test_questions_are_filtered_and_paged_to_the_end(load, account, question) -> None:
    ann = account("ann")
    load(WEATHER)
    others = [question(f"other-{number}") for number in range(7)]

    def ids(**params: Any) -> list[int]:
        return [one["id"] for one in every(ann, "/questions", **params)]

    assert ids(set="tests", limit=3) == others
    assert ids(limit=2) == sorted(ids())
    assert len(ids()) == 9
    assert ids(set="weather", tag="ice") == ids(tag="ice")
    assert len(ids(tag="ice")) == 1
    assert ids(tag="nothing") == []
    assert ids(state="open") == ids()
    assert [ids(state=state) for state in ("draft", "upcoming", "closed", "resolved")] == [[]] * 4
    with time_machine.travel(NOW + 2 * YEAR):
        assert ids(state="closed", limit=4) == ids()


def test_what_does_not_exist_is_refused_by_name(refused, account) -> None:
    ann = account("ann")
    for path in ("/sets/nowhere", "/sets/nowhere/implications"):
        refused(ann.get(path), 404, "there is no set 'nowhere'")
    refused(ann.get("/questions", set="nowhere"), 404, "there is no set 'nowhere'")
    refused(ann.get("/leaderboard", set="nowhere"), 404, "there is no set 'nowhere'")
    for path in ("/questions/7", "/questions/7/revisions"):
        refused(ann.get(path), 404, "there is no question 7")
    refused(ann.get("/questions", state="asleep"), 422, field="state")
    refused(ann.get("/questions", limit=201), 422, field="limit")
    refused(ann.get("/questions", set="x" * 101), 422, field="set")


def test_a_draft_is_hidden_from_all_but_curators(refused, load, account, curator) -> None:
    load(WEATHER)
    frost = every(curator, "/questions", state="draft")[0]
    assert (frost["slug"], frost["state"]) == ("frost", "draft")
    for role in (Role.viewer, Role.forecaster):
        eve = account(role.value, role)
        assert frost["id"] not in [one["id"] for one in every(eve, "/questions")]
        assert every(eve, "/questions", state="draft") == every(eve, "/questions", tag="x") == []
        for path in ("", "/revisions", "/forecasts", "/aggregate", "/aggregate/history", "/scores"):
            refused(eve.get(f"/questions/{frost['id']}{path}"), 404, "there is no question")
            assert curator.get(f"/questions/{frost['id']}{path}").status_code == 200
    load(replaced("frost", draft=False))
    assert "frost" in [one["slug"] for one in every(account("ann"), "/questions")]


def test_the_state_in_words_and_the_state_in_sql_always_agree(
    on_database, question, curator
) -> None:
    moments = [None, NOW - YEAR, NOW, NOW + YEAR]
    cases = product(moments[1:], moments, (False, True), ([], ["yes"], ["no", "unresolved"]))
    resolutions: dict[int, list[str]] = {}
    for opens, closes, draft, outcomes in cases:
        slug = f"case-{len(resolutions)}"
        made = question(slug, opens_at=opens, closes_at=closes, draft=draft)
        resolutions[made] = outcomes

    async def compare(database: Database) -> set[State]:
        async with database.write() as session:
            session.add_all(
                Resolution(
                    question_id=made,
                    number=number,
                    outcome=outcome,
                    occurred_at=NOW,
                    evidence_url="",
                    note="",
                    account_id=curator.id,
                    created_at=NOW,
                    position=number,
                    salt=b"",
                    digest=b"",
                )
                for made, outcomes in resolutions.items()
                for number, outcome in enumerate(outcomes, start=1)
            )
        seen = set()
        tick = timedelta(microseconds=1)
        async with database.read() as session:
            for base, shift in product((NOW - YEAR, NOW, NOW + YEAR), (-tick, 0 * tick, tick)):
                at = base + shift
                views = await questions.views(session, questions.views_query(None))
                assert len(views) == len(resolutions) == 72
                by_state = {
                    state: {
                        view.id
                        for view in await questions.views(
                            session,
                            questions.views_query(None).where(questions.in_state(state, at)),
                        )
                    }
                    for state in State
                }
                for view in views:
                    found = {state for state, ids in by_state.items() if view.id in ids}
                    assert found == {view.state(at)}, (view.revision.opens_at, at)
                    seen |= found
        return seen

    assert on_database(compare) == set(State)


def test_the_shipped_sets_load_and_every_question_is_open(
    shipped, account, curator, on_database
) -> None:
    expected = [read_set(path) for path in find_sets(SHIPPED_SETS)]
    assert [one.slug for one in shipped] == [one.slug for one in expected]
    drafts = sum(question.draft for one in expected for question in one.questions)
    listed = every(account("ann"), "/questions", limit=7)
    assert len(listed) == sum(one.created for one in shipped) - drafts
    with time_machine.travel(NOW):
        assert {one["state"] for one in every(curator, "/questions")} <= {"open", "draft"}
        assert {one["state"] for one in every(account("bob"), "/questions")} == {"open"}
    for one in expected:
        implications = every(curator, f"/sets/{one.slug}/implications")
        assert [each["slug"] for each in implications] == [i.slug for i in one.implications]

    async def linked(database: Database) -> list[Any]:
        async with database.read() as session:
            found = await questions.views(session, questions.views_query(None))
            assert len(found) == len(list(await session.scalars(select(QuestionRow.id))))
            return [view.implication_slug for view in found]

    assert all(on_database(linked))
