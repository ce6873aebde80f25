"""Exports: what is in them, who gets them, and that they are written as they are read."""

import asyncio
import codecs
import csv
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from pyarrow import parquet

from forecasting.panel import Panel
from service.exchange import exports
from service.exchange.exports import Format, Rows, Table

DAY = timedelta(days=1)
OPENS = datetime(2026, 11, 1, tzinfo=UTC)
CLOSES = OPENS + 10 * DAY


@pytest.fixture
def crowd(question, account, curator) -> Any:
    """Ann and Bob on rain, which came; Ann on snow, with a withdrawal and an odd rationale."""
    ann, bob = account("ann"), account("bob")
    with time_machine.travel(OPENS, tick=False):
        rain, snow = question("rain", closes_at=CLOSES), question("snow", closes_at=CLOSES)
        ann.forecast(rain, 0.25, rationale='Wet, "very"\nwet — ☔')
        bob.forecast(rain, 0.1)
        ann.forecast(snow, 0)
    with time_machine.travel(OPENS + DAY, tick=False):
        ann("DELETE", f"/questions/{snow}/forecasts/current")
        ann.forecast(rain, 0.75)
    with time_machine.travel(CLOSES, tick=False):
        curator.resolve(rain, "yes")
    return ann, bob, curator


def read(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def test_my_own_data_is_all_of_it_and_nobody_elses(crowd, refused) -> None:
    ann, bob, _ = crowd
    answer = ann.get("/account/exports/forecasts")
    assert answer.headers["content-disposition"] == 'attachment; filename="forecasts.csv"'
    rows = read(answer)
    assert [(row["question"], row["probability"]) for row in rows] == [
        ("rain", "0.25"),
        ("snow", "0.0"),
        ("rain", "0.75"),
    ]
    assert rows[0]["rationale"] == 'Wet, "very"\nwet — ☔'
    assert (rows[0]["set"], rows[0]["created_at"]) == ("tests", "2026-11-01T00:00:00Z")
    assert rows[0]["expires_at"] == ""
    assert [row["question"] for row in read(ann.get("/account/exports/withdrawals"))] == ["snow"]
    assert [row["probability"] for row in read(bob.get("/account/exports/forecasts"))] == ["0.1"]
    refused(ann.get("/account/exports/secrets"), 422)
    refused(ann.get("/account/exports/forecasts", format="xlsx"), 422, field="format")


def test_my_scores_are_those_under_the_resolutions_that_hold(crowd) -> None:
    ann, _, curator = crowd
    (score,) = read(ann.get("/account/exports/scores"))
    listed = ann.get(f"/questions/{score['question_id']}/scores").json()["items"]
    mine = next(one for one in listed if one["forecaster"] == "ann")
    for kind in ("brier", "log", "baseline", "peer", "spot_brier", "coverage", "weight"):
        assert float(score[kind]) == mine[kind]
    curator("DELETE", f"/questions/{score['question_id']}/resolution")
    assert read(ann.get("/account/exports/scores")) == []


@pytest.fixture
def talk(crowd) -> Any:
    """Ann's comment, edited; Bob's private answer; one of Ann's that she took back."""
    ann, bob, curator = crowd
    rain = ann.get("/questions", set="tests").json()["items"][0]["id"]
    path = f"/questions/{rain}/comments"
    first = ann.post(path, {"text": "Wet, I say;\n☔"}).json()["id"]
    ann.post(f"/comments/{first}/revisions", {"text": "Very wet."})
    bob.post(path, {"text": "=Dry.", "parent_id": first, "private": True})
    gone = ann.post(path, {"text": "Never mind."}).json()["id"]
    ann("DELETE", f"/comments/{gone}")
    return ann, bob, curator, first


def test_my_comments_are_had_with_every_text_they_had(talk) -> None:
    ann, bob, _, first = talk
    rows = read(ann.get("/account/exports/comments"))
    assert [(row["text"], row["revision"], row["removed"]) for row in rows] == [
        ("Wet, I say;\n☔", "1", "false"),
        ("Very wet.", "2", "false"),
        ("Never mind.", "1", "true"),
    ]
    (answer,) = read(bob.get("/account/exports/comments"))
    assert (answer["parent_id"], answer["private"], answer["question"]) == (
        str(first),
        "true",
        "rain",
    )
    table = parquet.read_table(
        io.BytesIO(ann.get("/account/exports/comments", format="parquet").content)
    )
    assert [row["removed"] for row in table.to_pylist()] == [False, False, True]


def test_a_curator_has_a_sets_comments_as_they_stand(talk, refused) -> None:
    ann, _, curator, first = talk
    path = "/sets/tests/exports/comments"
    refused(ann.get(path), 403)
    refused(curator.get("/sets/none/exports/comments"), 404)
    answer = curator.get(path, names=True)
    assert answer.headers["content-disposition"] == 'attachment; filename="tests-comments.csv"'
    told = [
        (row["forecaster_id"], row["parent_id"], row["private"], row["text"])
        for row in read(answer)
    ]
    assert told == [("ann", "", "false", "Very wet."), ("bob", str(first), "true", "'=Dry.")]
    once, again = ({row["forecaster_id"] for row in read(curator.get(path))} for _ in range(2))
    assert len(once) == len(again) == 2
    assert not once & (again | {"ann", "bob"})
    table = parquet.read_table(io.BytesIO(curator.get(path, format="parquet").content))
    assert table.num_rows == 2


def test_parquet_has_the_same_rows_with_their_types(crowd) -> None:
    ann, *_ = crowd
    answer = ann.get("/account/exports/forecasts", format="parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = parquet.read_table(io.BytesIO(answer.content))
    rows = table.to_pylist()
    assert [row["probability"] for row in rows] == [0.25, 0.0, 0.75]
    assert rows[0]["created_at"] == OPENS
    assert rows[0]["expires_at"] is None
    assert [str(table.schema.field(name).type) for name in ("id", "created_at")] == [
        "int64",
        "timestamp[us, tz=UTC]",
    ]


def unpacked(answer: Any, folder: Any) -> Panel:
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return Panel.read(folder)


def test_a_set_is_a_folder_that_can_be_read_in_again(crowd, tmp_path, refused) -> None:
    ann, _, curator = crowd
    path = "/sets/tests/exports/forecasts"
    refused(ann.get(path), 403)
    refused(curator.get("/sets/none/exports/forecasts"), 404)
    answer = curator.get(path, names=True)
    assert answer.headers["content-disposition"] == 'attachment; filename="tests.zip"'
    panel = unpacked(answer, tmp_path)
    assert panel.questions == ("rain", "snow")
    assert set(panel.forecasters) == {"ann", "bob"}
    said = sorted(panel.probability.tolist())
    assert said == [0.0, 0.1, 0.25, 0.75]
    assert panel.outcome.tolist()[0] == 1
    taken_back = panel.until[panel.probability == 0.0]
    assert taken_back.tolist() == [(OPENS + DAY).timestamp()]


def test_pseudonyms_hold_within_one_export_only(crowd, tmp_path) -> None:
    _, _, curator = crowd
    first, second = (
        unpacked(curator.get("/sets/tests/exports/forecasts"), tmp_path / str(turn))
        for turn in range(2)
    )
    assert len(set(first.forecasters)) == len(set(second.forecasters)) == 2
    assert not set(first.forecasters) & set(second.forecasters)
    assert not {"ann", "bob"} & set(first.forecasters)
    assert sorted(first.probability.tolist()) == sorted(second.probability.tolist())


def test_formulas_in_texts_are_not_run_by_spreadsheets(account, curator, question) -> None:
    rain, eve = question(title="=Will it rain?"), account("@eve")
    eve.forecast(rain, 0.5, rationale='=HYPERLINK("https://example.org")')
    assert eve.post(f"/questions/{rain}/comments", {"text": "=1+1"}).status_code == 201
    (mine,) = read(eve.get("/account/exports/forecasts"))
    assert mine["title"] == "'=Will it rain?"
    assert mine["rationale"] == '\'=HYPERLINK("https://example.org")'
    assert mine["probability"] == "0.5"
    (mine,) = read(eve.get("/account/exports/comments"))
    assert mine["text"] == "'=1+1"
    (one,) = read(curator.get("/sets/tests/exports/comments", names=True))
    assert (one["forecaster_id"], one["text"]) == ("'@eve", "'=1+1")
    rows = eve.get("/account/exports/comments", format="parquet")
    assert parquet.read_table(io.BytesIO(rows.content)).to_pylist()[0]["text"] == "=1+1"


def test_an_export_for_excel_says_that_it_is_utf_8_and_is_read_in_again(
    account, curator, question, tmp_path
) -> None:
    rain, eve = question(title="=Ob es schüttet?"), account("@eve")
    eve.forecast(rain, 0.5, rationale="Vielleicht, ja.")
    answer = eve.get("/account/exports/forecasts", format="excel")
    assert answer.headers["content-disposition"] == 'attachment; filename="forecasts.csv"'
    assert answer.content.startswith(codecs.BOM_UTF8 + b"id,")
    whole = curator.get("/sets/tests/exports/forecasts", names=True, format="excel")
    panel = unpacked(whole, tmp_path)
    assert (panel.forecasters, panel.titles) == (("@eve",), ("=Ob es schüttet?",))


def test_a_set_can_be_had_in_parquet(crowd) -> None:
    _, _, curator = crowd
    answer = curator.get("/sets/tests/exports/forecasts", format="parquet")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["questions.parquet", "forecasts.parquet"]
        rows = parquet.read_table(io.BytesIO(archive.read("questions.parquet"))).to_pylist()
    assert [(row["question_id"], row["outcome"]) for row in rows] == [("rain", 1), ("snow", None)]


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("archived", [False, True])
def test_what_is_read_is_written_out_before_more_is_read(form: Format, archived: bool) -> None:
    """A table of any length takes the memory of a batch: nothing gathers between two of them."""
    taken, batch, count = 0, 5_000, 40
    ahead: list[int] = []

    async def rows() -> AsyncIterator[Rows]:
        for turn in range(count):
            ahead.append(turn - taken)
            yield [(turn * batch + row, f"{hash((turn, row)):x}") for row in range(batch)]

    async def run() -> int:
        nonlocal taken
        size = largest = 0
        table = Table("long", {"id": int, "text": str}, rows())
        pieces = exports.archived([table], form) if archived else exports.written(table, form)
        async for piece in pieces:
            size, largest = size + len(piece), max(largest, len(piece))
            taken += 1
        assert largest < size / 10
        return size

    assert asyncio.run(run()) > 1_000_000
    assert max(ahead) <= 1
