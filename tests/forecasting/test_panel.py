"""Panels: the folder format, what it refuses, and what was known when."""

import dataclasses
import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.csv_io import Dialect, PanelError, moment
from forecasting.panel import Panel, PanelQuestion
from forecasting.simulate import DAY, simulate

FORECASTS = """forecaster_id,question_id,time,probability
ann,q1,2026-01-01T00:00:00Z,0.2
bob,q1,2026-01-02T02:00:00+02:00,0.29
ann,q1,2026-01-03,0
ann,q2,2026-01-04T00:00:00.5Z,1
"""
QUESTIONS = """question_id,title,outcome,open_time,close_time,resolve_time,domain,colour
q1,"Will it, rain?",1,2026-01-01,2026-01-11,2026-01-08,weather,blue
q2,,,,,,,
"""


def folder(
    root: Path, *, forecasts: str = FORECASTS, questions: str = QUESTIONS, packed: bool = False
) -> Path:
    root.mkdir(exist_ok=True)
    if packed:
        (root / "forecasts.csv.gz").write_bytes(gzip.compress(forecasts.encode()))
    else:
        (root / "forecasts.csv").write_text(forecasts, encoding="utf-8")
    (root / "questions.csv").write_text(questions, encoding="utf-8")
    return root


def three_rounds(*times: str) -> str:
    rows = "".join(f"ann,q1,{time},0.{index + 1}\n" for index, time in enumerate(times))
    return "forecaster_id,question_id,time,probability\n" + rows


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_becomes_arrays(tmp_path: Path, *, packed: bool) -> None:
    panel = Panel.read(folder(tmp_path, packed=packed))
    assert panel.forecasters == ("ann", "bob")
    assert panel.questions == ("q1", "q2")
    assert panel.titles == ("Will it, rain?", "")
    assert panel.domains == ("weather", "")
    assert panel.probability.tolist() == [0.2, 0.29, 0.0, 1.0]
    start = panel.time[0]
    assert (panel.time - start).tolist() == [0.0, DAY, 2 * DAY, 3 * DAY + 0.5]
    assert start == panel.opens[0] == 1767225600.0
    assert panel.outcome[0] == 1.0
    assert math.isnan(panel.outcome[1])
    assert not panel.rounds


def test_arrays_cannot_be_changed_and_are_copies() -> None:
    said = np.array([0.5])
    panel = Panel.of(
        forecasts=[("ann", "q", 1.0, math.inf, float(said[0]))], questions=[PanelQuestion("q")]
    )
    with pytest.raises(ValueError, match="read-only"):
        panel.probability[0] = 0.7


@pytest.mark.parametrize(
    ("change", "file", "line", "reason"),
    [
        (("ann,q2,2026-01-04T00:00:00.5Z,1", "ann,q9,,0.5"), "forecasts", 5, "not in questions"),
        (("0.29", "1.2"), "forecasts", 3, "outside"),
        (("0.29", "nan"), "forecasts", 3, "not a number"),
        (("0.29", "0_29"), "forecasts", 3, "not a number"),
        (("0.29", ""), "forecasts", 3, "not a number"),
        (("0.29", "0.29,7"), "forecasts", 3, "cells"),
        (("2026-01-03,", "2,"), "forecasts", 4, "a round here but a calendar time on line 2"),
        (("2026-01-03,", ","), "forecasts", 4, "no time here but a calendar time on line 2"),
        (("2026-01-03,", "1/3/26,"), "forecasts", 4, "ISO 8601"),
        (("2026-01-03,", "2026-02-30,"), "forecasts", 4, "ISO 8601"),
        (("bob,", ","), "forecasts", 3, "forecaster_id"),
        (("probability", "chance"), "forecasts", 1, "lacks probability"),
        (("q2,,", "q1,,"), "questions", 3, "already on line 2"),
        (('rain?",1', 'rain?",2'), "questions", 2, "none of: 0, 1, 0.0, 1.0, empty"),
        (('rain?",1', 'rain?",yes'), "questions", 2, "none of: 0, 1, 0.0, 1.0, empty"),
        (("2026-01-11", "1/11/26"), "questions", 2, "close_time"),
        (("2026-01-11", "N/A"), "questions", 2, "close_time"),
        (("q2,,", ",Snow?,"), "questions", 3, "question_id"),
        (('"Will it, rain?"', '"Will it, rain?"x'), "questions", 2, ""),
    ],
)
def test_anything_else_is_refused_with_file_line_and_reason(
    tmp_path: Path, change: tuple[str, str], file: str, line: int, reason: str
) -> None:
    root = folder(
        tmp_path, forecasts=FORECASTS.replace(*change), questions=QUESTIONS.replace(*change)
    )
    with pytest.raises(PanelError, match=rf"{file}\.csv:{line}: .*{reason}"):
        Panel.read(root)


def test_missing_doubled_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PanelError, match="no such file"):
        Panel.read(tmp_path)
    folder(tmp_path)
    folder(tmp_path, packed=True)
    with pytest.raises(PanelError, match="keep one"):
        Panel.read(tmp_path)
    (tmp_path / "forecasts.csv").unlink()
    (tmp_path / "forecasts.csv.gz").write_bytes(b"not gzip")
    with pytest.raises(PanelError, match="forecasts"):
        Panel.read(tmp_path)
    (tmp_path / "questions.csv").write_bytes(QUESTIONS.encode() + b"\xff\xfe,")
    with pytest.raises(PanelError, match="questions"):
        Panel.read(tmp_path)


def test_an_empty_file_of_forecasts_is_a_panel_without_forecasts(tmp_path: Path) -> None:
    panel = Panel.read(folder(tmp_path, forecasts=FORECASTS.split("\n", 1)[0] + "\n"))
    assert panel.forecasters == ()
    assert panel.standing(0).size == 0
    assert panel.snapshots().question.size == 0


def test_what_is_written_reads_the_same(tmp_path: Path) -> None:
    panel = Panel.read(folder(tmp_path / "in"))
    taken_back = dataclasses.replace(panel, until=[math.inf, moment("2026-01-05"), *[math.inf] * 2])
    for index, original in enumerate((panel, taken_back)):
        original.write(tmp_path / f"out{index}")
        again = Panel.read(tmp_path / f"out{index}")
        assert again.data_hash == original.data_hash
        assert again.titles == original.titles
        assert again.time.tolist() == original.time.tolist()
    assert taken_back.data_hash != panel.data_hash


@pytest.mark.parametrize("times", [("1", "2", "3"), ("", "", "")])
def test_rounds_and_untimed_forecasts_survive_a_round_trip(
    tmp_path: Path, times: tuple[str, ...]
) -> None:
    panel = Panel.read(folder(tmp_path / "in", forecasts=three_rounds(*times)))
    panel.write(tmp_path / "out")
    again = Panel.read(tmp_path / "out")
    assert again.rounds == panel.rounds == (times[0] == "1")
    assert again.data_hash == panel.data_hash


def test_a_failed_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Panel.read(folder(tmp_path / "in"))

    def broken(_: Panel) -> None:
        raise OSError("no space")

    monkeypatch.setattr(Panel, "_question_rows", broken)
    with pytest.raises(OSError, match="no space"):
        panel.write(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_latest_forecast_of_each_forecaster_stands() -> None:
    panel = Panel.of(
        forecasts=[
            ("ann", "q", 5.0, math.inf, 0.5),
            ("bob", "q", 1.0, 3.0, 0.1),
            ("ann", "q", 2.0, math.inf, 0.2),
            ("ann", "q", 5.0, math.inf, 0.6),
        ],
        questions=[PanelQuestion("q")],
    )

    def said(at: float) -> list[float]:
        return panel.probability[panel.standing(0, at)].tolist()

    assert said(0.5) == []
    assert said(2.0) == [0.2, 0.1]
    assert said(3.0) == [0.2]
    assert said(math.inf) == [0.6]


def test_untimed_rows_supersede_earlier_ones(tmp_path: Path) -> None:
    panel = Panel.read(folder(tmp_path, forecasts=three_rounds("", "", "")))
    assert panel.probability[panel.standing(0)].tolist() == [0.3]


@given(seed=st.integers(0, 1000), day=st.integers(0, 40))
def test_later_rows_never_change_what_was_known(seed: int, day: int) -> None:
    panel = simulate(seed=seed, questions=8, forecasters=4, per_question=3).panel
    at = day * DAY
    earlier = panel.time <= at
    cut = dataclasses.replace(
        panel,
        forecaster=panel.forecaster[earlier],
        question=panel.question[earlier],
        time=panel.time[earlier],
        until=panel.until[earlier],
        probability=panel.probability[earlier],
    )
    assert panel.as_known_at(at).data_hash == cut.as_known_at(at).data_hash
    known = panel.as_known_at(at)
    assert (known.time <= at).all()
    assert np.isnan(known.outcome[~(panel.resolved <= at)]).all()


def test_a_withdrawal_is_not_known_before_it_happens() -> None:
    question = PanelQuestion("q", outcome=1.0, resolved=20.0)
    panel = Panel.of(forecasts=[("ann", "q", 1.0, 10.0, 0.5)], questions=[question])
    assert panel.as_known_at(9.0).until.tolist() == [math.inf]
    assert panel.as_known_at(10.0).until.tolist() == [10.0]
    assert np.isnan(panel.as_known_at(19.9).outcome).all()
    assert panel.as_known_at(20.0).outcome.tolist() == [1.0]


def test_rounds_have_no_calendar(tmp_path: Path) -> None:
    panel = Panel.read(folder(tmp_path, forecasts=three_rounds("1", "2", "3")))
    with pytest.raises(PanelError, match="no calendar"):
        panel.as_known_at(2.0)


def test_snapshots_are_taken_at_fractions_of_life_before_resolution() -> None:
    questions = [
        PanelQuestion("early", outcome=1.0, opens=0.0, closes=100.0, resolved=60.0),
        PanelQuestion("open", opens=0.0, closes=100.0),
        PanelQuestion("late", outcome=0.0, opens=0.0, closes=100.0, resolved=200.0),
    ]
    forecasts = [
        ("ann", "early", 20.0, math.inf, 0.2),
        ("bob", "early", 40.0, math.inf, 0.4),
        ("ann", "early", 65.0, math.inf, 1.0),
        ("ann", "open", 20.0, math.inf, 0.2),
        ("ann", "late", 95.0, math.inf, 0.7),
        ("bob", "late", 150.0, math.inf, 0.9),
    ]
    shown = Panel.of(forecasts=forecasts, questions=questions).snapshots()
    assert shown.question.tolist() == [0, 0, 2]
    assert shown.weight.tolist() == [0.5, 0.5, 1.0]
    assert shown.outcome.tolist() == [1.0, 1.0, 0.0]
    rows = [
        shown.probability[start:end].tolist()
        for start, end in zip(shown.start, shown.end, strict=True)
    ]
    assert rows == [[0.2], [0.2, 0.4], [0.7]]


def test_without_times_a_question_is_shown_once(tmp_path: Path) -> None:
    shown = Panel.read(folder(tmp_path, forecasts=three_rounds("", "", ""))).snapshots()
    assert shown.probability.tolist() == [0.3]
    assert shown.weight.tolist() == [1.0]


def test_a_question_is_shown_after_each_round(tmp_path: Path) -> None:
    shown = Panel.read(folder(tmp_path, forecasts=three_rounds("1", "2", "3"))).snapshots()
    assert shown.probability.tolist() == [0.1, 0.2, 0.3]
    assert shown.weight.sum() == pytest.approx(1.0)


def test_data_hash_ignores_the_order_of_rows_but_not_a_number() -> None:
    panel = simulate(seed=1, questions=6, forecasters=4, per_question=3).panel
    order = np.random.default_rng(0).permutation(panel.time.size)
    columns = ("forecaster", "question", "time", "until", "probability")
    shuffled = dataclasses.replace(panel, **{name: getattr(panel, name)[order] for name in columns})
    assert shuffled.data_hash == panel.data_hash
    nudged = dataclasses.replace(panel, probability=np.nextafter(panel.probability, 1.0))
    assert nudged.data_hash != panel.data_hash
    turned = dataclasses.replace(panel, outcome=1.0 - panel.outcome)
    assert turned.data_hash != panel.data_hash


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"probability": [1.5]}, "outside"),
        ({"probability": [math.nan]}, "outside"),
        ({"outcome": [0.5]}, "outcome is 0, 1 or nan"),
        ({"until": [math.nan]}, "until"),
        ({"time": [math.inf]}, "infinite"),
        ({"question": [1]}, "index outside"),
        ({"forecaster": [-1]}, "index outside"),
        ({"questions": ("",)}, "empty name"),
        ({"questions": ("q", "q"), "titles": ("", "")}, "twice"),
        ({"time": [1.0, 2.0]}, "shape"),
    ],
)
def test_arrays_that_make_no_panel_are_refused(change: dict[str, object], reason: str) -> None:
    panel = Panel.of(forecasts=[("ann", "q", 1.0, math.inf, 0.5)], questions=[PanelQuestion("q")])
    with pytest.raises(PanelError, match=reason):
        dataclasses.replace(panel, **change)


def test_forecasts_on_unknown_questions_are_refused() -> None:
    with pytest.raises(PanelError, match="'q'"):
        Panel.of(forecasts=[("ann", "q", 1.0, math.inf, 0.5)], questions=[])


@pytest.mark.parametrize("text", ["", "12", "20260101", "2026-01-01x10:00", "2026-01-01T25:00"])
def test_other_texts_are_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        moment(text)


def test_dates_with_slashes_and_words_for_no_time_are_read_where_one_says_so(
    tmp_path: Path,
) -> None:
    other = QUESTIONS.replace("2026-01-01,2026-01-11", "1/1/26,1/11/2026 0:00")
    other = other.replace("2026-01-08", "N/A")
    iso = Panel.read(folder(tmp_path / "iso", questions=QUESTIONS.replace("2026-01-08", "")))
    read = folder(tmp_path / "other", questions=other)
    assert Panel.read(read, Dialect(dates="mdy", missing=("N/A",))).data_hash == iso.data_hash
    assert Panel.read(read, Dialect(dates="dmy", missing=("N/A",))).closes[0] == moment(
        "2026-11-01"
    )
    with pytest.raises(
        PanelError, match=r"questions\.csv:2: resolve_time: 'N/A' is not an ISO 8601 time"
    ):
        Panel.read(read, Dialect(dates="mdy"))
    with pytest.raises(
        PanelError, match=r"questions\.csv:2: open_time: '1/1/26' is not an ISO 8601 time"
    ):
        Panel.read(read, Dialect(missing=("N/A",)))


@pytest.mark.parametrize(
    ("text", "order", "seconds"),
    [
        ("9/30/11", "mdy", "2011-09-30"),
        ("30/9/11 7:05", "dmy", "2011-09-30T07:05"),
        ("09/03/1999 17:05:09", "dmy", "1999-03-09T17:05:09"),
        ("1/2/69", "mdy", "1969-01-02"),
        ("1/2/68", "mdy", "2068-01-02"),
        ("2011-09-30T01:00:00+01:00", "mdy", "2011-09-30"),
    ],
)
def test_a_date_with_slashes_is_a_moment(text: str, order: str, seconds: str) -> None:
    assert Dialect(dates=order).time(text)[0] == moment(seconds)


@pytest.mark.parametrize("text", ["13/1/11", "2/30/11", "1/2/111", "1/2/11 24:61", "1/2"])
def test_what_is_no_date_in_that_order_is_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"not an? (date in the order mdy|ISO 8601 time)"
    ) as refused:
        Dialect(dates="mdy").time(text)
    assert repr(text) in str(refused.value)
