"""Comments: who writes, answers, edits, sees, removes them; requests repeated under a key."""

import asyncio
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.database.engine import Database
from service.models import Role


def say(caller: Any, question_id: int, text: str = "It rains.", **more: Any) -> Any:
    return caller.post(f"/questions/{question_id}/comments", {"text": text, **more})


def texts(caller: Any, question_id: int, **params: Any) -> list[str | None]:
    found = caller.get(f"/questions/{question_id}/comments", **params).json()["items"]
    return [one["text"] for one in found]


@pytest.fixture
def crowd(account) -> Any:
    return account("ann"), account("bob")


def test_a_comment_is_written_answered_and_edited_with_its_history(
    crowd, question, refused
) -> None:
    (ann, bob), rain = crowd, question()
    made = ann.forecast(rain, 0.3).json()["forecast"]["id"]
    first = say(ann, rain, "<b>It rains</b>", forecast_id=made)
    assert first.status_code == 201, first.text
    comment = first.json()
    assert (comment["text"], comment["author"]) == ("<b>It rains</b>", "ann")
    assert (comment["forecast_id"], comment["edited_at"]) == (made, None)
    answer = say(bob, rain, "It does not.", parent_id=comment["id"]).json()
    refused(say(ann, rain, parent_id=answer["id"]), 422, "not a reply itself", field="parent_id")
    refused(say(bob, rain, forecast_id=made), 422, "your own forecast", field="forecast_id")
    refused(say(bob, rain, " "), 422, field="text")
    refused(say(bob, question("snow"), parent_id=comment["id"]), 422, field="parent_id")
    path = f"/comments/{comment['id']}/revisions"
    refused(bob.post(path, {"text": "Mine."}), 403, "only its author can edit")
    for _ in range(2):
        assert ann.post(path, {"text": "It pours."}).json()["revision"] == 2
    assert [one["text"] for one in bob.get(path).json()["items"]] == [
        "<b>It rains</b>",
        "It pours.",
    ]
    assert texts(bob, rain) == ["It does not.", "It pours."]
    assert texts(bob, rain, parent=comment["id"]) == ["It does not."]
    page = bob.get(f"/questions/{rain}/comments", limit=1).json()
    assert texts(bob, rain, limit=1, cursor=page["next"]) == ["It pours."]


def test_only_forecasters_comment(account, question, refused) -> None:
    refused(say(account("eve", Role.viewer), question()), 403, "may not comment")


def test_a_private_comment_is_seen_by_its_author_and_curators(
    crowd, curator, question, refused
) -> None:
    (ann, bob), rain = crowd, question()
    secret = say(ann, rain, "Entre nous.", private=True).json()
    assert texts(bob, rain) == []
    refused(bob.get(f"/comments/{secret['id']}/revisions"), 404)
    refused(say(bob, rain, parent_id=secret["id"]), 422, field="parent_id")
    answer = say(curator, rain, "Thank you.", parent_id=secret["id"]).json()
    assert answer["private"]
    assert texts(ann, rain) == texts(curator, rain) == ["Thank you.", "Entre nous."]
    assert texts(bob, rain) == []
    gone = curator("DELETE", f"/comments/{secret['id']}", params={"reason": "Rude."})
    assert gone.json()["removed_by"] == "curator"
    log = f"/questions/{rain}/audit"
    assert "comment.removed" not in [one["action"] for one in ann.get(log).json()["items"]]
    assert "comment.removed" in [one["action"] for one in curator.get(log).json()["items"]]


def test_a_removed_comment_leaves_its_place(crowd, curator, question, refused) -> None:
    (ann, bob), rain = crowd, question()
    mine, other = say(ann, rain, "Mine.").json()["id"], say(ann, rain, "Rude.").json()["id"]
    refused(bob("DELETE", f"/comments/{mine}"), 403)
    refused(curator("DELETE", f"/comments/{other}"), 422, field="reason")
    assert ann("DELETE", f"/comments/{mine}").json()["removed_by"] == "author"
    hidden = curator("DELETE", f"/comments/{other}", params={"reason": "Not nice."}).json()
    assert (hidden["text"], hidden["removed_why"]) == (None, "Not nice.")
    assert texts(bob, rain) == [None, None]
    assert bob.get(f"/comments/{other}/revisions").json()["items"] == []
    refused(ann.post(f"/comments/{other}/revisions", {"text": "Again."}), 409)
    refused(ann("DELETE", f"/comments/{mine}"), 409, "already removed")
    refused(curator.post(f"/comments/{mine}/restoration", {"reason": "No."}), 409)
    refused(ann.post(f"/comments/{other}/restoration", {"reason": "No."}), 403)
    back = curator.post(f"/comments/{other}/restoration", {"reason": "A mistake."}).json()
    assert (back["text"], back["removed_by"]) == ("Rude.", None)
    log = curator.get(f"/questions/{rain}/audit").json()["items"]
    assert [one["action"] for one in log[:2]] == ["comment.restored", "comment.removed"]
    assert [one["reason"] for one in log[:2]] == ["A mistake.", "Not nice."]


def test_repeated_under_a_key_a_request_is_done_once(crowd, curator, question, refused) -> None:
    (ann, _), rain = crowd, question()
    ann.forecast(rain, 0.3)
    path = f"/questions/{rain}"
    resolution = f"{path}/resolution"
    for caller, method, at, body in (
        (ann, "POST", f"{path}/comments", {"text": "Once."}),
        (ann, "DELETE", f"{path}/forecasts/current", None),
        (curator, "POST", resolution, {"outcome": "yes"}),
        (curator, "DELETE", resolution, None),
    ):
        headers = {"Idempotency-Key": f"{method} {at}"}
        first = caller(method, at, json=body, headers=headers)
        again = caller(method, at, json=body, headers=headers)
        assert first.status_code == again.status_code < 300, first.text
        assert first.json() == again.json()
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        if body:
            refused(caller(method, at, json=body | {"x": 1}, headers=headers), 422)
    assert texts(ann, rain) == ["Once."]
    other = ann(
        "POST",
        f"{path}/comments",
        json={"text": "Twice."},
        headers={"Idempotency-Key": f"POST {path}/comments"},
    )
    refused(other, 422, "another request", field="Idempotency-Key")


def test_of_requests_under_one_key_at_once_one_is_done(
    crowd, question, settings, on_database
) -> None:
    (ann, _), rain = crowd, question()

    async def at_once(_: Database) -> list[httpx.Response]:
        app = create_app(settings)
        transport = httpx.ASGITransport(app=app)
        headers = {"Authorization": f"Bearer {ann.token}", "Idempotency-Key": "one"}
        async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://t") as c:
            asked = f"/api/v1/questions/{rain}/forecasts"
            posts = [c.post(asked, json={"probability": 0.3}, headers=headers) for _ in range(4)]
            return await asyncio.gather(*posts)

    answers = on_database(at_once)
    assert [one.status_code for one in answers] == [201] * 4
    assert len({one.text for one in answers}) == 1
    assert sum("idempotency-replayed" in one.headers for one in answers) == 3
    assert len(ann.get(f"/questions/{rain}/forecasts").json()["items"]) == 1
