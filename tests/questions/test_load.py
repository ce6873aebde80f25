from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from questions.load import SetError, find_sets, read_located, read_set
from questions.locations import Location
from questions.schema import QuestionSet, dump_set

Edit = Callable[[Path], object]


def replaced(name: str, old: str, new: str) -> Edit:
    """Return an edit that replaces `old`, which must be there, in a file of the set."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def in_head(old: str, new: str) -> Edit:
    return replaced("set.toml", old, new)


def in_question(old: str, new: str) -> Edit:
    return replaced("transport.toml", old, new)


def copied(name: str) -> Edit:
    return lambda folder: (folder / name).write_bytes((folder / "transport.toml").read_bytes())


def test_a_folder_is_read_whole(set_folder: Path, question_set: QuestionSet) -> None:
    assert read_set(set_folder) == question_set


def test_the_head_stands_for_its_folder(set_folder: Path, question_set: QuestionSet) -> None:
    assert read_set(set_folder / "set.toml") == question_set


def test_a_single_file_is_a_set(tmp_path: Path, question_set: QuestionSet) -> None:
    file = tmp_path / "northfell.toml"
    file.write_text(dump_set(question_set), encoding="utf-8-sig")
    assert read_set(file) == question_set


def test_questions_come_in_the_order_of_file_names(set_folder: Path) -> None:
    for name in ("z", "a"):
        copied(f"{name}.toml")(set_folder)
        replaced(f"{name}.toml", '"tunnel-opens"', f'"from-{name}"')(set_folder)
    slugs = [question.slug for question in read_set(set_folder).questions]
    assert slugs == ["from-a", "tunnel-opens", "from-z"]


def test_other_files_in_the_folder_are_left_alone(set_folder: Path) -> None:
    (set_folder / "README.md").write_bytes(b"\xff")
    assert len(read_set(set_folder).questions) == 1


BAD = {
    "invalid TOML": (
        in_head("version = 1", "version = 1\nslug northfell"),
        ["set.toml: is not valid TOML", "line 2"],
    ),
    "not UTF-8": (
        lambda folder: (folder / "set.toml").write_bytes(b'title = "\xff"'),
        ["set.toml: is not UTF-8 at byte 9", "allowed: UTF-8"],
    ),
    "too deep": (
        lambda folder: (folder / "set.toml").write_text("a = " + "[" * 100_000),
        ["set.toml: is not valid TOML: nested too deeply"],
    ),
    "too large": (
        lambda folder: (folder / "set.toml").write_text("#" * 5_000_001),
        ["set.toml: is too large, 5000001 bytes", "allowed: 5000000"],
    ),
    "no head": (lambda folder: (folder / "set.toml").unlink(), ["has no set.toml"]),
    "unknown field of the set": (
        in_head("version = 1", 'version = 1\nauthor = "me"'),
        ["set.toml:2: author is an unknown field", "allowed: version, slug, title"],
    ),
    "unknown field of a question": (
        in_question('kind = "binary"', 'kind = "binary"\nbounty = 3'),
        ['questions[0].bounty (question "tunnel-opens") is an unknown field', "transport.toml:7:"],
    ),
    "unknown field of a source": (
        in_question('role = "primary"', 'role = "primary"\npage = 3'),
        ["questions[0].sources[0].page", "allowed: name, url, role"],
    ),
    "implications outside the head": (
        in_question("[[questions]]", "[[implications]]\n[[questions]]"),
        ["transport.toml:1: implications is an unknown field", "allowed: questions"],
    ),
    "missing field": (
        in_question('domain = "transport"\n', ""),
        [
            'transport.toml:1: questions[0].domain (question "tunnel-opens") is missing',
            "allowed: lower-case letters",
        ],
    ),
    "missing document": (in_head("[document]", "[[waivers]]"), ["waivers[0]", "unknown field"]),
    "wrong version": (in_head("version = 1", "version = 2"), ["version is 2; allowed: 1"]),
    "wrong type": (
        in_question('title = "Will', 'title = 3 # "Will'),
        ["questions[0].title", "is 3; allowed: one line of text that is not blank"],
    ),
    "a text for an array": (
        in_question('tags = ["rail", "northfell"]', 'tags = "rail"'),
        ['is "rail"; allowed: an array, each item lower-case letters'],
    ),
    "empty text": (
        in_question('why = "A tunnel that opens in 2027 is not late."', 'why = " "'),
        ['questions[0].why (question "tunnel-opens") is " "', "not blank"],
    ),
    "NUL": (
        in_question('title = "Will', 'title = "Wi\\u0000ll'),
        ['questions[0].title (question "tunnel-opens") must not hold U+0000 NULL (character 3)'],
    ),
    "right-to-left override": (
        in_question('why = "A', 'why = "\\u202EA'),
        ["questions[0].why", "U+202E RIGHT-TO-LEFT OVERRIDE (character 1)"],
    ),
    "invisible name of a source": (
        in_question('name = "Reuters"', 'name = "\\u3164"'),
        ["questions[0].sources[1].name", "must not be blank"],
    ),
    "too long a title": (
        in_question('title = "Will', f'title = "{"W" * 600}ill'),
        ["questions[0].title", "at most 500 characters"],
    ),
    "slug with a space": (
        in_question('domain = "transport"', 'domain = "Public transport"'),
        ['is "Public transport"; allowed: lower-case letters and digits'],
    ),
    "address that is no web page": (
        in_question("https://register.example/", "javascript:alert(1)"),
        ["questions[0].sources[0].url", "allowed: an address that starts with http"],
    ),
    "bad polarity": (
        in_question('"contradicts"', '"against"'),
        ['polarity (question "tunnel-opens") is "against"', '"supports", "contradicts", "neutral"'],
    ),
    "unknown kind": (in_question('"binary"', '"poll"'), ['is "poll"; allowed: "binary"']),
    "naive date-time": (
        in_question("opens_at = 2026-11-01T00:00:00Z", "opens_at = 2026-11-01T00:00:00"),
        ["opens_at", "2026-11-01T00:00:00, which has no offset", "such as 2027-07-01T00:00:00Z"],
    ),
    "a date for a date-time": (
        in_question("opens_at = 2026-11-01T00:00:00Z", "opens_at = 2026-11-01"),
        ["is 2026-11-01; allowed: a date-time with its offset"],
    ),
    "a text for a date-time": (
        in_question("opens_at = 2026-11-01T00:00:00Z", 'opens_at = "2026-11-01T00:00:00Z"'),
        ['is "2026-11-01T00:00:00Z"; allowed: a date-time with its offset'],
    ),
    "a date-time for a date": (
        in_question("background_as_of = 2026-10-07", "background_as_of = 2026-10-07T00:00:00Z"),
        ["background_as_of", "allowed: a date such as 2026-10-07"],
    ),
    "a time alone": (
        in_question("background_as_of = 2026-10-07", "background_as_of = 12:30:00"),
        ['is "12:30:00"; allowed: a date such as 2026-10-07'],
    ),
    "weight of nothing": (
        in_question('kind = "binary"', 'kind = "binary"\nweight = 0'),
        ["weight", "is 0; allowed: a number above 0"],
    ),
    "weight that is no number": (
        in_question('kind = "binary"', 'kind = "binary"\nweight = nan'),
        ["allowed: a number above 0"],
    ),
    "closing before opening": (
        in_question("opens_at = 2026-11-01T00:00:00Z", "opens_at = 2027-12-31T00:00:00Z"),
        ["transport.toml:25:", "closes_at", "must be after opens_at"],
    ),
    "closing after the deadline": (
        in_question("closes_at = 2027-12-31T00:00:00Z", "closes_at = 2028-01-01T00:00:01Z"),
        ["closes_at", "must be at or before deadline_at"],
    ),
    "resolving before closing": (
        in_question("resolves_by = 2028-01-31T00:00:00Z", "resolves_by = 2027-12-30T00:00:00Z"),
        ["resolves_by", "must be at or after closes_at"],
    ),
    "window that ends before it starts": (
        in_question("window_starts_at = 2027-01-01", "window_starts_at = 2028-01-01"),
        ["deadline_at", "must be after window_starts_at"],
    ),
    "the same question twice": (
        copied("west.toml"),
        [
            'west.toml:2: questions[0].slug (question "tunnel-opens") is the slug of another',
            "transport.toml; allowed: a slug that is used once",
        ],
    ),
    "the same implication twice": (
        in_head(
            "[[implications]]",
            "[[implications]]\n"
            'slug = "tunnel-late"\nsection = "2"\nparaphrase = "x"\nhedge = "may"\nactors = []\n\n'
            "[[implications]]",
        ),
        ['implications[1].slug (implication "tunnel-late") is the slug of an earlier'],
    ),
    "an implication that does not exist": (
        in_question('implication = "tunnel-late"', 'implication = "tunnel-early"'),
        ['"tunnel-early", which is no implication of the set'],
    ),
    "a doubtful premise unexplained": (
        in_head('hedge = "may"', 'hedge = "may"\npremise = "overtaken"'),
        ["implications[0].premise_note", 'must say why the premise is "overtaken"'],
    ),
    "unknown premise": (
        in_head('hedge = "may"', 'hedge = "may"\npremise = "void"'),
        ['is "void"; allowed: "holds", "overtaken", "transformed"'],
    ),
    "hash that is too short": (
        in_head("[document]", '[document]\nsha256 = "abc"'),
        ["document.sha256 is", "64 lower-case hexadecimal digits"],
    ),
    "another folder's slug": (
        in_head('slug = "northfell"', 'slug = "southfell"'),
        ['slug is "southfell" but the set is in "northfell"', 'allowed: "northfell"'],
    ),
    "implication that is no table": (
        in_head("[[implications]]", "[implications]"),
        ["implications is a table; allowed: an array, each item a table with slug"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_loaded_is_refused_in_a_sentence(name: str, set_folder: Path) -> None:
    edit, fragments = BAD[name]
    edit(set_folder)
    with pytest.raises(SetError) as caught:
        read_set(set_folder)
    sentence = str(caught.value)
    for fragment in fragments:
        assert fragment in sentence
    assert str(set_folder) in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_a_path_to_nothing_is_refused(tmp_path: Path) -> None:
    for look in (read_set, find_sets):
        with pytest.raises(SetError, match="nowhere: no such file or folder"):
            look(tmp_path / "nowhere")


def test_sets_are_found_in_name_order(set_folder: Path, question_set: QuestionSet) -> None:
    sets = set_folder.parent
    other = msgspec.structs.replace(question_set, slug="aquifer")
    (sets / "aquifer.toml").write_text(dump_set(other), encoding="utf-8")
    (sets / "README.md").write_text("Sets.")
    (sets / "empty").mkdir()
    assert find_sets(sets) == [sets / "aquifer.toml", set_folder]
    assert [read_set(path).slug for path in find_sets(sets)] == ["aquifer", "northfell"]


def test_two_sets_with_one_slug_are_refused(set_folder: Path, question_set: QuestionSet) -> None:
    other = set_folder.with_suffix(".toml")
    other.write_text(dump_set(question_set), encoding="utf-8")
    with pytest.raises(SetError) as caught:
        find_sets(set_folder.parent)
    assert str(caught.value) == (
        f'{other}: has the slug "northfell" of another set, in {set_folder}; '
        "allowed: a slug that one set has."
    )


def test_a_set_finds_itself(set_folder: Path) -> None:
    assert find_sets(set_folder) == [set_folder]


def test_a_folder_of_questions_without_a_head_is_found_and_refused(set_folder: Path) -> None:
    (set_folder / "set.toml").unlink()
    (found,) = find_sets(set_folder.parent)
    with pytest.raises(SetError, match=r"has no set\.toml"):
        read_set(found)


def test_a_folder_with_no_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetError, match=r"holds no set; allowed: a folder with set\.toml"):
        find_sets(tmp_path)


def test_everything_has_its_place(set_folder: Path) -> None:
    _, locations = read_located(set_folder)
    file = set_folder / "transport.toml"
    lines = file.read_text(encoding="utf-8").split("\n")
    for name in ("title", "fine_print", "resolves_by"):
        place = locations.find("questions", "tunnel-opens", name)
        assert place.file == file
        assert place.line is not None
        assert lines[place.line - 1].startswith(f"{name} = ")
    assert locations.find("questions", "tunnel-opens", "weight") == Location(file, 1)
    assert locations.find("implications", "tunnel-late", "slug").file == set_folder / "set.toml"
    assert locations.find("waivers") == Location(set_folder / "set.toml")
