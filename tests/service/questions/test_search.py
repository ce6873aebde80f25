"""The catalogue: searching, ordering, and paging through a thousand questions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import insert

from service.clock import now
from service.database.engine import Database
from service.models import Question, QuestionRevision, Role, SetPolicy, Visibility
from service.permissions import Actor
from service.questions import questions, visibility

DAY = timedelta(days=1)
OPENS = datetime(2026, 11, 1, tzinfo=UTC)


def slugs(caller: Any, **params: Any) -> list[str]:
    """What a list says through every one of its pages."""
    found: list[str] = []
    while True:
        answer = caller.get("/questions", **params)
        assert answer.status_code == 200, answer.text
        found += [one["slug"] for one in answer.json()["items"]]
        if answer.json()["next"] is None:
            return found
        params["cursor"] = answer.json()["next"]


def test_a_search_finds_every_word_wherever_it_is(account, question, refused) -> None:
    ann = account("ann")
    question("rain", title="Will it RAIN in Paris?", criteria="Yes if 100% of gauges are wet.")
    question("snow", title="Will it snow?", background="It did in paris_1.")
    question("draft", title="Will Paris burn?", draft=True)
    assert slugs(ann, q="paris") == ["rain", "snow"]
    assert slugs(ann, q=" wet  rain ") == ["rain"]
    assert slugs(ann, q="100%") == ["rain"]
    assert slugs(ann, q="paris_") == ["snow"]
    assert slugs(ann, q="%") == ["rain"]
    assert slugs(ann, q="hail") == []
    refused(ann.get("/questions", q="x" * 201), 422, field="q")
    refused(ann.get("/questions", sort="price"), 422, field="sort")


@pytest.mark.parametrize(
    ("title", "searches"),
    [
        (
            "\u0420\u043e\u0441\u0441\u0438\u044f",
            [
                "\u0440\u043e\u0441\u0441\u0438\u044f",
                "\u0420\u041e\u0421\u0421\u0418\u042f",
                "\u0441\u0441\u0438",
            ],
        ),
        (
            "\u00c9ire: \u00c9lection?",
            ["\u00e9ire", "eire", "E\u0301IRE", "\u00e9lection", "ELECTION"],
        ),
        ("Stra\u00dfe", ["STRASSE", "stra\u00dfe", "strasse"]),
        ("\u0130stanbul", ["istanbul", "ISTANBUL", "\u0131stanbul", "i\u0307stanbul"]),
        (
            "\u03a3\u039f\u03a6\u039f\u03a3",
            ["\u03c3\u03bf\u03c6\u03bf\u03c2", "\u03c3\u03bf\u03c6\u03bf\u03c3"],
        ),
        ("\u0141\u00f3d\u017a", ["lodz", "\u0142\u00f3d\u017a", "LODZ"]),
        ("won\u2019t it \u201cwork\u201d", ["won't", "won\u2019t", '"work"', "\u201eWork\u201c"]),
        ("2026\u201327", ["2026-27", "2026\u201427"]),
        ("won't it work", ["WON\u2019T"]),
        ("\uff26ull", ["full"]),
    ],
)
def test_case_accents_and_typography_make_no_difference(
    account, question, title: str, searches: list[str]
) -> None:
    question("asked", title=title)
    question("other", title="Will something else happen?", criteria="100_% or not")
    ann = account("ann")
    for search in searches:
        assert slugs(ann, q=search) == ["asked"], search
    assert slugs(ann, q="_%") == ["other"]
    assert slugs(ann, q="\\") == slugs(ann, q="0%_") == []


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("id", ["late", "early", "endless", "twin"]),
        ("closes_at", ["early", "late", "twin", "endless"]),
        ("-closes_at", ["endless", "late", "twin", "early"]),
        ("opens_at", ["twin", "late", "early", "endless"]),
        ("-opens_at", ["late", "early", "endless", "twin"]),
    ],
)
def test_a_list_keeps_its_order_through_every_page(
    account, question, sort: str, expected: list[str]
) -> None:
    question("late", closes_at=OPENS + 300 * DAY)
    question("early", closes_at=OPENS + 200 * DAY)
    question("endless", closes_at=None)
    question("twin", closes_at=OPENS + 300 * DAY, opens_at=OPENS - DAY)
    for limit in (1, 2, 3, 50):
        assert slugs(account(f"ann{limit}"), sort=sort, limit=limit) == expected


def test_what_moved_farthest_in_a_week_comes_first(account, question, curator, on_database) -> None:
    ann = account("ann")
    with time_machine.travel(OPENS, tick=False):
        asked = {slug: question(slug) for slug in ("still", "moved", "hidden", "new")}
        for slug in ("still", "moved", "hidden"):
            ann.forecast(asked[slug], 0.5)
    with time_machine.travel(OPENS + 10 * DAY, tick=False):
        ann.forecast(asked["moved"], 0.7)
        ann.forecast(asked["hidden"], 0.9)
        ann.forecast(asked["new"], 0.9)

    async def hide(database: Database) -> None:
        async with database.write() as session:
            row = await session.get(QuestionRevision, asked["hidden"])
            assert row is not None
            row.reveal_at = OPENS + 100 * DAY

    with time_machine.travel(OPENS + 12 * DAY, tick=False):
        assert slugs(ann, sort="moved", limit=2) == ["hidden", "moved", "still", "new"]
        on_database(hide)
        assert slugs(curator, sort="moved", limit=1) == ["hidden", "moved", "still", "new"]
        assert slugs(ann, sort="moved", limit=1) == ["moved", "still", "hidden", "new"]
    with time_machine.travel(OPENS + 20 * DAY, tick=False):
        assert slugs(ann, sort="moved") == ["still", "moved", "hidden", "new"]


def test_the_two_rules_of_what_everyone_sees_agree(question, curator, on_database) -> None:
    """`visibility.shown` in SQL, and `visibility.hidden`, for someone who has forecast nothing."""
    for in_set in ("open", "waiting", "later"):
        question(f"{in_set}-plain", in_set)
        question(f"{in_set}-closed", in_set, closes_at=OPENS + DAY)
        question(f"{in_set}-own-past", in_set, reveal_at=OPENS + DAY)
        question(f"{in_set}-own-future", in_set, reveal_at=OPENS + 90 * DAY)
        curator.resolve(question(f"{in_set}-resolved", in_set, closes_at=None), "yes")
    policies = {
        "waiting": (Visibility.after_forecast, None),
        "later": (Visibility.reveal_at, OPENS + 60 * DAY),
    }
    at = OPENS + 30 * DAY

    async def ask(database: Database) -> tuple[set[int], set[int]]:
        async with database.write() as session:
            for slug, (policy, reveal_at) in policies.items():
                found = await questions.find_set(session, slug)
                session.add(
                    SetPolicy(
                        set_id=found.id,
                        number=1,
                        visibility=policy,
                        reveal_at=reveal_at,
                        account_id=None,
                        reason="",
                        created_at=OPENS,
                    )
                )
            await session.flush()
            stranger = Actor(10**6, "eve", Role.viewer, bot=False)
            every = await questions.views(session, questions.views_query(None))
            shown = await questions.views(
                session, questions.views_query(None).where(visibility.shown(stranger, at))
            )
            hidden = await visibility.hidden(session, stranger, every, at)
            return {view.id for view in every} - set(hidden), {view.id for view in shown}

    by_rule, by_statement = on_database(ask)
    assert by_rule == by_statement
    assert 5 < len(by_rule) < 15


def test_pages_hold_at_depth(account, question, on_database) -> None:
    """A thousand questions, many of which close at once, each on exactly one page."""
    first = question("first", closes_at=OPENS + 400 * DAY)
    count = 1_050

    async def fill(database: Database) -> None:
        async with database.write() as session:
            row = await session.get(QuestionRevision, first)
            assert row is not None
            texts = {
                column.name: getattr(row, column.name)
                for column in QuestionRevision.__table__.columns
                if column.name not in {"id", "question_id", "closes_at", "search_text"}
            }
            ids = range(first + 1, first + count)
            set_id = (await session.get_one(Question, first)).set_id
            await session.execute(
                insert(Question),
                [
                    {"id": one, "set_id": set_id, "slug": f"q{one:04}", "created_at": now()}
                    for one in ids
                ],
            )
            await session.execute(
                insert(QuestionRevision),
                [
                    texts | {"question_id": one, "closes_at": OPENS + (100 + one % 7) * DAY}
                    for one in ids
                ],
            )

    on_database(fill)
    ann = account("ann")
    by_close = slugs(ann, sort="closes_at", limit=200)
    assert len(by_close) == len(set(by_close)) == count
    assert by_close[-1] == "first"
    assert slugs(ann, limit=200) == sorted(by_close)
