"""Validation of texts in request fields, by the rules of `questions.text`; errors name the field.

Services pass every text written by a user through these functions and store the result. The API,
the pages and the command line call the same services, so the same rules apply to all of them.
"""

from collections.abc import Callable
from typing import Any, Final

from questions.text import (
    LONGEST_LINE,
    LONGEST_NAME,
    LONGEST_PASSAGE,
    LONGEST_URL,
    TextError,
    clean_line,
    clean_name,
    clean_passage,
    without_controls,
)
from service.exceptions import Invalid

__all__ = [
    "LONGEST_REASON",
    "LONGEST_URL",
    "check_line",
    "check_name",
    "check_passage",
    "optional_reason",
    "required_reason",
    "without_controls",
]

LONGEST_REASON: Final = 2_000


def check_name(text: str, field: str, *, longest: int = LONGEST_NAME) -> str:
    """The stored form of a name; raises Invalid."""
    return _checked(clean_name, text, field, longest=longest)


def check_line(
    text: str, field: str, *, longest: int = LONGEST_LINE, optional: bool = False
) -> str:
    """The stored form of a line of prose; raises Invalid."""
    return _checked(clean_line, text, field, longest=longest, optional=optional)


def check_passage(
    text: str, field: str, *, longest: int = LONGEST_PASSAGE, optional: bool = False
) -> str:
    """The stored form of a passage of prose; raises Invalid."""
    return _checked(clean_passage, text, field, longest=longest, optional=optional)


def required_reason(text: str, purpose: str) -> str:
    """The stored form of a reason; raises Invalid, naming the purpose if it is missing."""
    reason = optional_reason(text)
    if not reason:
        raise Invalid(f"reason must say why, {purpose}", field="reason")
    return reason


def optional_reason(text: str) -> str:
    """The stored form of an optional reason; raises Invalid."""
    return check_passage(text, "reason", longest=LONGEST_REASON, optional=True)


def _checked(clean: Callable[..., str], text: str, field: str, **limits: Any) -> str:
    try:
        return clean(text, **limits)
    except TextError as error:
        raise Invalid(f"{field} {error}", field=field) from None
