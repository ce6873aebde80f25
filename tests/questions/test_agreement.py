import re
import subprocess
import sys
from pathlib import Path

import pytest

from questions.agreement import KeyFileError, compare, read_key
from questions.claims import Claim, Place, find_claims
from questions.documents import read_document
from questions.load import read_set

ROOT = Path(__file__).parents[2]
KEYS = Path(__file__).parent / "keys"
PAGE = (ROOT / "docs" / "drafting.md").read_text("utf-8")
BRIEF = ROOT / "questions" / "sets" / "power-systems" / "brief.md"


def claims_at(*places: tuple[int, int]) -> list[Claim]:
    return [Claim((Place(*place),), None, "1", "may", (), ()) for place in places]


def test_recall_and_precision_are_shares_of_the_key_and_of_the_claims() -> None:
    key = {"rain": [Place(0, 10)], "snow": [Place(20, 30)], "hail": [Place(90, 95)]}
    result = compare(claims_at((0, 10), (21, 40), (50, 60), (61, 70)), key)
    assert result.recall == pytest.approx(2 / 3)
    assert result.precision == pytest.approx(2 / 4)
    assert result.missed == ("hail",)
    assert result.stray == (Place(50, 60), Place(61, 70))


@pytest.mark.parametrize(
    ("place", "is_found"), [((5, 15), True), ((6, 16), False), ((3, 5), True), ((10, 20), False)]
)
def test_places_agree_that_share_half_of_the_shorter(
    place: tuple[int, int], is_found: bool
) -> None:
    result = compare(claims_at(place), {"rain": [Place(0, 10)]})
    assert (result.recall == 1) is is_found


def test_one_claim_may_make_two_implications() -> None:
    result = compare(claims_at((0, 10)), {"rain": [Place(0, 10)], "flood": [Place(0, 10)]})
    assert (result.recall, result.precision) == (1, 1)


def test_drafting_from_the_second_brief_does_not_fall_below_its_floor() -> None:
    manuscript = read_document(BRIEF)
    claims = find_claims(manuscript.text, manuscript.markup)
    result = compare(claims, read_key(KEYS / "power-systems.csv"))
    assert result.recall == 1
    assert result.precision >= 0.76


@pytest.mark.parametrize("name", ["power-systems", "russia-iran"])
def test_the_keys_name_the_implications_of_the_sets(name: str) -> None:
    implications = read_set(ROOT / "questions" / "sets" / name).implications
    assert set(read_key(KEYS / f"{name}.csv")) == {item.slug for item in implications}


def test_the_page_gives_the_command_and_what_it_prints() -> None:
    command, printed = re.findall(
        r"^\$ python (-m questions\.agreement .*power-systems.*)\n(recall .*)$", PAGE, re.MULTILINE
    )[0]
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0] == printed


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("slug,from,to\nrain,1,2\n", "has other columns; allowed: implication, start, end."),
        ("", "has other columns"),
        ("implication,start,end\n", "names no implication"),
        ("implication,start,end\nrain,1\n", "has an invalid row"),
        ("implication,start,end\nrain,one,2\n", "has an invalid row"),
        (None, "cannot be read"),
    ],
)
def test_a_key_that_cannot_be_read_is_refused(
    text: str | None, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(KeyFileError) as caught:
        read_key(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")


@pytest.mark.parametrize("arguments", [[], ["none.md", "none.csv"]])
def test_wrong_use_of_the_command_ends_in_a_sentence(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "questions.agreement", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
