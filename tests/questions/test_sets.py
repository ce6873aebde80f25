from hashlib import sha256
from pathlib import Path

import pytest

from questions.documents import read_document
from questions.lint import lint, summary
from questions.load import find_sets, read_set

SETS = Path(__file__).parents[2] / "questions" / "sets"
BRIEF = SETS / "power-systems" / "brief.md"

# What the lint says of each, its waivers counted: how many a set needs is part of what it promises.
SUMMARIES = {
    "power-systems": "0 errors, 0 warnings, 0 waived, 6 rules to sign.",
    "russia-iran": "0 errors, 0 warnings, 0 waived, 6 rules to sign.",
}


def test_every_shipped_set_is_named_here() -> None:
    assert [path.name for path in find_sets(SETS)] == list(SUMMARIES)


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_shipped_sets_keep_every_rule_without_a_waiver(name: str) -> None:
    assert summary(lint(read_set(SETS / name))) == SUMMARIES[name]


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_implication_has_a_question(name: str) -> None:
    question_set = read_set(SETS / name)
    covered = {question.implication for question in question_set.questions}
    assert covered == {implication.slug for implication in question_set.implications}


def test_one_question_waits_for_a_curator_and_all_others_can_be_forecast() -> None:
    questions = [question for path in find_sets(SETS) for question in read_set(path).questions]
    assert [question.slug for question in questions if question.draft] == ["iran-embassy-damascus"]


def test_the_first_set_has_a_question_for_each_of_its_35_implications() -> None:
    question_set = read_set(SETS / "russia-iran")
    assert len(question_set.implications) == 35
    assert len(question_set.questions) >= 35


def test_the_second_set_copies_nothing_from_its_brief() -> None:
    findings = lint(read_set(SETS / "power-systems"), document=read_document(BRIEF).prose)
    assert not [found.sentence for found in findings if found.rule == "Q29"]


def test_the_second_set_was_written_from_the_brief_beside_it() -> None:
    assert read_set(SETS / "power-systems").document.sha256 == read_document(BRIEF).sha256
    assert sha256(BRIEF.read_bytes()).hexdigest() == read_document(BRIEF).sha256
