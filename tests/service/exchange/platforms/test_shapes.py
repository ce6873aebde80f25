"""Exports as each platform has written them over the years, complete or not."""

import csv
import io
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from forecasting.csv_io import PanelError, moment

QUESTION_2024 = (
    "Question ID",
    "Question Title",
    "Post ID",
    "Post Curation Status",
    "Post Published Time",
    "Default Project",
    "Default Project ID",
    "Label",
    "Question Type",
    "MC Options",
    "Scaling",
    "Open Time",
    "CP Reveal Time",
    "Scheduled Close Time",
    "Actual Close Time",
    "Resolution",
    "Resolution Known Time",
    "Include Bots in Aggregates",
)
FORECAST_2024 = (
    "Question ID",
    "Forecaster ID",
    "Forecaster Username",
    "Start Time",
    "End Time",
    "Probability Yes",
    "Probability Yes Per Category",
    "Continuous CDF",
)
QUESTION_2026 = (
    "Question ID",
    "Question URL",
    "Question Title",
    "Post ID",
    "Post Curation Status",
    "Post Published Time",
    "Default Project",
    "Default Project ID",
    "Categories",
    "Leaderboard Tags",
    "Label",
    "Question Type",
    "MC Options (Current)",
    "MC Options (All)",
    "MC Options History",
    "Lower Bound",
    "Open Lower Bound",
    "Upper Bound",
    "Open Upper Bound",
    "Continuous Range",
    "Open Time",
    "CP Reveal Time",
    "Scheduled Close Time",
    "Actual Close Time",
    "Resolution",
    "Resolution Known Time",
    "Include Bots in Aggregates",
    "Question Weight",
)
FORECAST_2026 = (
    "Question ID",
    "Forecaster ID",
    "Forecaster Username",
    "Is Bot",
    "Start Time",
    "End Time",
    "Forecaster Count",
    "Probability Yes",
    "Probability Yes Per Category",
    "Continuous CDF",
    "Probability Below Lower Bound",
    "Probability Above Upper Bound",
    "5th Percentile",
    "25th Percentile",
    "Median",
    "75th Percentile",
    "95th Percentile",
    "Probability of Resolution",
    "PDF at Resolution",
)
FORECAST_2025 = ("Question ID", "Forecaster (Anonymized)", *FORECAST_2026[4:10])
QUESTION_2025 = (
    *QUESTION_2024[:1],
    "Question URL",
    *QUESTION_2024[1:],
    "Question Weight",
)
DIGEST = "0123456789abcdef" * 4


def question(kind: str = "binary", resolution: str = "", **more: str) -> dict[str, str]:
    known = "2026-02-01 12:30:00+00:00" if resolution else ""
    return {
        "Question ID": "11",
        "Question Title": "Will the bridge open?",
        "Question Type": kind,
        "Open Time": "2026-01-01 00:00:00+00:00",
        "Scheduled Close Time": "2026-03-01 00:00:00+00:00",
        "Resolution": resolution,
        "Resolution Known Time": known,
        **{name.replace("_", " ").title().replace("Id", "ID"): text for name, text in more.items()},
    }


def forecast(**more: str) -> dict[str, str]:
    return {
        "Question ID": "11",
        "Forecaster ID": "7",
        "Forecaster Username": "ann",
        "Forecaster (Anonymized)": DIGEST,
        "Start Time": "2026-01-02 00:00:00+00:00",
        "Probability Yes": "0.3",
        **{name.replace("_", " ").title().replace("Id", "ID"): text for name, text in more.items()},
    }


AGGREGATE = forecast(forecaster_id="", forecaster_username="recency_weighted") | {
    "Forecaster (Anonymized)": "recency_weighted",
    "Forecaster Count": "12",
}


def table(columns: Sequence[str], rows: Sequence[dict[str, str]], *, short: bool = False) -> str:
    """A table as Python's csv module writes it; where short, each row lacks its last cell."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in rows:
        cells = [row.get(column, "") for column in columns]
        writer.writerow(cells[: len(cells) - short])
    return file.getvalue()


@pytest.mark.parametrize(
    ("question_columns", "forecast_columns", "forecaster"),
    [
        (QUESTION_2024, FORECAST_2024, "ann"),
        (QUESTION_2025, FORECAST_2025, DIGEST[:16]),
        (QUESTION_2026, FORECAST_2026, "ann"),
    ],
    ids=["2024", "2025, anonymous", "2026"],
)
@pytest.mark.parametrize(
    ("resolution", "outcome"),
    [("yes", 1.0), ("no", 0.0), ("", None), ("ambiguous", None), ("annulled", None)],
)
def test_metaculus_of_every_year_and_every_answer(
    read,
    forecasts,
    outcomes,
    left_out,
    question_columns,
    forecast_columns,
    forecaster,
    resolution,
    outcome,
) -> None:
    found = read(
        question_data_csv=table(question_columns, [question(resolution=resolution)]),
        forecast_data_csv=table(forecast_columns, [forecast(), AGGREGATE], short=outcome is None),
    )
    assert found.origin == "Metaculus"
    assert outcomes(found) == {"11": ("Will the bridge open?", outcome)}
    assert forecasts(found) == [(forecaster, "11", moment("2026-01-02"), 0.3)]
    assert left_out(found) == {"aggregates of Metaculus, which are not forecasts": 1}


def test_metaculus_with_questions_of_every_kind_leaves_out_and_counts_the_others(
    read, forecasts, left_out
) -> None:
    others = ("numeric", "date", "discrete", "multiple_choice")
    asked = [
        question(),
        *(question(kind, "12.5", question_id=str(20 + n)) for n, kind in enumerate(others)),
        question(question_id="30", label="By May"),
        question(question_id="31", resolution="annulled", question_title="A (No) → B"),
    ]
    made = [
        forecast(),
        *(forecast(question_id=str(20 + n), probability_yes="") for n in range(len(others))),
        forecast(question_id="30", probability_yes="0.4"),
        forecast(question_id="31", probability_yes="0.5"),
    ]
    found = read(
        question_data_csv=table(QUESTION_2026, asked),
        forecast_data_csv=table(FORECAST_2026, made, short=True),
    )
    assert found.panel.titles == (
        "Will the bridge open?",
        "Will the bridge open? (By May)",
        "A (No) → B",
    )
    assert [one.probability for one in forecasts(found)] == [0.3, 0.4, 0.5]
    assert left_out(found) == {
        **{f"questions of type {kind}": 1 for kind in others},
        "forecasts on questions that are left out": 4,
    }
    numeric = found.notes.left_out["questions of type numeric"]
    assert numeric.first.endswith("question_data.csv:3")


def test_a_row_that_is_left_out_is_not_read_any_further(read, left_out) -> None:
    found = read(
        question_data_csv=table(
            QUESTION_2026,
            [question(), question("numeric", "?", question_id="12", open_time="soon")],
        ),
        forecast_data_csv=table(
            FORECAST_2026,
            [
                forecast(),
                forecast(question_id="12", start_time="soon", probability_yes="x"),
                AGGREGATE | {"Probability Yes": "", "Question ID": "77", "Start Time": "?"},
            ],
        ),
    )
    assert found.panel.probability.tolist() == [0.3]
    assert sum(left_out(found).values()) == 3


FATEBOOK = """\
Question title,Multiple choice option,Forecast created by,Forecast (scale = 0-1),\
Forecast created at,Question created by,Question created at,Question resolve by,Resolution,\
Resolved at
"Will we ship?",,"Ann",0.7,2026-01-02 9:05:7,"Ann",2026-01-01 10:00:00,2026-03-01 00:00:00,\
"YES",2026-02-01 08:00:00
"Will we ship?",,"Bob",0.2,2026-01-03 9:05:7,"Ann",2026-01-01 10:00:00,2026-03-01 00:00:00,\
"YES",2026-02-01 08:00:00
"""


def test_fatebook_of_2023_calls_the_answer_otherwise(read, outcomes, forecasts) -> None:
    early = FATEBOOK.replace("Multiple choice option,", "").replace(",,", ",")
    early = early.replace("Resolution,Resolved at", "Question resolution,Question resolved at")
    found = read(fatebook_csv=early)
    assert outcomes(found) == {"1": ("Will we ship?", 1.0)}
    assert [one.probability for one in forecasts(found)] == [0.7, 0.2]


def test_fatebook_of_a_tournament_has_its_name_before_and_fewer_columns_behind(
    read, outcomes
) -> None:
    header, *rows = FATEBOOK.splitlines()
    found = read(
        fatebook_csv="\n".join(["Tournament name," + header, *('"Cup",' + row for row in rows)])
    )
    assert outcomes(found) == {"1": ("Will we ship?", 1.0)}


def test_participants_without_a_name_are_one_forecaster_and_so_are_namesakes(
    read, forecasts, adjusted
) -> None:
    text = FATEBOOK.replace('"Bob"', "").replace('"Ann",0.7', ",0.7")
    again = FATEBOOK.splitlines()[2].replace("0.2", "0.4").replace("01-03", "01-04")
    found = read(fatebook_csv=text + again + "\n" + again.replace("0.4", "0.5") + "\n")
    assert [(one.forecaster, one.probability) for one in forecasts(found)] == [
        ("(no name)", 0.7),
        ("(no name)", 0.2),
        ("Bob", 0.4),
        ("Bob", 0.5),
    ]
    assert (
        adjusted(found)["forecasts without a forecaster's name, all taken for one, (no name)"] == 2
    )


def test_rows_that_are_in_a_file_twice_are_one_forecast(read, forecasts, left_out) -> None:
    header, *rows = FATEBOOK.splitlines()
    found = read(fatebook_csv="\n".join([header, *rows, *rows]))
    assert [one.probability for one in forecasts(found)] == [0.7, 0.2]
    assert left_out(found) == {"rows that repeat a forecast": 2}
    again = read(
        question_data_csv=table(QUESTION_2026, [question(), question()]),
        forecast_data_csv=table(FORECAST_2026, [forecast(), forecast()]),
    )
    assert again.panel.probability.tolist() == [0.3]


def test_a_display_name_with_characters_that_no_name_has_blocks_nobody(
    read, forecasts, adjusted
) -> None:
    woman_scientist = "\U0001f469\u200d\U0001f52c Ann"
    found = read(fatebook_csv=FATEBOOK.replace('"Ann",0.7', f'"{woman_scientist}",0.7'))
    assert [one.forecaster for one in forecasts(found)] == ["\U0001f469\U0001f52c Ann", "Bob"]
    assert adjusted(found)["forecasts whose forecaster's name is stored in another form"] == 1


@pytest.mark.parametrize(
    ("dates", "rewritten"),
    [
        ("mdy", lambda day: f"{day:%m/%d/%Y %H:%M}"),
        ("dmy", lambda day: f"{day:%d/%m/%y %H:%M}"),
        ("dmy", lambda day: f"{day:%d.%m.%Y %H:%M:%S}"),
        ("mdy", lambda day: f"{day:%m/%d/%Y, %I:%M %p}"),
    ],
)
def test_dates_of_an_export_are_read_in_the_stated_order(
    read_as, forecasts, dates, rewritten
) -> None:
    text = FATEBOOK
    for written in ("2026-01-02 9:05:7", "2026-01-03 9:05:7"):
        day = datetime.fromisoformat(written[:10]) + timedelta(hours=21, minutes=5)
        text = text.replace(written, f'"{rewritten(day)}"')
    found = read_as(text, dates=dates)
    assert [one.time for one in forecasts(found)] == [
        moment("2026-01-02T21:05"),
        moment("2026-01-03T21:05"),
    ]
    with pytest.raises(PanelError, match=r":2: Forecast created at: .* --dates mdy or --dates dmy"):
        read_as(text)


def test_a_text_for_no_time_is_read_where_one_says_so(read_as) -> None:
    text = FATEBOOK.replace("2026-03-01 00:00:00", "n/a")
    assert math.isnan(read_as(text, missing=("n/a",)).panel.closes[0])
    with pytest.raises(PanelError, match=r":2: Question resolve by: 'n/a' is not an ISO 8601"):
        read_as(text)


@pytest.mark.parametrize("unit", ["unix-s", "unix-ms"])
def test_numbers_as_times_are_read_only_where_their_unit_is_stated(read_as, unit) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    number = f"{at * (1000 if unit == 'unix-ms' else 1):.0f}"
    text = FATEBOOK.replace("2026-01-02 9:05:7", number)
    assert read_as(text, times=unit).panel.time[0] == at
    with pytest.raises(PanelError, match=r":2: Forecast created at: .*--times unix-s or --times"):
        read_as(text)
    wrong, message = {
        "unix-s": ("unix-ms", "milliseconds since 1970 is before 1973; --times unix-s reads"),
        "unix-ms": ("unix-s", "seconds since 1970 is not between the years"),
    }[unit]
    with pytest.raises(PanelError, match=rf":2: Forecast created at: .* {message}"):
        read_as(text, times=wrong)


def test_a_forecast_of_the_future_is_refused_with_its_line(read) -> None:
    later = datetime.now(UTC) + timedelta(days=2)
    with pytest.raises(PanelError, match=r":3: Forecast created at: .* is in the future"):
        read(fatebook_csv=FATEBOOK.replace("2026-01-03 9:05:7", f"{later:%Y-%m-%d %H:%M:%S}"))
