import re

import pytest

from questions.text import (
    LONGEST_LINE,
    LONGEST_PASSAGE,
    TextError,
    clean_line,
    clean_name,
    clean_passage,
    escape_controls,
    without_refused,
)

CLEANERS = [clean_name, clean_line, clean_passage]


@pytest.mark.parametrize("clean", CLEANERS)
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a\x00b", "U+0000 NULL (character 2)"),
        ("a\x1b[31m", "U+001B (a control character) (character 2)"),
        ("ab\x7f", "U+007F (a control character) (character 3)"),
        ("a\x85b", "U+0085"),
        ("a\u202eb", "U+202E RIGHT-TO-LEFT OVERRIDE (character 2)"),
        ("a\u2066b", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("a\u200bb", "U+200B ZERO WIDTH SPACE"),
        ("a\ufeffb", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("a\u00adb", "U+00AD SOFT HYPHEN"),
        ("a\ud800b", "U+D800 (half of a surrogate pair)"),
        ("a\ufdd0b", "U+FDD0 (no assigned character)"),
        ("a\ue000b", "U+E000"),
        ("a\U000e0041b", "U+E0041 TAG LATIN CAPITAL LETTER A"),
    ],
)
def test_a_character_that_is_refused_is_named_with_its_place(clean, text: str, named: str) -> None:
    with pytest.raises(TextError, match=re.escape(named)):
        clean(text)


@pytest.mark.parametrize("clean", CLEANERS)
@pytest.mark.parametrize(
    "text", ["", " ", "\u00a0", "\u2800", "\u3164", "\uffa0 \u115f", "\ufe0f", "\u3000"]
)
def test_a_text_of_which_nothing_shows_is_refused(clean, text: str) -> None:
    with pytest.raises(TextError, match=r"must not (be blank|hold U\+)"):
        clean(text)


@pytest.mark.parametrize("clean", [clean_line, clean_passage])
def test_an_optional_text_of_which_nothing_shows_is_empty(clean) -> None:
    assert clean(" \u2800 ", optional=True) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Élection: 10 km², 21 ℃ — “yes”?",
        "می\u200cخواهم",  # noqa: RUF001  # Persian: a joiner keeps its parts apart
        "a family: 👨\u200d👩\u200d👧, a flame: ❤\ufe0f\u200d🔥",
        "Wales: 🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",
        "an emoji of a later Unicode: \U0001faea",
        "Combien ?\u00a0Beaucoup\u202f!",
    ],
)
def test_lines_and_passages_keep_what_people_write(text: str) -> None:
    assert clean_line(text) == clean_passage(text) == text


@pytest.mark.parametrize("text", ["a\u200d", "\u200da", "a \u200db", "a\u200d\u200db"])
def test_a_joiner_must_join_two_characters_that_show(text: str) -> None:
    with pytest.raises(TextError, match=r"U\+200D ZERO WIDTH JOINER"):
        clean_passage(text)


def test_only_passages_have_line_breaks_tabs_and_marks_of_direction() -> None:
    assert clean_passage("a\r\nb\rc\u2028d\te\u200f") == "a\nb\nc\nd\te\u200f"
    for text in ("a\nb", "a\tb", "a\u2028b", "a\u200fb"):
        for clean in (clean_name, clean_line):
            with pytest.raises(TextError, match="must not hold"):
                clean(text)


def test_prose_is_stored_composed_and_names_in_their_compatibility_form() -> None:
    assert clean_line("cafe\u0301") == clean_passage("cafe\u0301") == "caf\u00e9"
    assert clean_name("cafe\u0301 \uff21\u00a0x²") == "caf\u00e9 A x2"


def test_lengths_are_counted_in_code_points_after_normalisation_too() -> None:
    assert clean_line("😀" * LONGEST_LINE)
    assert clean_passage("é" * LONGEST_PASSAGE)
    with pytest.raises(TextError, match="must be at most 500 characters long, not 501"):
        clean_line("é" * 501)
    with pytest.raises(TextError, match="must be at most 100 characters long"):
        clean_name("\ufdfa" * 10)


def test_piles_of_combining_marks_are_refused_before_they_are_normalised() -> None:
    with pytest.raises(TextError, match="more than 8 combining marks in a row"):
        clean_passage("a" + "\u0315\u0300" * 9_000)
    assert clean_line("ậ̃") == "ậ̃"


def test_text_of_documents_loses_what_could_not_be_stored() -> None:
    hidden = "\ufeffelec\u00adtion\r\nday\x00 👨\u200d👩"
    assert without_refused(hidden) == "election\nday 👨\u200d👩"
    assert clean_line(without_refused("a" + "\u0315\u0300" * 90))


def test_a_terminal_gets_no_control_characters() -> None:
    assert escape_controls("a\x1b[2Jb\u202ec\rd\ud800") == "a\\x1b[2Jb\\u202ec\\rd\\ud800"
    assert escape_controls("two\nlines\tand é") == "two\nlines\tand é"
