"""What a text may hold: one validation of names, lines and passages for every way in.

Three kinds, from the strictest to the freest. A *name* identifies somebody or something and is
compared with others: it is stored in Unicode's compatibility form (NFKC). A *line* is prose without
line breaks, such as a title. A *passage* is prose with line breaks and tabs. Lines and passages are
stored in the canonical form (NFC), which looks as it was written: NFKC would turn km² into km2.

Lengths are counted in code points, and checked before anything whose cost grows with them.
"""

import re
import unicodedata
from typing import Final, Literal

LONGEST_NAME: Final = 100
LONGEST_LINE: Final = 500
LONGEST_PASSAGE: Final = 20_000
MOST_MARKS: Final = 8
"""How many combining marks may follow each other: more of them cover the lines above and below."""

LINE_BREAK: Final = re.compile("\r\n?|[\u2028\u2029]")
JOINERS: Final = frozenset("\u200c\u200d")
DIRECTION_MARKS: Final = frozenset("\u061c\u200e\u200f")
FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f")
"""The flag of a subdivision, such as Wales: a black flag and tag characters."""
FUTURE_EMOJI: Final = range(0x1F000, 0x1FB00)
"""Where Unicode reserves room for emoji that this version of Python does not know yet."""
FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and symbols that leave their place blank."""
SELECTORS: Final = frozenset(
    chr(point)
    for span in (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
    for point in span
)
"""Variation selectors: they choose the form of the character before them, and show nothing."""


REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
"""Control, format, surrogate, unassigned and private characters, and separators of lines."""

Kind = Literal["name", "line", "passage"]
ALLOWED: Final[dict[Kind, str]] = {
    "name": "visible characters and single spaces",
    "line": "one line of text, without control characters and invisible format characters",
    "passage": "text with line breaks and tabs, without other control characters and invisible "
    "format characters",
}


class TextError(ValueError):
    """A text that is refused; the message continues a sentence that begins with its name."""


def clean_name(text: str, *, longest: int = LONGEST_NAME) -> str:
    """Return a name as it is stored, in NFKC and without outer spaces.

    Raises:
        TextError: it is blank, too long, or holds a character that no name may hold.

    Examples:
        >>> clean_name("\uff21nn")
        'Ann'
    """
    _check_length(text, longest)
    _check_characters(text, "name")
    name = unicodedata.normalize("NFKC", text).strip()
    _check_length(name, longest)
    # The compatibility form may hold characters that the name itself did not.
    _check_characters(name, "name")
    _check_visible(name)
    if "  " in name:
        raise TextError("must not hold two spaces in a row")
    return name


def clean_line(text: str, *, longest: int = LONGEST_LINE, optional: bool = False) -> str:
    """Return a line as it is stored, in NFC and without outer spaces.

    Raises:
        TextError: it is too long, blank though it is not optional, or holds a line break, a
            control character or an invisible format character.

    Examples:
        >>> clean_line(" Will it rain?")
        'Will it rain?'
    """
    _check_length(text, longest)
    _check_characters(text, "line")
    return _canonical(text.strip(), longest, optional=optional)


def clean_passage(text: str, *, longest: int = LONGEST_PASSAGE, optional: bool = False) -> str:
    r"""Return a passage as it is stored, in NFC and with its line breaks as ``\n``.

    Raises:
        TextError: it is too long, blank though it is not optional, or holds a control character
            other than a line break or a tab, or an invisible format character.

    Examples:
        >>> clean_passage("First.\r\nSecond.")
        'First.\nSecond.'
    """
    _check_length(text, longest)
    broken = LINE_BREAK.sub("\n", text)
    _check_characters(broken, "passage")
    return _canonical(broken, longest, optional=optional)


def without_refused(text: str) -> str:
    """Return a passage without the characters that it may not hold, as documents often do."""
    broken = LINE_BREAK.sub("\n", text)
    if _is_plain(broken, "passage"):
        return broken
    shown = _without_flags(broken)
    return "".join(
        character
        for index, character in enumerate(broken)
        if not _is_refused(shown, index, "passage")
    )


def is_blank(text: str) -> bool:
    r"""Whether nothing of a text shows.

    Examples:
        >>> is_blank("\u2800 \u3164\u00ad"), is_blank("a")
        (True, False)
    """
    return all(
        character in FILLERS
        or character in SELECTORS
        or unicodedata.category(character) in {"Zs", "Zl", "Zp", "Cc", "Cf"}
        for character in text
    )


def describe(character: str) -> str:
    r"""Name a character for somebody who cannot see it.

    Examples:
        >>> describe("\u202e"), describe("\x1b")
        ('U+202E RIGHT-TO-LEFT OVERRIDE', 'U+001B (a control character)')
    """
    if character == "\0":
        return "U+0000 NULL"
    kinds = {"Cc": "a control character", "Cs": "half of a surrogate pair"}
    kind = kinds.get(unicodedata.category(character), "no assigned character")
    return f"U+{ord(character):04X} {unicodedata.name(character, f'({kind})')}"


def escape_controls(text: str) -> str:
    r"""Return a text that a terminal shows as it is: what would steer the terminal is escaped.

    Examples:
        >>> print(escape_controls("red \x1b[31m"))
        red \x1b[31m
    """
    if _is_plain(text, "passage"):
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if character not in "\n\t" and unicodedata.category(character) in REFUSED_CATEGORIES
        else character
        for character in text
    )


def _canonical(text: str, longest: int, *, optional: bool) -> str:
    canonical = unicodedata.normalize("NFC", text)
    _check_length(canonical, longest)
    if optional and is_blank(canonical):
        return ""
    _check_visible(canonical)
    return canonical


def _check_visible(text: str) -> None:
    if is_blank(text):
        raise TextError("must not be blank")


def _check_length(text: str, longest: int) -> None:
    if len(text) > longest:
        raise TextError(f"must be at most {longest:,} characters long, not {len(text):,}")


def _check_characters(text: str, kind: Kind) -> None:
    if text.isascii() and _is_plain(text, kind):
        return
    shown = _without_flags(text)
    marks = 0
    for index, character in enumerate(shown):
        if _is_refused(shown, index, kind):
            raise TextError(
                f"must not hold {describe(character)} (character {index + 1}); "
                f"allowed: {ALLOWED[kind]}"
            )
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if marks > MOST_MARKS:  # besides, to normalise a pile of them takes quadratic time
            raise TextError(
                f"must not hold more than {MOST_MARKS} combining marks in a row "
                f"(character {index + 1} is {describe(character)})"
            )


def _is_plain(text: str, kind: Kind) -> bool:
    """Whether a text surely holds nothing that only a look at each character would find."""
    plain = text.replace("\n", "").replace("\t", "") if kind == "passage" else text
    return plain.isprintable()


def _is_refused(text: str, index: int, kind: Kind) -> bool:
    character = text[index]
    category = unicodedata.category(character)
    if kind == "name":
        return category in REFUSED_CATEGORIES or character in FILLERS
    if category not in REFUSED_CATEGORIES:
        return False
    if kind == "passage" and (character in "\n\t" or character in DIRECTION_MARKS):
        return False
    if character in JOINERS:
        return not _joins(text, index)
    return category != "Cn" or ord(character) not in FUTURE_EMOJI


def _joins(text: str, index: int) -> bool:
    """Whether a joiner stands within a word or an emoji: between two characters that show."""
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    return (before in SELECTORS or not is_blank(before)) and not is_blank(after)


def _without_flags(text: str) -> str:
    """Hide the tag characters of flags, which are invisible only outside of them."""
    return FLAG.sub(lambda flag: "x" * len(flag[0]), text)
