"""ForecastBench: questions for each date, a forecaster for each model, outcomes of a third file."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forecasting.csv_io import PanelError, moment

DUE = "2024-07-21"


def question(name: str, dates: object = "N/A", **values: Any) -> dict[str, Any]:
    return {
        "id": name,
        "source": "manifold" if dates == "N/A" else "fred",
        "question": f"Will {name}?"
        if dates == "N/A"
        else f"Will {name} rise\nby {{resolution_date}} over {{forecast_due_date}}?",
        "background": "x",
        "market_info_open_datetime": "2024-01-02T00:00:00+00:00" if dates == "N/A" else "N/A",
        "market_info_close_datetime": "2024-12-31T00:00:00+00:00" if dates == "N/A" else "N/A",
        "freeze_datetime_value": "0.6",
        "combination_of": "N/A",
        "resolution_dates": dates,
        **values,
    }


def forecast(name: object, value: object, date: str | None = None, **values: Any) -> dict[str, Any]:
    source = "fred" if date else "manifold"
    return {
        "id": name,
        "source": source,
        "forecast": value,
        "resolution_date": date,
        "reasoning": "r",
        "direction": None,
        **values,
    }


def resolution(name: object, date: str, value: object, **values: Any) -> dict[str, Any]:
    return {
        "id": name,
        "source": "fred",
        "direction": None,
        "resolution_date": date,
        "resolved_to": value,
        "resolved": True,
        **values,
    }


def question_set(*questions: dict[str, Any]) -> dict[str, Any]:
    return {
        "forecast_due_date": DUE,
        "question_set": f"{DUE}-llm.json",
        "questions": list(questions),
    }


def forecast_set(*forecasts: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {
        "organization": "acme",
        "model": "oracle",
        "question_set": f"{DUE}-llm.json",
        "forecast_due_date": DUE,
        "forecasts": list(forecasts),
        **values,
    }


def resolution_set(*resolutions: dict[str, Any], due: str = DUE) -> dict[str, Any]:
    return {
        "forecast_due_date": due,
        "question_set": f"{due}-llm.json",
        "resolutions": list(resolutions),
    }


QUESTIONS = question_set(question("rain"), question("GDP", ["2024-07-28", "2024-08-20"]))
FORECASTS = forecast_set(
    forecast("rain", 0.7), forecast("GDP", 0.2, "2024-07-28"), forecast("GDP", 0.3, "2024-08-20")
)


def test_a_question_about_data_is_one_for_each_date(read, forecasts, outcomes) -> None:
    export = read(
        q_json=QUESTIONS,
        f_json=FORECASTS,
        r_json=resolution_set(
            resolution("GDP", "2024-07-28", 0.0),
            resolution("GDP", "2024-08-20", 1.0),
            resolution("rain", "2024-09-01", 1, source="manifold"),
        ),
    )
    assert export.origin == "ForecastBench"
    assert forecasts(export) == [
        ("acme/oracle", "manifold:rain", moment(DUE), 0.7),
        ("acme/oracle", f"fred:GDP:{DUE}|2024-07-28", moment(DUE), 0.2),
        ("acme/oracle", f"fred:GDP:{DUE}|2024-08-20", moment(DUE), 0.3),
    ]
    assert outcomes(export) == {
        "manifold:rain": ("Will rain?", 1.0),
        f"fred:GDP:{DUE}|2024-07-28": (f"Will GDP rise by 2024-07-28 over {DUE}?", 0.0),
        f"fred:GDP:{DUE}|2024-08-20": (f"Will GDP rise by 2024-08-20 over {DUE}?", 1.0),
    }
    panel = export.panel
    assert panel.domains == ("manifold", "fred")
    assert panel.opens.tolist() == [moment("2024-01-02"), moment(DUE), moment(DUE)]
    assert panel.closes[:2].tolist() == [moment("2024-12-31"), moment("2024-07-28")]
    assert panel.resolved.tolist() == [
        moment("2024-09-01"),
        moment("2024-07-28"),
        moment("2024-08-20"),
    ]


def test_one_market_in_two_rounds_is_one_question(read, forecasts, outcomes) -> None:
    later = {"forecast_due_date": "2024-12-08", "question_set": "2024-12-08-llm.json"}
    export = read(
        a_json=forecast_set(forecast("rain", 0.7), forecast("GDP", 0.5, "2025-01-01")),
        b_json=forecast_set(forecast("rain", 0.9), forecast("GDP", 0.4, "2025-01-01"), **later)
        | {"model": "oracle"},
    )
    assert sorted(outcomes(export)) == [
        "fred:GDP:2024-07-21|2025-01-01",
        "fred:GDP:2024-12-08|2025-01-01",
        "manifold:rain",
    ]
    assert [(made.time, made.probability) for made in forecasts(export)][::2] == [
        (moment(DUE), 0.7),
        (moment("2024-12-08"), 0.9),
    ]


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({"resolved": False, "resolved_to": 0.4}, None),
        ({"resolved_to": 0.5}, "questions resolved between no and yes, imported without outcome"),
        ({"resolved_to": None}, "annulled questions, imported without outcome"),
    ],
)
def test_what_is_open_in_between_or_annulled_has_no_outcome(
    read, outcomes, adjusted, values: dict[str, Any], note: str | None
) -> None:
    row = resolution("rain", "2024-09-01", 1.0, source="manifold", **values)
    export = read(f_json=forecast_set(forecast("rain", 0.7)), r_json=resolution_set(row))
    assert outcomes(export)["manifold:rain"][1] is None
    assert (note is None) or adjusted(export)[note] == 1


def test_what_is_no_forecast_is_left_out_by_reason(read, forecasts, left_out) -> None:
    export = read(
        q_json=question_set(question("rain"), question(["a", "b"], combination_of=["x", "y"])),
        f_json=forecast_set(
            forecast("rain", 0.1),
            forecast("rain", 0.7),
            forecast("snow", None),
            forecast("hail", 0.5, imputed=True),
            forecast(["a", "b"], 0.5, direction=[1, -1]),
        ),
        r_json=resolution_set(resolution(["a", "b"], "2024-08-20", 0.0)),
    )
    assert [made.probability for made in forecasts(export)] == [0.7]
    assert left_out(export) == {
        "forecasts that a later one for the same day replaces": 1,
        "rows without a forecast": 1,
        "forecasts that ForecastBench filled in": 1,
        "forecasts on combination questions": 1,
        "combination questions": 1,
        "resolutions on combination questions": 1,
    }


def test_people_are_told_apart_by_their_ids(read, forecasts, adjusted) -> None:
    people = [forecast("rain", value, user_id=name) for name, value in (("S1", 0.4), ("S2", 0.5))]
    old = forecast_set(*people) | {"question-set": f"{DUE}-human.json"}
    del old["question_set"]
    export = read(f_json=old)
    assert [made.forecaster for made in forecasts(export)] == ["S1", "S2"]
    assert adjusted(export)["questions that are in no question set: the id is the title"] == 1


def test_a_submission_says_when_it_was_due_by_its_question_set(read, forecasts) -> None:
    submission = forecast_set(forecast("rain", 0.7), question_set="2026-05-10-llm.json")
    del submission["forecast_due_date"]
    assert forecasts(read(f_json=submission))[0].time == moment("2026-05-10")
    with pytest.raises(PanelError, match=r"set 1: forecast_due_date: missing, and question_set"):
        read(f_json=submission | {"question_set": "latest-llm.json"})


def test_forecasts_may_carry_their_own_outcomes(read, outcomes) -> None:
    row = forecast("GDP", 0.7, "2024-07-28", resolved=True, resolved_to=1.0)
    assert [outcome for _, outcome in outcomes(read(f_json=forecast_set(row))).values()] == [1.0]


def test_a_question_set_alone_is_questions(read, outcomes) -> None:
    assert len(outcomes(read(q_json=QUESTIONS))) == 3


def test_a_resolution_set_alone_is_refused(read) -> None:
    with pytest.raises(PanelError, match=r"only resolutions; the forecast sets"):
        read(r_json=resolution_set(resolution("GDP", "2024-08-20", 1.0)))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (forecast("GDP", 1.5, "2024-07-28"), r"forecast 2: forecast: 1.5 is outside \[0, 1\]"),
        (forecast("GDP", 0.5, "soon"), r"forecast 2: resolution_date: 'soon' is not an ISO 8601"),
        (forecast("", 0.5), r"forecast 2: id: empty"),
        (forecast("x", 0.5, source=None), r"forecast 2: source: empty"),
        (forecast("x\x01", 0.5), r"forecast 2: id: must not hold U\+0001"),
    ],
)
def test_errors_name_the_forecast_and_the_field(read, broken: dict[str, Any], message: str) -> None:
    with pytest.raises(PanelError, match=message):
        read(f_json=forecast_set(forecast("rain", 0.5), broken))


def test_what_names_a_forecaster(read) -> None:
    row = forecast("rain", 0.5)
    names = {
        "oracle": {"organization": None},
        "acme": {"model": ""},
        "(no name)": {"organization": None, "model": None},
    }
    for name, values in names.items():
        assert read(f_json=forecast_set(row, **values)).panel.forecasters == (name,)


def test_a_round_that_is_not_due_yet_is_refused(read) -> None:
    later = (datetime.now(UTC) + timedelta(days=14)).strftime("%Y-%m-%d")
    with pytest.raises(PanelError, match=r"forecast 1: forecast_due_date: .* is in the future"):
        read(f_json=forecast_set(forecast("rain", 0.5), forecast_due_date=later))
