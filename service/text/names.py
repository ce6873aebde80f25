"""Comparison of account names: a unique key, and a skeleton for names that look alike."""

import unicodedata
from functools import lru_cache
from typing import Final

from questions.text import visible_part

IMPORTED_MARK: Final = ":"
"""The character that only the names of imported forecasters contain: `SET:NAME`."""
LONGEST_SKELETON: Final = 400


def is_imported(name: str) -> bool:
    """Whether a name is a placeholder for a forecaster of another platform."""
    return IMPORTED_MARK in name


def name_key(name: str) -> str:
    r"""The case-folded NFKC form, which is the same for all spellings of a name.

    Other platforms distinguish "Ann" from "ann", so the name of a placeholder is its own key.

    Examples:
        >>> name_key("\uff21nn") == name_key("ANN") == "ann"
        True
        >>> name_key("panel:Ann")
        'panel:Ann'
    """
    if is_imported(name):
        return name
    folded = unicodedata.normalize("NFKC", name).casefold()
    # Case folding and normalisation may each enable the other once more (UAX 15, UTS 46).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold())
    return visible_part(folded)


def skeleton(name: str) -> str | None:
    r"""The skeleton of a name (UTS 39, section 4), ignoring case; None for a placeholder.

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
    """The prototype of a character in Unicode's table of confusable characters."""
    lookalikes = _lookalikes(character)
    if len(lookalikes) != 1:  # with several or no lookalikes, the character is the prototype
        return character
    other = lookalikes[0]
    if len(other) > 1 or len(_lookalikes(other)) > 1:
        return other
    return min(character, other)


def _lookalikes(character: str) -> list[str]:
    from confusable_homoglyphs import confusables  # noqa: PLC0415  # a megabyte of tables

    found = confusables.is_confusable(character, greedy=True)
    return [other["c"] for other in found[0]["homoglyphs"]] if found else []
