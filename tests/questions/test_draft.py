import os
import re
import tomllib
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from questions.documents import DocumentError
from questions.draft import draft
from questions.lint import lint
from questions.load import read_set, slug_at
from questions.schema import QuestionSet

TEXT = """\
1. Traffic

Freight may move from road to rail. The canteen sells soup.
A late opening would mean:
- Higher fares in Norhaven,
- A "new"\x0b loan.
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "Northfell report.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def read(toml: str, folder: Path) -> QuestionSet:
    file = folder / f"{tomllib.loads(toml)['slug']}.toml"
    file.write_text(toml, encoding="utf-8")
    return read_set(file)


def test_a_draft_is_a_set_with_a_question_for_each_claim(document: Path, tmp_path: Path) -> None:
    drafted = read(draft(document, today=date(2026, 12, 3)), tmp_path)
    assert drafted.slug == "northfell-report"
    assert drafted.document.sha256 == sha256(document.read_bytes()).hexdigest()
    slugs = ["freight-move-road-rail", "higher-fares-norhaven", "loan"]
    assert [item.slug for item in drafted.implications] == slugs
    assert [item.hedge for item in drafted.implications] == ["may", "would", "would"]
    assert [question.implication for question in drafted.questions] == slugs
    assert all(question.draft for question in drafted.questions)


def test_a_draft_is_named_for_the_place_where_it_will_stand(document: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "tunnel" / "set.toml", tmp_path / "bridge.toml"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(draft(document, slug=slug_at(place)), encoding="utf-8")
        assert read_set(place).slug == slug_at(place)


def test_comments_give_the_place_of_each_claim(document: Path) -> None:
    comments = re.findall(r"^# (claim at|under) (\d+)-(\d+): (.*)$", draft(document), re.MULTILINE)
    assert len(comments) == 5
    for _, start, end, words in comments:
        assert " ".join(TEXT[int(start) : int(end)].split()) == words


@pytest.mark.parametrize(
    ("today", "opens", "deadline"),
    [
        (date(2026, 11, 22), "2026-12-01", "2028-01-01"),
        (date(2026, 12, 31), "2027-01-01", "2028-01-01"),
        (date(2027, 1, 31), "2027-02-01", "2029-01-01"),
    ],
)
def test_the_dates_lie_ahead(
    today: date, opens: str, deadline: str, document: Path, tmp_path: Path
) -> None:
    question = read(draft(document, today=today), tmp_path).questions[0]
    assert str(question.opens_at.date()) == opens
    assert str(question.deadline_at.date()) == deadline


def test_the_lint_says_what_is_left_to_write(document: Path, tmp_path: Path) -> None:
    drafted = read(draft(document, today=date(2026, 11, 22)), tmp_path)
    findings = [found for found in lint(drafted, document=TEXT) if found.severity != "note"]
    assert {found.rule for found in findings} == {"Q01", "Q27"}
    said = {found.sentence.split("`")[1] for found in findings if found.question == "loan"
            and found.rule == "Q01"}  # fmt: skip
    assert said >= {"title", "why", "background", "criteria", "fine_print"}


def test_a_draft_copies_nothing_into_what_is_loaded(tmp_path: Path) -> None:
    long = "Freight may move from road to rail and from rail to sea and then to the air again."
    path = tmp_path / "long.md"
    path.write_text(f"# {long[:-1]}\n\n{long}\n", encoding="utf-8")
    drafted = read(draft(path), tmp_path)
    assert not [found for found in lint(drafted, document=long) if found.rule == "Q29"]


def test_a_document_that_says_nothing_of_the_future_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("Nothing here.")
    with pytest.raises(DocumentError, match=r"a\.md: no sentence looks forward; allowed: "):
        draft(path)


def test_a_file_name_that_is_no_text_does_not_hinder_the_draft(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.md")
    path.write_text(TEXT)
    assert tomllib.loads(draft(path).encode().decode())["document"]["title"] == "caf?"


def test_a_document_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"cannot be read \(No such file"):
        draft(tmp_path / "none.txt")
