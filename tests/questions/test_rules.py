import tomllib
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import msgspec
import pytest

from questions.lint import WAIVERS, Finding, lint
from questions.rules import RULES, Rule
from questions.schema import QuestionSet

EXECUTED = [rule for rule in (WAIVERS, *RULES) if rule.check or rule is WAIVERS]


def overlaid(question_set: QuestionSet, fragment: str) -> QuestionSet:
    """Lay an example, fields of a question or tables of a set, over the set of the tests."""
    fields = tomllib.loads(fragment)
    question = question_set.questions[0]
    implication = question_set.implications[0]
    head = {name: fields.pop(name) for name in ("waivers", "review") if name in fields}
    implications = [changed(implication, item) for item in fields.pop("implications", [])]
    questions = [
        changed(question, {"slug": slug, "title": question.title.replace("rail", slug)} | item)
        for slug, item in zip(
            ("east", "west", "north", "south", "central"), fields.pop("questions", []), strict=False
        )
    ]
    return changed(
        question_set,
        {
            **head,
            "implications": [implication, *implications],
            "questions": questions or [changed(question, fields)],
        },
    )


def changed(record: Any, fields: dict[str, Any]) -> Any:
    plain = {name: getattr(record, name) for name in record.__struct_fields__ if name not in fields}
    return msgspec.convert(
        msgspec.to_builtins(plain | fields, builtin_types=(datetime, date)), type(record)
    )


def codes(findings: Iterable[Finding]) -> set[str]:
    return {finding.rule for finding in findings if finding.severity in {"error", "warning"}}


def test_the_specimen_breaks_no_rule(question_set: QuestionSet) -> None:
    assert codes(lint(question_set)) == set()


def test_every_rule_has_an_id_and_its_place() -> None:
    assert [rule.code for rule in RULES] == [f"Q{number:02}" for number in range(1, 36)]


@pytest.mark.parametrize("rule", EXECUTED, ids=lambda rule: rule.code)
def test_the_bad_example_breaks_its_rule(rule: Rule, question_set: QuestionSet) -> None:
    findings = lint(overlaid(question_set, rule.bad), document=rule.document)
    found = [finding for finding in findings if finding.rule == rule.code]
    assert found
    assert rule.severity in {finding.severity for finding in found}
    assert all(finding.sentence.endswith(".") and finding.fix for finding in found)


@pytest.mark.parametrize("rule", EXECUTED, ids=lambda rule: rule.code)
def test_the_good_example_breaks_no_rule_at_all(rule: Rule, question_set: QuestionSet) -> None:
    findings = lint(overlaid(question_set, rule.good), document=rule.document)
    assert codes(findings) == set()
