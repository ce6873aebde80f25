"""The validation of texts (`questions.text`) for the fields of a request: a fault names its field.

Whatever stores a text that somebody wrote passes it through here first, and stores the result: the
API, the pages and the command line share these functions by sharing the services that call them.
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
    """A name as it is stored; raises Invalid."""
    return _checked(clean_name, text, field, longest=longest)


def check_line(
    text: str, field: str, *, longest: int = LONGEST_LINE, optional: bool = False
) -> str:
    """A line of prose as it is stored; raises Invalid."""
    return _checked(clean_line, text, field, longest=longest, optional=optional)


def check_passage(
    text: str, field: str, *, longest: int = LONGEST_PASSAGE, optional: bool = False
) -> str:
    """A passage of prose as it is stored; raises Invalid."""
    return _checked(clean_passage, text, field, longest=longest, optional=optional)


def required_reason(text: str, purpose: str) -> str:
    """A reason as it is stored; raises Invalid, with its purpose where there is none."""
    reason = optional_reason(text)
    if not reason:
        raise Invalid(f"reason must say why, {purpose}", field="reason")
    return reason


def optional_reason(text: str) -> str:
    """A reason as it is stored, which may be empty; raises Invalid."""
    return check_passage(text, "reason", longest=LONGEST_REASON, optional=True)


def _checked(clean: Callable[..., str], text: str, field: str, **limits: Any) -> str:
    try:
        return clean(text, **limits)
    except TextError as error:
        raise Invalid(f"{field} {error}", field=field) from None
