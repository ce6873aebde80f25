"""The number format of probabilities: a single rule for pages, cards, charts and texts.

A forecast is shown as its forecaster stated it. Computed values (aggregates, intervals, shares) are
rounded to whole per cent, to tenths within 1% of 0 and 1, and never to 0% or 100%. Rounding is half
up on the decimal representation of the number, so 13.5% becomes 14% and 12.5% becomes 13%.
`static/credence.js` follows the same rule.
"""

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

UNKNOWN: Final = "?"
TAIL: Final = Decimal("0.001")
NEAR_CERTAINTY: Final = Decimal("0.01")
HALF: Final = Decimal("0.5")
EVEN_ODDS_WITHIN: Final = 0.01
TENTHS_BELOW: Final = 10
STATED_DECIMALS: Final = 4


def percent(probability: float | None) -> str:
    """A computed probability or share in per cent.

    >>> [percent(value) for value in (0.125, 0.135, 0.9904, 0.0004, 0.99996, -0.0, 1)]
    ['13%', '14%', '99%', '<0.1%', '>99.9%', '0%', '100%']
    """
    exact = _decimal(probability)
    if exact is None:
        return UNKNOWN
    near = min(exact, 1 - exact)
    if 0 < near < TAIL:
        return "<0.1%" if exact < HALF else ">99.9%"
    return f"{_written(exact, 1 if 0 < near < NEAR_CERTAINTY else 0)}%"


def stated_percent(probability: float | None) -> str:
    """A stated probability, in per cent with all of its decimals.

    Probabilities with more than four decimals, such as one third, are rounded to tenths.

    >>> [stated_percent(value) for value in (0.125, 0.0004, 0.99996, 1 / 3, 1e-9)]
    ['12.5%', '0.04%', '99.996%', '33.3%', '<0.1%']
    """
    exact = _decimal(probability)
    if exact is None:
        return UNKNOWN
    if _decimals(exact.scaleb(2)) <= STATED_DECIMALS:
        return f"{_written(exact, STATED_DECIMALS)}%"
    if min(exact, 1 - exact) < TAIL:
        return percent(probability)
    return f"{_written(exact, 1)}%"


def percent_number(probability: float) -> str:
    """A probability in per cent for a form field: with all decimals and without a per cent sign.

    >>> percent_number(0.0007)
    '0.07'
    """
    return _plain((_decimal(probability) or Decimal(0)).scaleb(2))


def points(change: float) -> str:
    """The absolute change of a probability in percentage points, rounded to tenths.

    >>> points(-0.0125), points(0.04)
    ('1.3', '4')
    """
    return _written(abs(Decimal(repr(float(change)))), 1)


def ordinal(number: int) -> str:
    """An ordinal number.

    >>> [ordinal(number) for number in (1, 2, 3, 4, 11, 112, 121, 1003)]
    ['1st', '2nd', '3rd', '4th', '11th', '112th', '121st', '1,003rd']
    """
    teen = number % 100 // 10 == 1
    suffix = "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{suffix}"


def odds(probability: float) -> str:
    """A probability as odds, such as `odds of 3 to 1 against`."""
    if probability <= 0 or probability >= 1:
        return "impossible" if probability <= 0 else "certain"
    if abs(probability - 0.5) < EVEN_ODDS_WITHIN:
        return "even odds"
    likely = max(probability, 1 - probability)
    ratio = Decimal(f"{likely / (1 - likely):.12f}")
    shown = _rounded(ratio, 1 if ratio < TENTHS_BELOW else 0)
    side = "on" if probability > 0.5 else "against"  # noqa: PLR2004  # even
    return f"odds of {Decimal(_plain(shown)):,f} to 1 {side}"


def _decimal(probability: float | None) -> Decimal | None:
    """The decimal representation of a probability, clipped to [0, 1]."""
    if probability is None or math.isnan(probability):
        return None
    return min(max(Decimal(repr(float(probability))), Decimal(0)), Decimal(1))


def _written(probability: Decimal, places: int) -> str:
    return _plain(_rounded(probability.scaleb(2), places))


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _plain(value: Decimal) -> str:
    """A number without exponent and trailing zeros."""
    text = f"{abs(value):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
