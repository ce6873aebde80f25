"""Prediction sets of sites of Cultivate Forecasts: yes and no, options, tables and JSON."""

import math
from typing import Any

import pytest

from forecasting.csv_io import PanelError, moment

AT = "2018-01-26T01:34:25.519Z"


def prediction_set(
    number: int, member: str, *predictions: tuple[str, object], question: int = 10, **values: Any
) -> dict[str, Any]:
    return {
        "id": number,
        "type": "Forecast::OpinionPoolPredictionSet",
        "question_id": question,
        "question_name": f"Will {question} happen?",
        "created_at": AT,
        "membership_guid": member,
        "rationale": "no way",
        "predictions": [
            {
                "id": number * 10 + index,
                "answer_id": index,
                "answer_name": answer,
                "membership_guid": member,
                "created_at": "2018-01-26T01:34:25.530Z",
                "made_after_correctness_known": False,
                "forecasted_probability": probability,
                "starting_probability": 0.5,
                "final_probability": probability,
            }
            for index, (answer, probability) in enumerate(predictions)
        ],
        **values,
    }


def question(number: int, *answers: tuple[str, object], **values: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Will {number} happen?",
        "type": "Forecast::YesNoQuestion",
        "published_at": "2018-01-01T00:00:00.000Z",
        "starts_at": "2017-12-30T00:00:00.000Z",
        "ends_at": "2018-02-01T00:00:00.000Z",
        "resolved_at": "2018-02-03T00:00:00.000Z",
        "resolved?": True,
        "voided_at": None,
        "answers": [
            {"id": index, "name": answer, "probability": probability, "resolved_at": None}
            for index, (answer, probability) in enumerate(answers)
        ],
        **values,
    }


def test_yes_alone_yes_with_no_and_no_alone_say_the_same(read, forecasts, outcomes) -> None:
    sets = [
        prediction_set(1, "ann", ("Yes", "0.25")),
        prediction_set(2, "bob", ("Yes", 0.25), ("No", 0.75)),
        prediction_set(3, "eve", ("No", 0.75)),
    ]
    export = read(sets_json={"prediction_sets": sets})
    assert export.origin == "Good Judgment Open, INFER or another site of Cultivate Forecasts"
    assert forecasts(export) == [
        (member, "10", moment("2018-01-26T01:34:25.519"), 0.25) for member in ("ann", "bob", "eve")
    ]
    assert outcomes(export) == {"10": ("Will 10 happen?", None)}


def test_options_are_questions_of_their_own(read, forecasts, outcomes) -> None:
    one = prediction_set(1, "ann", ("Less than 10", 0.25), ("10 to 20", 0.45), ("More", 0.3))
    export = read(sets_json=[one])
    assert [(made.question, made.probability) for made in forecasts(export)] == [
        ("10|1", 0.25),
        ("10|2", 0.45),
        ("10|3", 0.3),
    ]
    assert outcomes(export)["10|2"] == ("Will 10 happen? (10 to 20)", None)


def test_questions_in_a_second_file_give_times_and_outcomes(read, outcomes) -> None:
    sets = [
        prediction_set(1, "ann", ("Yes", 0.25)),
        prediction_set(2, "ann", ("Red", 0.25), ("Blue", 0.75), question=11),
        prediction_set(3, "ann", ("Yes", 0.25), question=12),
        prediction_set(4, "ann", ("Yes", 0.25), question=13),
    ]
    questions = [
        question(10, ("Yes", 1.0), ("No", 0.0)),
        question(11, ("Red", "0.0"), ("Blue", "1.0")),
        question(12, ("Yes", 0.6), voided_at=AT),
        question(13, ("Yes", 0.6), **{"resolved?": False, "resolved_at": None}),
        question(14, ("Yes", 0.0)),
    ]
    export = read(sets_json={"prediction_sets": sets}, questions_json={"questions": questions})
    assert {name: outcome for name, (_, outcome) in outcomes(export).items()} == {
        "10": 1.0,
        "11|1": 0.0,
        "11|2": 1.0,
        "12": None,
        "13": None,
    }
    panel = export.panel
    assert panel.opens[0] == moment("2018-01-01")
    assert panel.closes[0] == moment("2018-02-01")
    assert panel.resolved[0] == moment("2018-02-03")
    assert math.isnan(panel.resolved[3])


def test_only_no_was_predicted_on_a_question_that_came_true(read, forecasts, outcomes) -> None:
    export = read(
        sets_json=[prediction_set(1, "ann", ("No", 0.9))],
        questions_json={"questions": [question(10, ("No", 0.0), ("Yes", 1.0))]},
    )
    assert outcomes(export) == {"10": ("Will 10 happen?", 1.0)}
    assert forecasts(export)[0].probability == pytest.approx(0.1)


def test_pages_that_overlap_hold_each_set_once(read, forecasts, left_out) -> None:
    first, second = (prediction_set(number, "ann", ("Yes", 0.25)) for number in (1, 2))
    export = read(a_json={"prediction_sets": [first, second]}, b_json={"prediction_sets": [second]})
    assert len(forecasts(export)) == 2
    assert left_out(export) == {"predictions that are in the files twice": 1}


HEADER = (
    "prediction set id,membership guid,discover question id,question id,question name,"
    "prediction set created at,rationale,answer id,answer name,filled at,created at,"
    "made after correctness known,forecasted probability,answer correctness_known_at,"
    "answer resolved probability,question ends_at,question published_at,site name\n"
)


def line(number: int, member: str, answer: str, probability: str, resolved: str = "") -> str:
    return (
        f'{number},{member},182,{800 + number},"Will there be a new\nprime minister?",'
        f'2018-02-28 20:16:37 UTC,"Well, ""no""",2410,{answer},2018-02-28 20:16:38 UTC,'
        f"2018-02-28 20:16:37 UTC,false,{probability},2018-03-05 00:00:00 UTC,{resolved},"
        "2018-03-06 19:00:41 UTC,2018-02-26 17:05:25 UTC,HFC\n"
    )


def test_a_table_with_a_row_per_prediction(read, forecasts, outcomes) -> None:
    text = HEADER + line(1, "ann", "Yes", "0.05", "0") + line(2, "bob", "Yes", "0.1", "0")
    export = read(**{"rct-a-prediction-sets_csv": text.replace("\n", "\r\n")})
    assert forecasts(export) == [
        ("ann", "182", moment("2018-02-28T20:16:38"), 0.05),
        ("bob", "182", moment("2018-02-28T20:16:38"), 0.1),
    ]
    assert outcomes(export) == {"182": ("Will there be a new prime minister?", 0.0)}
    assert export.panel.resolved[0] == moment("2018-03-05")


def test_columns_may_be_called_as_people_write_them(read, forecasts) -> None:
    header = HEADER.replace("forecasted probability", "Forecasted Probability").replace(
        "membership guid", "Membership_GUID"
    )
    assert len(forecasts(read(table_csv=header + line(1, "ann", "Yes", "0.05")))) == 1


def test_what_is_no_forecast_is_left_out_by_reason(read, forecasts, left_out, adjusted) -> None:
    late = prediction_set(1, "ann", ("Yes", 0.9))
    late["predictions"][0]["made_after_correctness_known"] = True
    refunded = prediction_set(2, "bob", ("Yes", 0.9))
    refunded["predictions"][0]["refunded_at"] = AT
    sets = [
        late,
        refunded,
        prediction_set(3, "bob", ("Yes", None)),
        prediction_set(4, "", ("Yes", 0.9)),
        prediction_set(5, "eve", ("Yes", 0.9)),
    ]
    export = read(sets_json=sets, q_json={"questions": [question(10, ("Yes", 0.5))]})
    assert [made.forecaster for made in forecasts(export)] == ["(no name)", "eve"]
    assert left_out(export) == {
        "predictions made after the answer was known": 1,
        "predictions whose trade was refunded": 1,
        "predictions without a probability": 1,
    }
    assert adjusted(export)["answers resolved between no and yes, imported without outcome"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictions": None}, r"prediction set 1: predictions: null, not a list"),
        ({"predictions": [3]}, r"prediction set 1: predictions, prediction 1: a number, not an"),
        ({"question_id": None}, r"prediction set 1: discover_question_id or question_id: empty"),
    ],
)
def test_errors_name_the_set(read, change: dict[str, Any], message: str) -> None:
    with pytest.raises(PanelError, match=message):
        read(sets_json=[{**prediction_set(1, "ann", ("Yes", 0.5)), **change}])


def test_percentages_are_refused(read) -> None:
    with pytest.raises(PanelError, match=r"set 1: forecasted_probability: 35 is outside \[0, 1\]"):
        read(sets_json=[prediction_set(1, "ann", ("Yes", 35))])
    with pytest.raises(PanelError, match=r"table.csv:4: forecasted_probability: '35%' is not"):
        read(table_csv=HEADER + line(1, "a", "Yes", "0.1") + line(2, "a", "Yes", "35%"))
