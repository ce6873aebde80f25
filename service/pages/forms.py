"""Forms: what a browser sent, kept so that it can be shown again beside what was wrong with it."""

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from litestar.exceptions import HTTPException

from service.exceptions import Invalid, Problem
from service.web.dependencies import AppRequest

CARRIED: Final = "carried."
"""What the names of fields begin with that are carried through signing in."""
TARGET: Final = "carried-to"
MOST_CARRIED: Final = 100
SECRETS: Final = frozenset({"password", "current", "new", "invitation"})
"""Fields whose forms are not carried: what they ask for is typed again."""


class ByField(dict[str, str]):
    """Texts by the name of their field; one that is not there is empty."""

    def __missing__(self, name: str) -> str:
        return ""


@dataclass(slots=True)
class Form:
    """The fields of a form and what is wrong with them.

    Attributes:
        given: what was typed, by field.
        wrong: a sentence for each field that cannot be taken.
        problem: what went wrong, if it is of no field shown.
    """

    given: ByField = field(default_factory=ByField)
    wrong: ByField = field(default_factory=ByField)
    problem: Problem | None = None

    def text(self, name: str) -> str:
        """What was typed in a field; nothing where it was not sent."""
        return self.given[name]

    def refuse(self, problem: Problem) -> None:
        """Keep what was wrong: beside its field where that is known, else above the form."""
        self.wrong.update((one.field, one.message) for one in problem.errors)
        if not problem.errors:
            self.problem = problem


async def read_form(request: AppRequest) -> Form:
    """The form that was sent; of a field that was sent twice, the last. Raises Invalid for NUL."""
    sent = await request.form()
    given = {name: value for name, value in sent.multi_items() if isinstance(value, str)}
    if any("\0" in text for text in given.values()):
        raise Invalid("a text must not hold the character NUL")
    return Form(ByField({name: text.replace("\r\n", "\n") for name, text in given.items()}))


async def carry(request: AppRequest) -> dict[str, str]:
    """The form that somebody sent without a session, as hidden fields of the form to sign in.

    Nothing where it cannot be read or asks for a secret; files are not among it.
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
    """The hidden fields that the form to sign in carries."""
    return {
        name: text
        for name, text in form.given.items()
        if name.startswith(CARRIED) or name == TARGET
    }


def chance(text: str, *, field: str = "probability") -> float:
    """A probability typed in per cent, such as `37`, `37.5 %` or `37,5`; raises Invalid."""
    cleaned = text.strip().removesuffix("%").strip().replace(",", ".")
    try:
        given = Decimal(cleaned)
    except InvalidOperation:
        given = Decimal("NaN")
    if not given.is_finite() or not 0 <= given <= 100:  # noqa: PLR2004  # per cent
        raise Invalid("write a number from 0 to 100", field=field)
    return float(abs(given).scaleb(-2))
