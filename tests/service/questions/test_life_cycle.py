"""Closing, reopening, resolving anew; and the audit log, in which every act is found once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import time_machine

from service.app import create_app
from service.audit import audit_log
from service.database.engine import Database
from service.models import Role

DAY = timedelta(days=1)
OPENS = datetime(2026, 11, 1, tzinfo=UTC)
CLOSES = OPENS + 300 * DAY
WHY = "It was unclear."


def close(caller: Any, question_id: int, based_on: int) -> Any:
    return caller.post(
        f"/questions/{question_id}/closing", {"based_on": based_on, "reason": "It is settled."}
    )


def reopen(caller: Any, question_id: int, based_on: int, closes_at: datetime) -> Any:
    told = {"based_on": based_on, "reason": "It is not.", "closes_at": closes_at.isoformat()}
    return caller.post(f"/questions/{question_id}/reopening", told)


def revise(caller: Any, question_id: int, based_on: int, **changes: Any) -> Any:
    told = {"based_on": based_on, "reason": WHY, "changes": changes}
    return caller.post(f"/questions/{question_id}/revisions", told)


def actions(caller: Any, path: str, **params: Any) -> list[str]:
    return [one["action"] for one in caller.get(path, **params).json()["items"]]


def test_a_closed_question_is_reopened_with_a_later_close(sky, account, curator, refused) -> None:
    ann, rain = account("ann"), sky(rain={})["rain"]
    with time_machine.travel(OPENS + DAY, tick=False):
        ann.forecast(rain, 0.3)
        refused(reopen(curator, rain, 1, CLOSES), 409, "only a closed one can be reopened")
        assert close(curator, rain, 1).json()["state"] == "closed"
        refused(ann.forecast(rain, 0.4), 409, "closed at")
    with time_machine.travel(OPENS + 2 * DAY, tick=False):
        refused(reopen(ann, rain, 2, CLOSES), 403)
        refused(reopen(curator, rain, 1, CLOSES), 409, "is at revision 2")
        refused(reopen(curator, rain, 2, OPENS + DAY), 422, field="closes_at")
        refused(reopen(curator, rain, 2, CLOSES + DAY), 422, "closes_at", field="closes_at")
        answer = reopen(curator, rain, 2, OPENS + 10 * DAY)
        assert answer.status_code == 201, answer.text
        assert answer.json()["state"] == "open"
        assert answer.json()["aggregate"]["forecasters"] == 1
        assert ann.forecast(rain, 0.4).status_code == 201
    with time_machine.travel(OPENS + 10 * DAY, tick=False):
        refused(ann.forecast(rain, 0.5), 409, "closed at")


def test_the_log_has_every_act_once_with_who_when_why_and_what(sky, account, curator) -> None:
    ann = account("ann")
    with time_machine.travel(OPENS + DAY, tick=False) as clock:
        ids = sky(rain={"draft": True}, snow={})
        rain, path = ids["rain"], f"/questions/{ids['rain']}"
        for act in (
            lambda: revise(curator, rain, 1, draft=False),
            lambda: revise(curator, rain, 2, title="Will any rain fall?"),
            lambda: close(curator, rain, 3),
            lambda: reopen(curator, rain, 4, CLOSES),
            lambda: curator.resolve(rain, "yes", evidence_url="https://example.org/", note="Wet."),
            lambda: curator("DELETE", f"{path}/resolution", params={"reason": "It was dew."}),
            lambda: curator.resolve(rain, "no", note="Dry."),
        ):
            clock.shift(DAY)
            assert act().status_code in {200, 201}
    log = ann.get(f"{path}/audit").json()["items"]
    assert [one["action"].removeprefix("question.") for one in log] == [
        "resolved",
        "unresolved",
        "resolved",
        "reopened",
        "closed",
        "revised",
        "published",
        "created",
    ]
    assert [one["by"] for one in log] == ["curator"] * 7 + [None]
    assert [one["reason"] for one in log[:3]] == ["Dry.", "It was dew.", "Wet."]
    assert [one["at"] for one in log] == sorted((one["at"] for one in log), reverse=True)
    assert log[2]["details"]["evidence_url"] == "https://example.org/"
    assert log[2]["details"]["outcome"] == "yes"
    assert log[5]["details"]["changed"] == {
        "title": {"before": "Will it fall?", "after": "Will any rain fall?"}
    }
    assert {one["question_id"] for one in log} == {rain}
    assert actions(curator, "/audit", action="question.closed") == ["question.closed"]
    assert len(actions(curator, "/audit", set="almanac")) == 8 + 1 + 1
    assert len(actions(curator, "/audit", by=curator.id)) == 7
    assert actions(curator, "/audit", question=ids["snow"]) == ["question.created"]
    (loaded,) = curator.get("/audit", action="set.loaded").json()["items"]
    assert (loaded["set"], loaded["details"]["created"]) == ("almanac", 2)


def test_the_log_is_read_in_pages_that_lose_nothing(sky, curator, refused) -> None:
    sky(**{f"q{number}": {} for number in range(7)})
    whole = curator.get("/audit").json()["items"]
    found, cursor = [], None
    while True:
        page = curator.get("/audit", limit=3, **({"cursor": cursor} if cursor else {})).json()
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == whole
    assert len(found) == 8
    refused(curator.get("/audit", cursor="nonsense"), 422, field="cursor")
    refused(curator.get("/audit", cursor="MTI"), 422, field="cursor")


def test_who_sees_a_question_sees_what_was_done_to_it(sky, account, curator, refused) -> None:
    ann, ids = account("ann"), sky(rain={}, snow={"draft": True})
    refused(ann.get("/audit"), 403, "may not read the audit log")
    assert actions(ann, f"/questions/{ids['rain']}/audit") == ["question.created"]
    refused(ann.get(f"/questions/{ids['snow']}/audit"), 404)
    assert actions(curator, f"/questions/{ids['snow']}/audit") == ["question.created"]


def test_an_act_without_a_row_of_its_own_is_recorded(on_database, curator, account) -> None:
    ann = account("ann")

    async def promote(database: Database) -> None:
        async with database.write() as session:
            await audit_log.record(
                session,
                curator.id,
                "account.role_changed",
                subject_id=ann.id,
                reason="She asked.",
                details={"before": "viewer", "after": "forecaster"},
            )

    on_database(promote)
    (entry,) = curator.get("/audit", action="account.role_changed").json()["items"]
    assert (entry["by"], entry["subject_id"], entry["reason"]) == ("curator", ann.id, "She asked.")
    assert entry["details"] == {"before": "viewer", "after": "forecaster"}


def test_of_curators_who_resolve_at_once_all_but_one_are_told_what_happened(
    sky, account, settings, on_database
) -> None:
    outcomes = ("yes", "no", "annulled", "yes")
    rain = sky(rain={})["rain"]
    callers = [account(f"curator-{number}", Role.curator) for number in range(len(outcomes))]

    async def at_once(_: Database) -> list[httpx.Response]:
        app = create_app(settings)
        transport = httpx.ASGITransport(app=app)
        async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://t") as c:
            return await asyncio.gather(
                *(
                    c.post(
                        f"/api/v1/questions/{rain}/resolution",
                        json={"outcome": outcome},
                        headers={"Authorization": f"Bearer {caller.token}"},
                    )
                    for caller, outcome in zip(callers, outcomes, strict=True)
                )
            )

    answers = on_database(at_once)
    (done,) = [one for one in answers if one.status_code == 201]
    winner = callers[answers.index(done)]
    refusals = [one for one in answers if one is not done]
    assert {one.status_code for one in refusals} == {409}
    for one in refusals:
        assert one.json()["current"]["outcome"] == done.json()["resolution"]["outcome"]
        assert one.json()["current"]["by"] in one.json()["detail"]
        assert one.json()["current"]["resolved_at"] == done.json()["resolution"]["resolved_at"]
    path = f"/questions/{rain}/audit"
    assert actions(winner, path) == ["question.resolved", "question.created"]


def test_the_lint_is_told_of_an_edit_and_stops_nothing(sky, curator) -> None:
    rain = sky(rain={})["rain"]
    answer = revise(curator, rain, 1, title="Will rain fall soon?")
    assert answer.status_code == 201
    assert {"Q03", "Q10"} <= {one["rule"] for one in answer.json()["findings"]}
    assert curator.get(f"/questions/{rain}").json()["title"] == "Will rain fall soon?"
