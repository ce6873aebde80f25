import json
from datetime import date
from pathlib import Path

import msgspec
import pytest

from questions.lint import Finding, has_errors, lint, render, rules_page, summary
from questions.load import read_located
from questions.rules import RULES
from questions.schema import QuestionSet, Review, Signature, Waiver

PAGE = Path(__file__).parents[2] / "docs" / "lint.md"


def with_title(question_set: QuestionSet, title: str) -> QuestionSet:
    question = msgspec.structs.replace(question_set.questions[0], title=title)
    return msgspec.structs.replace(question_set, questions=(question,))


@pytest.fixture
def vague(question_set: QuestionSet) -> QuestionSet:
    """A set whose question breaks Q11, which may be waived, and Q03, which may not."""
    return with_title(question_set, "Will there be major delays?")


def severities(findings: list[Finding]) -> dict[str, str]:
    return {found.rule: found.severity for found in findings if found.severity != "note"}


def test_a_waiver_accepts_a_finding_and_is_counted(vague: QuestionSet) -> None:
    reason = "The operator calls delays major or minor."
    for slug in ("tunnel-opens", None):
        waiver = Waiver(rule="Q11", reason=reason, question=slug)
        findings = lint(msgspec.structs.replace(vague, waivers=(waiver,)))
        assert severities(findings) == {"Q03": "error", "Q11": "waived"}
        assert [found.fix for found in findings if found.severity == "waived"] == [reason]
        assert summary(findings) == "1 error, 0 warnings, 1 waived, 6 rules to sign."


@pytest.mark.parametrize(
    ("rule", "slug", "sentence"),
    [
        ("Q03", "tunnel-opens", "has no effect: the rule is an error that a program decides."),
        ("Q13", "tunnel-opens", "has no effect"),
        ("Q77", "tunnel-opens", "names an unknown rule."),
        ("Q31", "tunnel-opens", "is not needed: the rule finds nothing."),
        ("Q11", "bridge-opens", 'The waiver of Q11 for "bridge-opens" is not needed'),
    ],
)
def test_a_waiver_that_does_nothing_is_a_warning(
    rule: str, slug: str, sentence: str, vague: QuestionSet
) -> None:
    waiver = Waiver(rule=rule, reason="It is well.", question=slug)
    findings = lint(msgspec.structs.replace(vague, waivers=(waiver,)))
    assert severities(findings) == {"Q00": "warning", "Q03": "error", "Q11": "error"}
    assert [sentence in found.sentence for found in findings if found.rule == "Q00"] == [True]


def test_the_rules_for_people_are_notes_until_they_are_signed(question_set: QuestionSet) -> None:
    rules = ["Q13", "Q14", "Q17", "Q22", "Q25", "Q33"]
    findings = lint(question_set)
    assert [found.rule for found in findings if found.severity == "note"] == rules
    assert not has_errors(findings)
    signed = tuple(Signature(rule=rule, by="A. Curator", on=date(2026, 10, 20)) for rule in rules)
    assert lint(msgspec.structs.replace(question_set, review=Review(signed=signed))) == []


def test_a_signature_for_a_rule_that_a_program_decides_is_a_warning(
    question_set: QuestionSet,
) -> None:
    review = Review(signed=(Signature(rule="Q03", by="A. Curator", on=date(2026, 10, 20)),))
    findings = lint(msgspec.structs.replace(question_set, review=review))
    assert severities(findings) == {"Q00": "warning"}


def test_an_error_refuses_the_set_and_a_warning_does_not(question_set: QuestionSet) -> None:
    late = "Will the Northfell rail tunnel open to passengers by January 1, 2028?"
    assert severities(lint(with_title(question_set, late))) == {"Q04": "warning"}
    assert not has_errors(lint(with_title(question_set, late)))
    assert has_errors(lint(with_title(question_set, "Will it open?")))


def test_a_finding_names_its_line(set_folder: Path) -> None:
    file = set_folder / "transport.toml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("rail tunnel open", "tunnel soon open")
    )
    question_set, locations = read_located(set_folder)
    (finding,) = [f for f in lint(question_set, locations=locations) if f.severity == "error"]
    lines = file.read_text(encoding="utf-8").split("\n")
    assert finding.line is not None
    assert lines[finding.line - 1].startswith("title = ")
    assert (finding.file, finding.rule, finding.question) == (str(file), "Q10", "tunnel-opens")


FOUND = Finding(
    file="sets/a,b.toml",
    line=7,
    rule="Q11",
    severity="error",
    question="tunnel-opens",
    sentence='"major" is\nmeasured 100% differently.',
    fix="Define it.",
)
WAIVED = msgspec.structs.replace(FOUND, severity="waived", fix="It is the operator's word.")
ON_SET = msgspec.structs.replace(FOUND, file="", line=None, question="", severity="note")


def test_the_text_names_place_rule_and_remedy() -> None:
    text = render([FOUND, WAIVED, ON_SET])
    assert 'sets/a,b.toml:7: error Q11 tunnel-opens: "major" is\nmeasured 100% dif' in text
    assert "Waived: It is the operator's word." in text
    assert "\nset: note Q11 " in text
    assert text.endswith("1 error, 0 warnings, 1 waived, 1 rule to sign.")


def test_json_holds_every_field() -> None:
    assert msgspec.convert(json.loads(render([FOUND, ON_SET], "json")), list[Finding]) == [
        FOUND,
        ON_SET,
    ]


def test_workflow_commands_are_escaped() -> None:
    assert render([FOUND, WAIVED, ON_SET], "github").split("\n") == [
        (
            "::error file=sets/a%2Cb.toml,line=7,title=Q11 tunnel-opens::"
            '"major" is%0Ameasured 100%25 differently. Define it.'
        ),
        (
            "::notice file=sets/a%2Cb.toml,line=7,title=Q11 tunnel-opens::"
            '"major" is%0Ameasured 100%25 differently. It is the operator\'s word.'
        ),
        '::notice title=Q11::"major" is%0Ameasured 100%25 differently. Define it.',
    ]


def test_a_clean_set_renders_in_every_format() -> None:
    assert render([]) == "0 errors, 0 warnings, 0 waived, 0 rules to sign."
    assert json.loads(render([], "json")) == []
    assert render([], "github") == ""


def test_the_page_of_rules_is_up_to_date() -> None:
    """Write it anew with `python -m questions.lint > docs/lint.md`."""
    assert PAGE.read_text(encoding="utf-8") == rules_page() + "\n"


def test_the_page_describes_every_rule() -> None:
    for rule in RULES:
        assert f"## {rule.code} {rule.name}\n" in rules_page()
        assert rule.says in " ".join(rules_page().split())
