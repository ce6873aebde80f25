"""Archived sets: out of lists and boards, and still at their address."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.cli import main
from service.clock import now
from service.settings import SHIPPED_SETS, Settings


@pytest.fixture
def credence(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command on the test's database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREDENCE_DATABASE_URL", settings.database_url)
    return lambda *arguments: CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture
def two_sets(question) -> dict[str, int]:
    """An open question in each of two sets, closing tomorrow."""
    soon = now() + timedelta(days=1)
    return {name: question("rain", name, closes_at=soon) for name in ("kept", "gone")}


def slugs(caller: Any, path: str, **asked: Any) -> set[str]:
    return {one["slug"] for one in caller.get(path, **asked).json()["items"]}


def sets_of(caller: Any, path: str, **asked: Any) -> set[str]:
    return {one["set"] for one in caller.get(path, **asked).json()["items"]}


def test_an_archived_set_is_out_of_every_list_and_at_its_address(
    curator, account, two_sets, client
) -> None:
    ann = account("ann")
    for caller in (ann, account("bob")):
        caller.forecast(two_sets["gone"], 0.7)
    curator.resolve(two_sets["gone"], "yes", occurred_at=now().isoformat())
    assert ann.get("/leaderboard").json()["items"]
    assert curator.post("/sets/gone/archive", None).json()["archived_at"]
    assert slugs(ann, "/sets") == {"kept"}
    assert slugs(ann, "/sets", archived=True) == {"gone"}
    assert sets_of(ann, "/questions") == {"kept"}
    assert sets_of(ann, "/questions", q="rain") == {"kept"}
    assert sets_of(ann, "/questions", archived=True) == {"gone"}
    assert sets_of(ann, "/questions", set="gone") == {"gone"}
    assert ann.get("/leaderboard").json()["items"] == []
    assert ann.get("/leaderboard", set="gone").json()["items"]
    posts = client.get("/api/metaculus/posts", headers={"Authorization": f"Token {ann.token}"})
    assert [post["id"] for post in posts.json()["results"]] == [two_sets["kept"]]
    assert ann.get("/sets/gone").json()["archived_at"]
    assert ann.get(f"/questions/{two_sets['gone']}").status_code == 200
    assert ann.get("/sets/gone/feed").status_code == 200
    curator("DELETE", "/sets/gone/archive")
    assert slugs(ann, "/sets") == sets_of(ann, "/questions") == {"kept", "gone"}
    assert ann.get("/leaderboard").json()["items"]


def test_an_archived_set_reminds_nobody_and_its_questions_go_on(curator, account, two_sets) -> None:
    ann = account("ann")
    asked = ann.get("/account/reminders").json()["items"]
    assert {one["question"]["id"] for one in asked} == set(two_sets.values())
    curator.post("/sets/gone/archive", None)
    asked = ann.get("/account/reminders").json()["items"]
    assert [one["question"]["id"] for one in asked] == [two_sets["kept"]]
    assert ann.forecast(two_sets["gone"], 0.4).status_code == 201


def test_a_leaderboard_of_the_past_keeps_what_was_archived_later(
    curator, account, two_sets
) -> None:
    for name in ("ann", "bob"):
        account(name).forecast(two_sets["gone"], 0.7)
    curator.resolve(two_sets["gone"], "yes", occurred_at=now().isoformat())
    before = now().isoformat()
    ranked = curator.get("/leaderboard", as_of=before).json()["items"]
    curator.post("/sets/gone/archive", None)
    assert curator.get("/leaderboard", as_of=before).json()["items"] == ranked != []


def test_archiving_takes_a_curator_and_is_logged_once(curator, account, two_sets, refused) -> None:
    refused(account("ann").post("/sets/gone/archive", None), 403, "archive a set")
    refused(curator.post("/sets/nowhere/archive", None), 404, "nowhere")
    for _ in range(2):
        curator.post("/sets/gone/archive", None)
    for _ in range(2):
        curator("DELETE", "/sets/gone/archive")
    log = curator.get("/audit", set="gone").json()["items"]
    assert [(one["action"], one["by"]) for one in reversed(log)] == [
        ("question.created", None),
        ("set.archived", "curator"),
        ("set.unarchived", "curator"),
    ]


def test_loading_an_archived_set_again_leaves_it_archived(credence, client, account) -> None:
    ann = account("ann")
    credence("questions", "load", SHIPPED_SETS / "power-systems")
    assert slugs(ann, "/sets") == {"power-systems"}
    assert credence("questions", "archive", "power-systems").stdout == (
        "set power-systems: archived\n"
    )
    credence("init")
    assert slugs(ann, "/sets", archived=True) == {"power-systems"}
    assert "power-systems" not in slugs(ann, "/sets")
    done = credence("questions", "archive", "power-systems", "--undo")
    assert done.stdout == "set power-systems: in lists again\n"
    assert "power-systems" in slugs(ann, "/sets")
    assert credence("questions", "archive", "nowhere").exit_code == 1
