"""Exports of other platforms, read as panels; what is wrong in them is said with its place."""

import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from forecasting.csv_io import PanelError, moment
from forecasting.panel import Panel, PanelQuestion
from service.exchange import platforms

QUESTION_DATA = """\
Question ID,Question URL,Question Title,Post ID,Label,Question Type,Open Time,Scheduled Close Time,\
Actual Close Time,Resolution,Resolution Known Time
41,https://www.metaculus.com/questions/40/x/,Will it rain?,40,,binary,2026-01-01 00:00:00+00:00,\
2026-03-01 00:00:00+00:00,2026-02-01 00:00:00+00:00,yes,2026-02-01 12:30:00.5+00:00
43,u,"Rain, by month",42,May,binary,2026-01-01 00:00:00+00:00,2026-06-01 00:00:00+00:00,,,
45,u,How much rain?,44,,numeric,2026-01-01 00:00:00+00:00,2026-03-01 00:00:00+00:00,,12.5,
47,u,Will it hail?,46,,binary,2026-01-01 00:00:00+00:00,2026-03-01 00:00:00+00:00,,annulled,\
2026-02-01 00:00:00+00:00
"""
FORECAST_DATA = """\
Question ID,Forecaster ID,Forecaster Username,Is Bot,Start Time,End Time,Forecaster Count,\
Probability Yes,Probability Yes Per Category,Continuous CDF
41,7,ann,False,2026-01-02 00:00:00+00:00,2026-01-05 00:00:00+00:00,,0.3,,
41,7,ann,False,2026-01-05 00:00:00+00:00,,,0.6,,
41,8,bob,True,2026-01-03 00:00:00+00:00,2026-01-20 00:00:00+00:00,,0.8,,
43,8,bob,True,2026-01-04 00:00:00+00:00,,,0.001,,
45,8,bob,True,2026-01-04 00:00:00+00:00,,,,,"[0.1, 0.5, 0.9]"
41,,recency_weighted,False,2026-01-02 00:00:00+00:00,,2,0.55,,
"""
FATEBOOK = """\
Question title,Multiple choice option,Forecast created by,Forecast (scale = 0-1),\
Forecast created at,Question created by,Question created at,Question resolve by,Resolution,\
Resolved at,Your Brier score for this question,Question notes,Question shared publicly
"Will we ship, at last?",,"Ann",0.7,2026-01-02 09:05:7,"Ann",2026-01-01 10:00:00,\
2026-03-01 00:00:00,"YES",2026-02-01 08:00:00,0.09,"A ""note"",
on two lines",false
"Will we ship, at last?",,"Bob",1,2026-01-03 09:05:17,"Ann",2026-01-01 10:00:00,\
2026-03-01 00:00:00,"YES",2026-02-01 08:00:00,0.09,"",false
"Who wins?","Red","Ann",0.25,2026-01-03 09:05:17,"Bob",2026-01-01 10:00:00,\
2026-03-01 00:00:00,"NO",2026-02-01 08:00:00,,"",false
"Who wins?","Blue","Ann",0.5,2026-01-03 09:05:17,"Bob",2026-01-01 10:00:00,\
2026-03-01 00:00:00,"AMBIGUOUS",2026-02-01 08:00:00,,"",false
"Will it snow?",,"Bob",0,2026-01-03 09:05:17,"Bob",2026-01-01 10:00:00,2026-03-01 00:00:00,,,,,true
"""
PREDICTIONBOOK = """\
question_id,user_id,team_id,probability,answer_option,timestamp,outcome,open_time,close_time,\
resolve_time,time_open,n_opts,options,q_status,q_type
12,gwern,0,0.6,1,2009-01-02 10:00:00+00:00,1.0,2009-01-01 00:00:00+00:00,\
2009-06-01 00:00:00+00:00,2009-05-01 00:00:00+00:00,151 days,2,o,resolved,0
12,alice,0,0.01,1,2009-01-03 10:00:00+00:00,1.0,2009-01-01 00:00:00+00:00,\
2009-06-01 00:00:00+00:00,2009-05-01 00:00:00+00:00,151 days,2,o,resolved,0
13,alice,0,0.9,1,2009-01-03 10:00:00+00:00,-1.0,2009-01-01 00:00:00+00:00,\
2009-06-01 00:00:00+00:00,2009-05-01 00:00:00+00:00,151 days,2,o,ambiguous,0
14,alice,0,0.9,1,2009-01-03 10:00:00+00:00,,2009-01-01 00:00:00+00:00,\
2999-06-01 00:00:00+00:00,,151 days,2,o,open,0
"""


@pytest.fixture
def given(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def metaculus(given) -> Callable[..., Path]:
    def write(questions: str = QUESTION_DATA, forecasts: str = FORECAST_DATA) -> Path:
        given("question_data.csv", questions)
        return given("forecast_data.csv", forecasts).parent

    return write


def told(panel: Panel) -> list[tuple[object, ...]]:
    return [
        (
            panel.forecasters[panel.forecaster[row]],
            panel.questions[panel.question[row]],
            panel.time[row],
            panel.until[row],
            panel.probability[row],
        )
        for row in range(panel.probability.size)
    ]


def outcomes(panel: Panel) -> dict[str, float | None]:
    found = zip(panel.titles, panel.outcome.tolist(), strict=True)
    return {title: None if math.isnan(value) else value for title, value in found}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_a_data_export_of_metaculus(metaculus, tmp_path: Path, packed: bool) -> None:
    path = metaculus()
    if packed:
        archive = tmp_path / "metaculus_data.zip"
        with zipfile.ZipFile(archive, "w") as into:
            for file in ("question_data.csv", "forecast_data.csv"):
                into.write(path / file, f"data/{file}")
            into.writestr("data/README.md", "What is what.")
        path = archive
    found = platforms.read(path)
    assert found.origin == "Metaculus"
    assert {reason: note.count for reason, note in found.notes.left_out.items()} == {
        "questions of type numeric": 1,
        "forecasts on questions that are left out": 1,
        "aggregates of Metaculus, which are not forecasts": 1,
    }
    panel = found.panel
    assert outcomes(panel) == {
        "Will it rain?": 1.0,
        "Rain, by month (May)": None,
        "Will it hail?": None,
    }
    assert told(panel) == [
        ("ann", "41", moment("2026-01-02"), math.inf, 0.3),
        ("ann", "41", moment("2026-01-05"), math.inf, 0.6),
        ("bob", "41", moment("2026-01-03"), moment("2026-01-20"), 0.8),
        ("bob", "43", moment("2026-01-04"), math.inf, 0.001),
    ]
    assert panel.opens[0] == moment("2026-01-01")
    assert panel.closes[0] == moment("2026-03-01")
    assert panel.resolved[0] == moment("2026-02-01T12:30:00.5")
    assert np.isnan(panel.resolved[2])


def test_anonymous_forecasters_of_metaculus_are_told_apart(metaculus) -> None:
    ann, bob = "a" * 64, "a" * 15 + "b" + "a" * 48
    header, *rows = FORECAST_DATA.splitlines()
    header = header.replace("Forecaster ID,Forecaster Username,Is Bot", "Forecaster (Anonymized)")
    changed = [
        row.replace("7,ann,False", ann).replace("8,bob,True", bob).replace(",,recency", ",recency")
        for row in rows
    ]
    changed[-1] = changed[-1].replace("_weighted,False", "_weighted")
    found = platforms.read(metaculus(forecasts="\n".join([header, *changed])))
    assert found.panel.forecasters == (ann[:16], bob[:16])


def test_an_export_of_fatebook(given) -> None:
    found = platforms.read(given("forecasts.csv", FATEBOOK))
    assert (found.origin, found.notes.left_out) == ("Fatebook", {})
    assert outcomes(found.panel) == {
        "Will we ship, at last?": 1.0,
        "Who wins? (Red)": 0.0,
        "Who wins? (Blue)": None,
        "Will it snow?": None,
    }
    assert [(one[0], one[1], one[4]) for one in told(found.panel)] == [
        ("Ann", "1", 0.7),
        ("Bob", "1", 1.0),
        ("Ann", "2", 0.25),
        ("Ann", "3", 0.5),
        ("Bob", "4", 0.0),
    ]
    assert found.panel.time[0] == moment("2026-01-02T09:05:07")
    assert found.panel.resolved[0] == moment("2026-02-01T08:00:00")


def test_a_table_of_predictionbook(given) -> None:
    path = given("public.csv", PREDICTIONBOOK)
    titled = dict(zip(("12", "13", "14"), platforms.read(path).panel.titles, strict=True))
    assert titled["12"] == "PredictionBook, prediction 12"
    given("questions.csv", "question_id,q_title\n12,Will it rain?\n13,Will it snow?\n")
    found = platforms.read(path)
    assert (found.origin, found.notes.left_out) == ("PredictionBook", {})
    assert outcomes(found.panel) == {
        "Will it rain?": 1.0,
        "Will it snow?": None,
        "PredictionBook, prediction 14": None,
    }
    assert told(found.panel)[0] == ("gwern", "12", moment("2009-01-02T10:00:00"), math.inf, 0.6)


def test_a_folder_of_our_own_is_read_as_before(tmp_path: Path) -> None:
    panel = Panel.of(
        forecasts=[("ann", "rain", math.nan, math.inf, 0.2)],
        questions=[PanelQuestion("rain", "Rain?", 1)],
    )
    panel.write(tmp_path)
    assert platforms.read(tmp_path).panel.data_hash == panel.data_hash


@pytest.mark.parametrize(
    ("table", "old", "new", "said"),
    [
        ("question", "yes,2026", "maybe,2026", r"question_data.csv:2: Resolution: 'maybe'"),
        ("question", "\n43,", "\n41,", r"question_data.csv:3: another title"),
        ("question", "2026-03-01", "soon", r"question_data.csv:2: Scheduled Close Time: 'soon"),
        ("question", "Question Type", "Kind", r"question_data.csv:1: .* lacks Question Type"),
        ("forecast", "0.3,,", "1.3,,", r"forecast_data.csv:2: Probability Yes: 1.3 is outside"),
        ("forecast", "0.3,,", ",,", r"forecast_data.csv:2: Probability Yes: '' is not a number"),
        ("forecast", "\n43,", "\n99,", r"forecast_data.csv:5: Question ID: '99' is not in"),
        ("forecast", "2026-01-20", "2025-01-20", r"forecast_data.csv:4: End Time: before"),
        ("forecast", ",0.6,,", ",0.6,,,7", r"forecast_data.csv:3: 11 cells where"),
    ],
)
def test_what_is_wrong_in_an_export_of_metaculus(
    metaculus, table: str, old: str, new: str, said: str
) -> None:
    texts = {"question": QUESTION_DATA, "forecast": FORECAST_DATA}
    assert old in texts[table]
    texts[table] = texts[table].replace(old, new, 1)
    with pytest.raises(PanelError, match=said):
        platforms.read(metaculus(texts["question"], texts["forecast"]))


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (FATEBOOK, '"Bob",1,', '"Bob",7,', r":4: Forecast \(scale = 0-1\): 7 is outside"),
        (FATEBOOK, '"NO"', '"RED"', r":5: Resolution: 'RED' is none of: YES, NO"),
        (FATEBOOK, "09:05:17", "25:05:17", r":4: Forecast created at: .* not an ISO 8601"),
        (FATEBOOK, "Resolved at", "When", "Metaculus .*Fatebook .*PredictionBook"),
        (PREDICTIONBOOK, "0.01,1", "x,1", r":3: probability: 'x' is not a number"),
        (PREDICTIONBOOK, "1.0,2009", "2.0,2009", r":2: outcome: '2.0' is none of"),
        (PREDICTIONBOOK, "12,alice", ",alice", r":3: question_id: empty"),
        (PREDICTIONBOOK, "12,alice", "13,alice", r":4: another title, outcome or other times of"),
        ("question\n", "", "", "Metaculus .*Fatebook .*PredictionBook"),
        ("", "", "", ":1: the file is empty"),
    ],
)
def test_what_is_wrong_in_a_table(given, text: str, old: str, new: str, said: str) -> None:
    path = given("table.csv", text.replace(old, new, 1) if old else text)
    with pytest.raises(PanelError, match=said) as raised:
        platforms.read(path)
    assert str(path) in str(raised.value)


def test_an_archive_of_something_else_and_no_file_at_all(tmp_path: Path) -> None:
    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w") as into:
        into.writestr("readme.txt", "Nothing.")
    with pytest.raises(PanelError, match="not an export of a platform"):
        platforms.read(archive)
    with pytest.raises(PanelError, match="there is no such file"):
        platforms.read(tmp_path / "nowhere.csv")
