"""Validation of texts: names, lines and passages, the same for every interface.

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
LONGEST_URL: Final = 2_000
MOST_MARKS: Final = 8
"""Maximum number of consecutive combining marks: more would cover the lines above and below."""

LINE_BREAK: Final = re.compile("\r\n?|[\u2028\u2029]")
JOINERS: Final = frozenset("\u200c\u200d")
DIRECTION_MARKS: Final = frozenset("\u061c\u200e\u200f")
FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f")
"""The flag of a subdivision, such as Wales: a black flag and tag characters."""
FUTURE_EMOJI: Final = range(0x1F000, 0x1FB00)
"""Ranges that Unicode reserves for emoji unknown to this version of Python."""
FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and symbols that render as blank."""
SELECTORS: Final = frozenset(
    chr(point)
    for span in (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
    for point in span
)
"""Variation selectors: they select the form of the preceding character and are invisible."""
ALIKE_IN_SEARCH: Final = str.maketrans(
    {
        **dict.fromkeys(
            "\u2018\u2019\u201a\u201b\u2032\u02b9\u02bb\u02bc\u02bd\u00b4\u2039\u203a", "'"
        ),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        "\u0131": "i",
        "\u0142": "l",
        "\u00f8": "o",
        "\u0111": "d",
        "\u0127": "h",
        "\u00e6": "ae",
        "\u0153": "oe",
        "\u00fe": "th",
        "\u00f0": "d",
    }
)
"""Quotation marks, dashes, and letters with strokes, which Unicode does not take apart."""
FIRST_ACCENT: Final = 10
"""Combining classes from here on are of accents and vowel points; lower ones make other letters."""

REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
"""Control, format, surrogate, unassigned and private characters, and separators of lines."""
BLANK_CATEGORIES: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})

Kind = Literal["name", "line", "passage"]
ALLOWED: Final[dict[Kind, str]] = {
    "name": "visible characters and single spaces",
    "line": "one line of text, without control characters and invisible format characters",
    "passage": "text with line breaks and tabs, without other control characters and invisible "
    "format characters",
}


class TextError(ValueError):
    """An invalid text; the message continues a sentence that begins with the field's name."""


def clean_name(text: str, *, longest: int = LONGEST_NAME) -> str:
    """Return a name as it is stored, in NFKC and without outer spaces.

    Raises:
        TextError: the name is blank, too long, or contains a forbidden character.

    Examples:
        >>> clean_name("\uff21nn")
        'Ann'
    """
    _check_length(text, longest)
    _check_characters(text, "name")
    name = unicodedata.normalize("NFKC", text).strip()
    _check_length(name, longest)
    # The compatibility form may contain characters that the name did not.
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
    """Return a passage without forbidden characters, which are common in documents."""
    broken = LINE_BREAK.sub("\n", text)
    if fault := _fault_pattern(broken, "passage"):
        shown, kept, start = _without_flags(broken), [], 0
        for found in fault.finditer(shown):
            kept.append(broken[start : found.start()])
            start = found.end()
        broken = "".join([*kept, broken[start:]])
    if pile := _pile_pattern(broken):
        broken = pile.sub(lambda found: found[0][:MOST_MARKS], broken)
    return broken


def without_controls(text: str) -> str:
    r"""Return a text without control and format characters, such as a client's user agent.

    Examples:
        >>> without_controls("Mozilla\x00/5.0\u202e")
        'Mozilla/5.0'
    """
    if text.isprintable():
        return text
    return "".join(
        character for character in text if unicodedata.category(character) not in REFUSED_CATEGORIES
    )


def visible_part(text: str) -> str:
    """Return a text without invisible characters, except spaces."""
    return "".join(
        character for character in text if character == " " or not _is_invisible(character)
    )


def search_form(text: str) -> str:
    """Return a text as searches compare it: without case, accents and typographic marks.

    Examples:
        >>> search_form("\u00c9lections d\u2019\u00e9t\u00e9")
        "elections d'ete"
    """
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(
        character for character in apart if unicodedata.combining(character) < FIRST_ACCENT
    )
    alike = unicodedata.normalize("NFC", bare).translate(ALIKE_IN_SEARCH)
    return "".join(
        character for character in alike if character.isspace() or not _is_invisible(character)
    )


def is_blank(text: str) -> bool:
    r"""Whether a text has no visible characters.

    Examples:
        >>> is_blank("\u2800 \u3164\u00ad"), is_blank("a")
        (True, False)
    """
    return all(map(_is_invisible, set(text)))


def describe(character: str) -> str:
    r"""Describe a character that may be invisible.

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
    r"""Return a text with terminal control sequences escaped.

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
    fault = _fault_pattern(text, kind)
    if fault and (found := fault.search(_without_flags(text))):
        raise TextError(
            f"must not hold {describe(found[0])} (character {found.start() + 1}); "
            f"allowed: {ALLOWED[kind]}"
        )
    # They cover other lines, and normalising many of them takes quadratic time.
    pile = _pile_pattern(text)
    if pile and (found := pile.search(text)):
        raise TextError(
            f"must not hold more than {MOST_MARKS} combining marks in a row "
            f"(from character {found.start() + 1} on)"
        )


def _fault_pattern(text: str, kind: Kind) -> re.Pattern[str] | None:
    """A pattern of forbidden characters in a text, by context; None if there are certainly none.

    Only distinct characters are checked individually, so that long texts are cheap.
    """
    if _is_plain(text, kind) and (text.isascii() or kind != "name"):
        return None
    distinct = set(_without_flags(text))
    faults = []
    if refused := {character for character in distinct if _is_refused(character, kind)}:
        faults.append(_one_of(refused))
    if kind != "name" and JOINERS & distinct:
        # Allowed within a word or an emoji: between two visible characters.
        after = {" ", *filter(_is_invisible, distinct)}
        before = after - SELECTORS
        joiner = _one_of(JOINERS)
        faults.append(f"(?<!{_one_of(before, but=True)}){joiner}")
        faults.append(f"{joiner}(?!{_one_of(after, but=True)})")
    return re.compile("|".join(faults)) if faults else None


def _pile_pattern(text: str) -> re.Pattern[str] | None:
    """A pattern of too many combining marks in a row; None if a text has none."""
    if text.isascii():
        return None
    marks = {mark for mark in set(text) if unicodedata.category(mark) in {"Mn", "Me"}}
    return re.compile(f"{_one_of(marks)}{{{MOST_MARKS + 1},}}") if marks else None


def _one_of(characters: set[str] | frozenset[str], *, but: bool = False) -> str:
    return f"[{'^' if but else ''}{''.join(map(re.escape, sorted(characters)))}]"


def _is_plain(text: str, kind: Kind) -> bool:
    """Whether a text certainly contains no forbidden character, except fillers in names."""
    plain = text.replace("\u00a0", "").replace("\u202f", "")
    if kind == "passage":
        plain = plain.replace("\n", "").replace("\t", "")
    return plain.isprintable()


def _is_refused(character: str, kind: Kind) -> bool:
    """Whether a character is forbidden regardless of context."""
    category = unicodedata.category(character)
    if kind == "name":
        return category in REFUSED_CATEGORIES or character in FILLERS
    if category not in REFUSED_CATEGORIES or character in JOINERS:
        return False
    if kind == "passage" and (character in "\n\t" or character in DIRECTION_MARKS):
        return False
    return category != "Cn" or ord(character) not in FUTURE_EMOJI


def _is_invisible(character: str) -> bool:
    return (
        character in FILLERS
        or character in SELECTORS
        or unicodedata.category(character) in BLANK_CATEGORIES
    )


def _without_flags(text: str) -> str:
    """Hide the tag characters within flags, which are forbidden only elsewhere."""
    return FLAG.sub(lambda flag: "x" * len(flag[0]), text)
