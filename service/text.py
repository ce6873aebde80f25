"""The validation of texts (`questions.text`) for the fields of a request: a fault names its field.

Whatever stores a text that somebody wrote passes it through here first, and stores the result: the
API, the pages and the command line share these functions by sharing the services that call them.
"""

from collections.abc import Callable
from typing import Any

from questions.text import (
    LONGEST_LINE,
    LONGEST_NAME,
    LONGEST_PASSAGE,
    TextError,
    clean_line,
    clean_name,
    clean_passage,
)
from service.errors import Invalid


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


def _checked(clean: Callable[..., str], text: str, field: str, **limits: Any) -> str:
    try:
        return clean(text, **limits)
    except TextError as error:
        raise Invalid(f"{field} {error}", field=field) from None
