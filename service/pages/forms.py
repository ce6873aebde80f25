"""Submitted forms, kept so that a page can show them again with their errors."""

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from litestar.exceptions import HTTPException

from service.exceptions import Invalid, Problem
from service.web.dependencies import AppRequest

CARRIED: Final = "carried."
"""Prefix of the names of fields carried through sign-in."""
TARGET: Final = "carried-to"
MOST_CARRIED: Final = 100
SECRETS: Final = frozenset({"password", "current", "new", "invitation"})
"""Secret fields; a form that contains one is not carried through sign-in."""


class ByField(dict[str, str]):
    """Text by field name; a missing field is empty."""

    def __missing__(self, name: str) -> str:
        return ""


@dataclass(slots=True)
class Form:
    """The fields of a form and their errors.

    Attributes:
        given: the submitted text by field.
        wrong: an error sentence by invalid field.
        problem: an error that belongs to no visible field.
    """

    given: ByField = field(default_factory=ByField)
    wrong: ByField = field(default_factory=ByField)
    problem: Problem | None = None

    def text(self, name: str) -> str:
        """Return the text of a field, empty if it was not submitted."""
        return self.given[name]

    def refuse(self, problem: Problem) -> None:
        """Record an error beside its field if known, otherwise above the form."""
        self.wrong.update((one.field, one.message) for one in problem.errors)
        if not problem.errors:
            self.problem = problem


async def read_form(request: AppRequest) -> Form:
    """Read the submitted form; the last of repeated fields wins. Raises Invalid for NUL."""
    sent = await request.form()
    given = {name: value for name, value in sent.multi_items() if isinstance(value, str)}
    if any("\0" in text for text in given.values()):
        raise Invalid("a text must not contain the NUL character")
    return Form(ByField({name: text.replace("\r\n", "\n") for name, text in given.items()}))


async def carry(request: AppRequest) -> dict[str, str]:
    """Return a form submitted without a session as hidden fields for the sign-in form.

    Empty if the form is unreadable or contains a secret; files are omitted.
    """
    try:
        given = (await read_form(request)).given
    except (Problem, HTTPException):
        return {}
    if not given or SECRETS & given.keys():
        return {}
    kept = list(given.items())[:MOST_CARRIED]
    return {f"{CARRIED}{name}": text for name, text in kept} | {TARGET: request.url.path}


def carried_on(form: Form) -> dict[str, str]:
    """Return the hidden fields that the sign-in form already carries."""
    return {
        name: text
        for name, text in form.given.items()
        if name.startswith(CARRIED) or name == TARGET
    }


def chance(text: str, *, field: str = "probability") -> float:
    """Parse a probability in per cent, such as `37`, `37.5 %` or `37,5`; raises Invalid."""
    cleaned = text.strip().removesuffix("%").strip().replace(",", ".")
    try:
        given = Decimal(cleaned)
    except InvalidOperation:
        given = Decimal("NaN")
    if not given.is_finite() or not 0 <= given <= 100:  # noqa: PLR2004  # per cent
        raise Invalid("enter a number from 0 to 100", field=field)
    return float(abs(given).scaleb(-2))
