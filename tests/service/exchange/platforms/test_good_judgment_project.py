"""The Good Judgment Project's surveys: options of questions, conditions and withdrawals."""

import math

import pytest

from forecasting.csv_io import Dialect, PanelError, moment
from service.exchange import platforms

QUESTIONS = """\
ifp_id,q_type,q_text,q_desc,q_status,date_start,date_suspend,date_to_close,date_closed,outcome,\
short_title,days_open,n_opts,options
1001-0,0,"Will the Six-Party talks
formally resume in 2011?","'In' refers to any time",closed,9/1/11,12/30/11 0:00,12/31/11,1/2/12,b,\
Talks,123,2,"(a) Yes, (b) No"
1002-0,0,Who will be inaugurated as President of Russia in 2012?,x,closed,9/1/11,5/14/12 0:00,\
5/15/12,5/6/12,b,president of Russia,248,3,"(a) Medvedev, (b) Putin, (c) Neither"
1019-0,0,Will Saleh cease to be head of government?,x,voided,9/7/11,NULL,12/15/11,NA,,Saleh,NA,2,\
"(a) Yes, (b) No"
1306-1,1,Will the index exceed 400?,x,closed,1/7/2013,1/1/2014 9:00,12/31/2013,1/1/2014,a,Air,359,\
2,"If it exceeds 400 again beforehand :  (a) Yes, (b) No"
1400-0,0,Who will win?,x,closed,1/7/13,1/1/14 9:00,12/31/13,1/1/14,b,Race,359,2,\
"(a) Ma Ying-jeou, (b) Tsai Ing-wen"
"""
HEADER = (
    '"ifp_id","ctt","cond","training","team","user_id","forecast_id","fcast_type","answer_option",'
    '"value","fcast_date","expertise","q_status","viewtime","year","timestamp"\n'
)


def row(
    question: str, user: str, option: str, value: object, time: str = "16:17:18", kind: int = 0
) -> str:
    return (
        f'"{question}","1a",1,"a",NA,"{user}",-200987,{kind},"{option}",{value},"2011-09-05",1,'
        f'"closed",NA,1,"2011-09-05 {time}"\n'
    )


def at(time: str) -> float:
    return moment(f"2011-09-05T{time}")


def survey(*rows: str) -> str:
    return HEADER + "".join(rows)


def test_a_question_of_two_options_is_about_the_first(read, forecasts, outcomes) -> None:
    rows = (row("1001-0", "600", "a", 0.1), row("1001-0", "600", "b", 0.9))
    export = read(**{"survey_fcasts.yr1_csv": survey(*rows), "ifps_csv": QUESTIONS})
    assert export.origin == "the Good Judgment Project"
    assert forecasts(export) == [("600", "1001-0", at("16:17:18"), 0.1)]
    found = outcomes(export)
    assert found["1001-0"] == ("Will the Six-Party talks formally resume in 2011?", 0.0)
    assert found["1400-0"] == ("Who will win? (Ma Ying-jeou)", 0.0)
    panel = export.panel
    assert panel.opens[0] == moment("2011-09-01")
    assert panel.closes[0] == moment("2011-12-31")
    assert panel.resolved[0] == moment("2012-01-02")


def test_options_of_other_questions_are_questions_of_their_own(read, forecasts, outcomes) -> None:
    rows = [row("1002-0", "600", *said) for said in (("a", 0.2), ("b", 0.7), ("c", 0.1))]
    export = read(survey_csv=survey(*rows), ifps_csv=QUESTIONS)
    assert [(made.question, made.probability) for made in forecasts(export)] == [
        ("1002-0|a", 0.2),
        ("1002-0|b", 0.7),
        ("1002-0|c", 0.1),
    ]
    title = "Who will be inaugurated as President of Russia in 2012?"
    assert outcomes(export)["1002-0|b"] == (f"{title} (Putin)", 1.0)
    assert outcomes(export)["1002-0|c"] == (f"{title} (Neither)", 0.0)


def test_conditions_are_in_titles_and_voided_questions_have_no_outcome(
    read, outcomes, adjusted
) -> None:
    export = read(survey_csv=survey(row("1019-0", "600", "a", 0.1)), ifps_csv=QUESTIONS)
    assert outcomes(export)["1306-1"] == (
        "Will the index exceed 400? (If it exceeds 400 again beforehand)",
        1.0,
    )
    assert outcomes(export)["1019-0"][1] is None
    assert adjusted(export)["voided questions, imported without outcome"] == 1
    assert adjusted(export)["dates read as month/day/year, UTC"] > 0


def test_a_withdrawal_ends_the_forecast_before_it(read, forecasts, left_out) -> None:
    rows = (
        row("1001-0", "600", "a", 0.3, "12:00:00", 1),
        row("1001-0", "600", "a", 0.1, "10:00:00"),
        row("1001-0", "600", "a", 0.3, "14:00:00", 4),
        row("1001-0", "600", "b", 0.7, "14:00:00", 4),
        row("1001-0", "601", "a", "NA", "14:00:00", 4),
    )
    export = read(survey_csv=survey(*rows), ifps_csv=QUESTIONS)
    assert forecasts(export) == [
        ("600", "1001-0", at("10:00:00"), 0.1),
        ("600", "1001-0", at("12:00:00"), 0.3),
    ]
    assert export.panel.until.tolist() == [math.inf, at("14:00:00")]
    assert left_out(export) == {"withdrawals with no forecast before them": 1}


def test_rows_without_a_user_a_value_or_a_question_are_left_out(read, forecasts, left_out) -> None:
    rows = (
        row("1001-0", "600", "a", 0.3),
        row("1001-0", "NULL", "a", 0.3),
        row("1001-0", "601", "a", "NA"),
        row("9999-0", "601", "a", 0.3),
    )
    export = read(survey_csv=survey(*rows), ifps_csv=QUESTIONS)
    assert len(forecasts(export)) == 1
    assert left_out(export) == {
        "forecasts without a user": 1,
        "forecasts without a value": 1,
        "forecasts on questions that are not in ifps.csv": 1,
    }


def test_survey_files_of_several_years_are_one_set(read, forecasts) -> None:
    export = read(
        one_csv=survey(row("1001-0", "600", "a", 0.3)),
        two_tab=survey(row("1001-0", "601", "a", 0.4)).replace(",", "\t"),
        ifps_csv=QUESTIONS,
    )
    assert [made.forecaster for made in forecasts(export)] == ["600", "601"]


def test_a_survey_file_finds_the_questions_beside_it(written, forecasts) -> None:
    folder = written(survey_csv=survey(row("1001-0", "600", "a", 0.3)), ifps_csv=QUESTIONS)
    assert len(forecasts(platforms.read(folder / "survey.csv"))) == 1
    (folder / "ifps.csv").unlink()
    with pytest.raises(PanelError, match=r"the questions are missing: ifps.csv in the same folder"):
        platforms.read(folder / "survey.csv")
    with pytest.raises(PanelError, match=r"the questions are missing"):
        platforms.read(folder)


def test_questions_alone_are_imported(read, outcomes) -> None:
    assert len(outcomes(read(ifps_csv=QUESTIONS))) == 7


def test_the_original_is_in_an_encoding_of_old_macintoshes(written, outcomes) -> None:
    text = QUESTIONS.replace("Saleh cease", "Saléh cease").replace("\n1", "\r1")
    folder = written(survey_csv=survey(row("1001-0", "600", "a", 0.3)), ifps_csv="")
    (folder / "ifps.csv").write_bytes(text.encode("mac_roman"))
    with pytest.raises(PanelError, match=r"ifps.csv:\d+: byte 0x8e .* --encoding"):
        platforms.read(folder)
    found = outcomes(platforms.read(folder, Dialect(encoding="mac_roman")))
    assert found["1019-0"][0] == "Will Saléh cease to be head of government?"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",9/1/11,12", ",2003/5/12,12", r":2: date_start: '2003/5/12' is not"),
        ("1/2/12,b", "1/2/12,d", r":2: outcome: 'd' is none of: a, b"),
        ("1002-0", "1001-0", r":4: ifp_id: '1001-0' is already in .*ifps.csv:2"),
        ("1002-0", "", r":4: ifp_id: empty"),
    ],
)
def test_errors_in_questions_have_their_place(read, old: str, new: str, message: str) -> None:
    with pytest.raises(PanelError, match=r"ifps.csv" + message):
        read(survey_csv=survey(), ifps_csv=QUESTIONS.replace(old, new, 1))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (row("1001-0", "600", "e", 0.3), "answer_option: 'e' is none of: a, b"),
        (row("1001-0", "600", "a", 3), r"value: 3 is outside \[0, 1\]"),
        (row("1001-0", "600", "a", 0.3, "25:00"), "timestamp: .* is not an ISO 8601 time"),
        (row("1001-0", "600", "a", 0.3, kind=7), "fcast_type: '7' is none of: 0, 1, 2, 4"),
    ],
)
def test_errors_in_forecasts_have_their_place(read, broken: str, message: str) -> None:
    with pytest.raises(PanelError, match=r"survey.csv:3: " + message):
        read(survey_csv=survey(row("1001-0", "600", "a", 0.3), broken), ifps_csv=QUESTIONS)
