"""What account names are compared by: a key that is unique, and a skeleton of how they look."""

import unicodedata
from functools import lru_cache
from typing import Final

from questions.text import visible_part

IMPORTED_MARK: Final = ":"
"""What the names of imported forecasters hold, and no other: `SET:NAME`."""
LONGEST_SKELETON: Final = 400


def is_imported(name: str) -> bool:
    """Whether a name is a placeholder for a forecaster of another platform."""
    return IMPORTED_MARK in name


def name_key(name: str) -> str:
    r"""What a name has in common with every other way to write it: its case-folded NFKC form.

    Other platforms tell "Ann" from "ann", so a placeholder of theirs is its own key.

    Examples:
        >>> name_key("\uff21nn") == name_key("ANN") == "ann"
        True
        >>> name_key("panel:Ann")
        'panel:Ann'
    """
    if is_imported(name):
        return name
    folded = unicodedata.normalize("NFKC", name).casefold()
    # Folding may leave what can be composed, and composing what can be folded (UAX 15, UTS 46).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold())
    return visible_part(folded)


def skeleton(name: str) -> str | None:
    r"""What a name looks like (UTS 39, section 4), whatever its case; None for a placeholder.

    Examples:
        >>> skeleton("\u0430nn") == skeleton("Ann") == "ann"
        True
    """
    if is_imported(name):
        return None
    looks = "".join(map(_prototype, unicodedata.normalize("NFD", visible_part(name))))
    return unicodedata.normalize("NFKC", looks).casefold()[:LONGEST_SKELETON]


@lru_cache(maxsize=4096)
def _prototype(character: str) -> str:
    """The character that others like it stand for, as Unicode's table of confusables says."""
    lookalikes = _lookalikes(character)
    if len(lookalikes) != 1:  # what several stand for is itself the prototype; so is a loner
        return character
    other = lookalikes[0]
    if len(other) > 1 or len(_lookalikes(other)) > 1:
        return other
    return min(character, other)


def _lookalikes(character: str) -> list[str]:
    from confusable_homoglyphs import confusables  # noqa: PLC0415  # a megabyte of tables

    found = confusables.is_confusable(character, greedy=True)
    return [other["c"] for other in found[0]["homoglyphs"]] if found else []
