"""Asking, revising, publishing, closing by the API; files loaded again; sets out and back."""

import asyncio
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from everything import TODAY
from sqlalchemy import make_url, select

from questions.load import find_sets, question_hash, read_set
from questions.schema import (
    Document,
    Implication,
    Question,
    QuestionSet,
    Review,
    Signature,
    Source,
    Waiver,
)
from service.database.engine import Database
from service.models import Question as QuestionRow
from service.models import QuestionRevision
from service.models import QuestionSet as SetRow
from service.questions import questions
from service.questions.questions import Loaded
from service.settings import SHIPPED_SETS

NOW = TODAY
DAY = timedelta(days=1)


def written(slug: str, **changes: Any) -> Question:
    plain: dict[str, Any] = {
        "implication": "wet",
        "polarity": "supports",
        "why": "Rain is wet.",
        "kind": "binary",
        "title": f"Will {slug} fall?",
        "background": "It did.\nTwice.",
        "background_as_of": date(2026, 11, 1),
        "criteria": "Yes if it does.",
        "fine_print": 'None, "really".',
        "domain": "sky",
        "tags": ("water",),
        "window_starts_at": NOW - DAY,
        "deadline_at": NOW + 300 * DAY,
        "opens_at": NOW - DAY,
        "closes_at": NOW + 300 * DAY,
        "resolves_by": NOW + 330 * DAY,
        "sources": (Source(name="Almanac", url="https://example.org/", role="primary"),),
    }
    return Question(slug=slug, **(plain | changes))


WEATHER = QuestionSet(
    version=1,
    slug="weather",
    title="Weather",
    description="The sky.",
    defaults="UTC.",
    document=Document(title="Almanac", origin="our own", date=date(2026, 1, 2), sha256="a" * 64),
    implications=(
        Implication(slug="wet", section="1", paraphrase="Rain.", hedge="may", actors=("sky",)),
        Implication(
            slug="cold",
            section="2",
            paraphrase="Snow.",
            hedge="may",
            actors=("sky",),
            premise="overtaken",
            premise_note="It thawed.",
        ),
    ),
    review=Review(signed=(Signature(rule="Q13", by="A curator", on=date(2026, 11, 2)),)),
    waivers=(Waiver(rule="Q11", reason="Defined.", question="rain"),),
    questions=(
        written("rain"),
        written("snow", implication="cold", tail=True, weight=2.5),
        written("frost", draft=True),
    ),
)


def replaced(slug: str, **changes: Any) -> QuestionSet:
    return msgspec.structs.replace(
        WEATHER,
        questions=tuple(
            msgspec.structs.replace(one, **changes) if one.slug == slug else one
            for one in WEATHER.questions
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


@pytest.fixture
def ids(load, curator) -> dict[str, int]:
    """The weather, loaded; its questions' ids."""
    load(WEATHER)
    return {one["slug"]: one["id"] for one in curator.get("/questions").json()["items"]}


def revise(caller: Any, question_id: int, based_on: int = 1, **changes: Any) -> Any:
    return caller.post(
        f"/questions/{question_id}/revisions",
        {"based_on": based_on, "reason": "It was unclear.", "changes": changes},
    )


def detail(caller: Any, question_id: int) -> dict[str, Any]:
    found: dict[str, Any] = caller.get(f"/questions/{question_id}").json()
    return found


def told(question: Question) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(question)
    return found


def test_a_question_asked_by_the_api_is_that_of_a_file(ids, curator, account) -> None:
    hail = written("hail", implication="cold", polarity="contradicts")
    answer = curator.post(
        "/sets/weather/questions", {"question": told(hail), "reason": "Left out."}
    )
    assert answer.status_code == 201, answer.text
    assert (answer.json()["state"], answer.json()["reason"]) == ("open", "Left out.")
    (revision,) = curator.get(f"/questions/{answer.json()['id']}/revisions").json()["items"]
    assert revision["content_hash"] == question_hash(hail)
    assert (revision["revised_by"], revision["changed"]) == ("curator", [])
    assert account("ann").forecast(answer.json()["id"], 0.4).status_code == 201


def test_what_a_file_could_not_say_is_refused_with_the_field(ids, curator, refused) -> None:
    def ask(**changes: Any) -> Any:
        return curator.post(
            "/sets/weather/questions", {"question": told(written("hail")) | changes}
        )

    refused(ask(slug="rain"), 409, "already has a question 'rain'")
    refused(ask(slug="Hail!"), 422, "slug must be lower-case letters", field="slug")
    refused(ask(title=" "), 422, "title must be one line of text that is not blank", field="title")
    refused(ask(polarity="maybe"), 422, "supports, contradicts, neutral", field="polarity")
    refused(ask(weight="heavy"), 422, "weight must be a number above 0", field="weight")
    refused(ask(draft=3), 422, "draft must be true or false", field="draft")
    refused(ask(colour="blue"), 422, "colour is an unknown field", field="colour")
    refused(ask(opens_at="2026-11-01T00:00:00"), 422, "with its offset", field="opens_at")
    refused(
        ask(closes_at=told(written("x"))["opens_at"]),
        422,
        "closes_at must be after opens_at",
        field="closes_at",
    )
    source = {"name": "Almanac", "url": "almanac", "role": "primary"}
    refused(ask(sources=[source]), 422, "starts with http", field="sources[0].url")
    refused(ask(implication="dry"), 422, "one of the set's, not 'dry'", field="implication")
    refused(ask(title="Will \0 fall?"), 422, "U+0000 NULL (character 6)", field="title")
    refused(ask(opens_at="0001-01-01T00:00:00+14:00"), 422, "years 1 to 9999")
    missing = {name: value for name, value in told(written("hail")).items() if name != "criteria"}
    answer = curator.post("/sets/weather/questions", {"question": missing})
    refused(answer, 422, "criteria is missing", field="criteria")
    refused(curator.post("/sets/nothing/questions", {"question": {}}), 404)
    assert len(curator.get("/questions").json()["items"]) == 3


def test_forecasters_see_when_why_by_whom_and_what_was_revised(ids, curator, account) -> None:
    ann, rain = account("ann"), ids["rain"]
    ann.forecast(rain, 0.3)
    before = detail(ann, rain)
    assert (before["revision"], before["reason"]) == (1, "")
    answer = revise(curator, rain, title="Will any rain fall?", criteria="Yes if a drop falls.")
    assert answer.status_code == 201, answer.text
    after = detail(ann, rain)
    assert (after["revision"], after["title"]) == (2, "Will any rain fall?")
    assert after["reason"] == "It was unclear."
    assert after["revised_at"] > before["revised_at"]
    assert after["aggregate"]["probability"] == before["aggregate"]["probability"]
    revise(curator, rain, based_on=2, tags=["sky"], implication="cold")
    first, second, third = ann.get(f"/questions/{rain}/revisions").json()["items"]
    assert (first["revised_by"], first["reason"], first["changed"]) == (None, "", [])
    assert (second["revised_by"], second["reason"]) == ("curator", "It was unclear.")
    assert second["changed"] == ["title", "criteria"]
    assert third["changed"] == ["implication", "tags"]
    page = ann.get(f"/questions/{rain}/revisions", limit=1).json()
    assert page["items"] == [first]
    page = ann.get(f"/questions/{rain}/revisions", limit=1, cursor=page["next"]).json()
    assert page["items"] == [second]
    causes = ann.get(f"/questions/{rain}/aggregate/history").json()["items"]
    assert [one["cause"] for one in causes] == ["forecast", "revision", "revision"]


def test_an_edit_of_something_old_or_without_reason_is_refused(ids, curator, refused) -> None:
    rain = ids["rain"]
    assert revise(curator, rain, why="Rain is very wet.").status_code == 201
    late = revise(curator, rain, why="Rain is dry.")
    refused(late, 409, "is at revision 2, not 1")
    assert late.json()["current"] == {"revision": 2}
    for reason in ("", "  "):
        body = {"based_on": 2, "reason": reason, "changes": {"why": "So."}}
        refused(curator.post(f"/questions/{rain}/revisions", body), 422, field="reason")
    refused(revise(curator, rain, based_on=2), 422, "something", field="changes")
    refused(
        revise(curator, rain, based_on=2, slug="hail"), 422, "slug must stay the same", field="slug"
    )
    refused(revise(curator, rain, based_on=2, title=None), 422, field="title")
    refused(revise(curator, rain, based_on=2, colour="red"), 422, field="colour")
    assert detail(curator, rain)["revision"] == 2


def test_an_edit_cannot_undo_forecasts_or_touch_what_is_resolved(
    ids, curator, account, refused
) -> None:
    rain, earlier = ids["rain"], (NOW - DAY / 2).isoformat()
    account("ann").forecast(rain, 0.3)
    refused(revise(curator, rain, opens_at=earlier), 422, field="opens_at")
    refused(revise(curator, rain, closes_at=earlier), 422, field="closes_at")
    refused(revise(curator, rain, draft=True), 422, field="draft")
    assert revise(curator, ids["snow"], opens_at=earlier).status_code == 201
    curator.resolve(rain, "annulled")
    refused(revise(curator, rain, why="So."), 409, "is resolved")


def test_a_draft_is_published_by_a_revision(ids, curator, account, refused) -> None:
    ann, frost = account("ann"), ids["frost"]
    refused(ann.get(f"/questions/{frost}"), 404)
    assert revise(curator, frost, draft=False).json()["state"] == "open"
    assert ann.forecast(frost, 0.2).status_code == 201


def test_a_question_closed_early_keeps_its_forecasts_and_takes_no_more(
    ids, curator, account, refused
) -> None:
    ann, rain = account("ann"), ids["rain"]
    ann.forecast(rain, 0.3)
    body = {"based_on": 1, "reason": "It was settled."}
    answer = curator.post(f"/questions/{rain}/closing", body)
    assert answer.status_code == 201, answer.text
    closed = answer.json()
    assert (closed["state"], closed["reason"]) == ("closed", "It was settled.")
    assert closed["closes_at"] == closed["revised_at"]
    assert closed["aggregate"]["forecasters"] == 1
    refused(ann.forecast(rain, 0.4), 409, "closed at")
    refused(curator.post(f"/questions/{rain}/closing", body | {"based_on": 2}), 409, "is closed")
    assert curator.resolve(rain, "yes").status_code == 201


def test_loading_a_file_again_keeps_a_curators_edit(ids, load, curator) -> None:
    rain = ids["rain"]
    revise(curator, rain, title="Will any rain fall?")
    for _ in range(2):
        assert load(WEATHER) == Loaded("weather", created=0, revised=0, unchanged=3)
    assert detail(curator, rain)["title"] == "Will any rain fall?"


def test_a_file_that_says_something_new_wins_and_says_so(ids, load, curator) -> None:
    rain = ids["rain"]
    revise(curator, rain, title="Will any rain fall?")
    assert load(replaced("rain", title="Will it pour?")).revised == 1
    found = detail(curator, rain)
    assert (found["title"], found["revision"]) == ("Will it pour?", 3)
    last = curator.get(f"/questions/{rain}/revisions").json()["items"][-1]
    assert (last["revised_by"], last["reason"], last["changed"]) == (
        None,
        "The set's file changed.",
        ["title"],
    )
    assert load(WEATHER).revised == 1
    assert load(WEATHER).revised == 0


def test_a_file_that_took_an_edit_over_is_known_from_then_on(ids, load, curator) -> None:
    rain, title = ids["rain"], "Will any rain fall?"
    revise(curator, rain, title=title)
    assert load(replaced("rain", title=title)).revised == 0
    revise(curator, rain, based_on=2, title="Will it drizzle?")
    assert load(replaced("rain", title=title)).revised == 0
    assert detail(curator, rain)["title"] == "Will it drizzle?"


def exported(curator: Any, slug: str, folder: Path) -> QuestionSet:
    answer = curator.get(f"/sets/{slug}/export")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/toml")
    file = folder / f"{slug}.toml"
    file.write_text(answer.text, encoding="utf-8")
    return read_set(file)


def hashes(on_database: Callable[..., Any]) -> dict[tuple[str, str], str]:
    async def work(database: Database) -> dict[tuple[str, str], str]:
        async with database.read() as session:
            rows = await session.execute(
                select(SetRow.slug, QuestionRow.slug, QuestionRevision.content_hash)
                .join(QuestionRow, QuestionRow.set_id == SetRow.id)
                .join(QuestionRevision, QuestionRevision.question_id == QuestionRow.id)
                .order_by(QuestionRevision.number)
            )
            return {(of, slug): content for of, slug, content in rows}

    found: dict[tuple[str, str], str] = on_database(work)
    return found


def test_a_set_goes_out_with_its_edits_and_comes_back_the_same(
    ids, load, curator, tmp_path
) -> None:
    assert exported(curator, "weather", tmp_path) == WEATHER
    revise(curator, ids["rain"], title="Will any rain fall?")
    curator.post("/sets/weather/questions", {"question": told(written("hail"))})
    expected = replaced("rain", title="Will any rain fall?")
    expected = msgspec.structs.replace(expected, questions=(*expected.questions, written("hail")))
    found = exported(curator, "weather", tmp_path)
    assert found == expected
    assert load(found) == Loaded("weather", created=0, revised=0, unchanged=4)


def test_the_shipped_sets_come_back_with_the_same_hashes_in_another_database(
    shipped, curator, tmp_path, migrated_sqlite, on_database
) -> None:
    file = tmp_path / "other.db"
    shutil.copy(migrated_sqlite, file)
    found = [exported(curator, one.slug, tmp_path) for one in shipped]
    assert found == [
        msgspec.structs.replace(one, questions=back.questions)
        for one, back in zip(map(read_set, find_sets(SHIPPED_SETS)), found, strict=True)
    ]
    url = make_url(f"sqlite+aiosqlite:///{file}")

    def on_other(work: Callable[[Database], Any]) -> Any:
        async def run() -> Any:
            database = Database(url)
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(run())

    async def load_all(database: Database) -> None:
        async with database.write() as session:
            for one in found:
                await questions.load(session, one)

    on_other(load_all)
    assert hashes(on_other) == hashes(on_database)


def test_a_set_that_no_file_made_cannot_be_exported(question, curator, account, refused) -> None:
    question()
    refused(curator.get("/sets/tests/export"), 409, "not loaded from a file")
    refused(curator.get("/sets/nothing/export"), 404)
    refused(account("ann").get("/sets/tests/export"), 403)
