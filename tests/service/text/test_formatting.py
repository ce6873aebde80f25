"""Probabilities as people read them: as stated, or rounded half up and never to certainty."""

import doctest
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.exceptions import Invalid
from service.pages.forms import chance
from service.text import formatting
from service.text.formatting import odds, percent, percent_number, points, stated_percent
from service.web import chart_specs
from service.web.chart_specs import ChartStyle

PROBABILITIES = st.floats(0, 1)


def test_the_examples_hold() -> None:
    assert doctest.testmod(formatting).failed == 0


@pytest.mark.parametrize(
    ("probability", "shown"),
    [
        (0.125, "13%"),
        (0.135, "14%"),
        (0.285, "29%"),
        (0.575, "58%"),
        (0.625, "63%"),
        (0.036, "4%"),
        (0.015, "2%"),
        (0.00999, "1%"),
        (0.0095, "1%"),
        (0.0094, "0.9%"),
        (0.0025, "0.3%"),
        (0.001, "0.1%"),
        (0.0009999, "<0.1%"),
        (5e-324, "<0.1%"),
        (0.995, "99.5%"),
        (0.999, "99.9%"),
        (math.nextafter(1, 0), ">99.9%"),
        (0.0, "0%"),
        (-0.0, "0%"),
        (1.0, "100%"),
        (1, "100%"),
        (None, "?"),
        (math.nan, "?"),
    ],
)
def test_a_computed_probability_is_rounded_half_up_with_open_tails(probability, shown) -> None:
    assert percent(probability) == shown


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("12.5", "12.5%"),
        ("13.5 %", "13.5%"),
        ("37,25", "37.25%"),
        ("0.7", "0.7%"),
        ("0.07", "0.07%"),
        ("0.04", "0.04%"),
        ("99.996", "99.996%"),
        ("57.5", "57.5%"),
        ("-0", "0%"),
        ("100", "100%"),
        ("0.0000001", "<0.1%"),
        ("99.9999999", ">99.9%"),
    ],
)
def test_a_forecast_is_shown_as_it_was_typed(typed: str, shown: str) -> None:
    assert stated_percent(chance(typed)) == shown


@given(PROBABILITIES)
def test_only_certainty_is_shown_as_certain(probability: float) -> None:
    for shown in (percent(probability), stated_percent(probability)):
        assert (shown == "0%") == (probability == 0)
        assert (shown == "100%") == (probability == 1)


@given(st.integers(0, 1_000_000))
def test_up_to_four_decimals_of_a_percentage_survive(millionths: int) -> None:
    stated = Decimal(millionths).scaleb(-4)
    assert Decimal(stated_percent(chance(str(stated))).removesuffix("%")) == stated


@given(PROBABILITIES)
def test_a_form_gives_back_exactly_what_was_stored(probability: float) -> None:
    assert chance(percent_number(probability)) == probability


@pytest.mark.parametrize("text", ["", "yes", "nan", "inf", "-1", "100.0001", "1e999999999999"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="enter a number from 0 to 100"):
        chance(text)


def test_a_zero_that_is_typed_with_a_sign_loses_it() -> None:
    assert math.copysign(1, chance("-0")) == 1


def test_movements_are_rounded_half_up_too() -> None:
    assert [points(change) for change in (0.0005, -0.0125, 0.04, 1)] == ["0.1", "1.3", "4", "100"]


@pytest.mark.parametrize(
    ("probability", "shown"),
    [
        (0.25, "odds of 3 to 1 against"),
        (0.9, "odds of 9 to 1 on"),
        (20 / 29, "odds of 2.2 to 1 on"),
        (0.9999, "odds of 9,999 to 1 on"),
        (0.495, "even odds"),
        (0, "impossible"),
        (1, "certain"),
    ],
)
def test_odds_are_those_of_the_probability(probability: float, shown: str) -> None:
    assert odds(probability) == shown


def test_charts_tell_the_same_numbers_as_pages() -> None:
    at = "2026-11-01T00:00:00+00:00"
    spec = chart_specs.history(
        {
            "points": [
                {"at": at, "probability": 0.135, "lower": 4e-4, "upper": 0.99996, "forecasters": 2}
            ],
            "pools": [{"at": at, "method": "mean", "probability": 0.625}],
            "mine": [{"at": at, "probability": 0.125, "made": True}],
            "opens": at,
            "ends": "2026-11-09T00:00:00+00:00",
            "level": 0.975,
            "resolution": None,
        },
        ChartStyle(),
    )
    written = str(spec)
    for text in ("'14%'", "'<0.1%'", "'>99.9%'", "'63%'", "'12.5%'", "97.5% interval from"):
        assert text in written
    assert ".1%'" not in written.replace("<0.1%'", "")
