"""The lint: checks a set against every rule, applies waivers and signatures, and reports."""

import json
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

import msgspec

from questions.locations import Locations
from questions.rules import RULES, Case, Problem, Rule
from questions.schema import QuestionSet, Waiver

Severity = Literal["error", "warning", "note", "waived"]
Format = Literal["text", "json", "github"]

WAIVERS: Final = Rule(
    "Q00",
    "waivers",
    "warning",
    "D",
    "Waivers and signatures refer to rules that allow them, and every waiver is needed.",
    bad="""
[[waivers]]
rule = "Q11"
question = "tunnel-opens"
reason = "Nothing is vague here."
""",
    good="""
title = "Will the operator announce a major overhaul of the tunnel before January 1, 2028?"
[[waivers]]
rule = "Q11"
question = "tunnel-opens"
reason = "The operator calls each overhaul major or minor in its register."
""",
)
PAGE_WIDTH: Final = 100
BY_CODE: Final = {rule.code: rule for rule in (WAIVERS, *RULES)}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of the lint.

    Attributes:
        file: path of the file, or "" if the set was not read from a file.
        line: line number, counted from 1; None if unknown.
        rule: code of the rule, such as `Q11`.
        severity: `error` makes the set invalid; `warning` does not; `note` is a rule that needs a
            person's signature; `waived` is a violation that a person accepted.
        question: slug of the question; empty for a finding about the set.
        sentence: the problem.
        fix: the suggested fix; for a waived finding, the waiver's reason.
    """

    file: str
    line: int | None
    rule: str
    severity: Severity
    question: str
    sentence: str
    fix: str


def lint(
    question_set: QuestionSet,
    *,
    document: str | None = None,
    locations: Locations | None = None,
) -> list[Finding]:
    """Return the findings of all rules in a set, in the order of the set's files.

    Args:
        question_set: the set.
        document: text of the source document; without it, copying is not checked.
        locations: the places of elements in the set's files, from `load.read_located`.
    """
    places = locations or Locations()
    case = Case(question_set, document)
    used: set[Waiver] = set()
    findings = []
    for rule in RULES:
        for problem in rule.check(case) if rule.check else ():
            waiver = _waiver(question_set, rule, _question(problem))
            used |= {waiver} if waiver else set()
            findings.append(_finding(places, rule, problem, waiver))
    findings += [_finding(places, WAIVERS, problem) for problem in _misplaced(question_set, used)]
    findings += [_note(places, rule) for rule in _unsigned(question_set)]
    return sorted(findings, key=lambda found: (found.file, found.line or 0, found.rule))


def has_errors(findings: Iterable[Finding]) -> bool:
    """Tell whether any finding is an error."""
    return any(finding.severity == "error" for finding in findings)


def summary(findings: Iterable[Finding]) -> str:
    """Count findings in a sentence.

    Examples:
        >>> summary([])
        '0 errors, 0 warnings, 0 waived, 0 rules to sign.'
    """
    counts = Counter(finding.severity for finding in findings)
    return (
        f"{_counted(counts['error'], 'error')}, {_counted(counts['warning'], 'warning')}, "
        f"{counts['waived']} waived, {_counted(counts['note'], 'rule')} to sign."
    )


def render(findings: Iterable[Finding], form: Format = "text") -> str:
    """Write findings for a person (`text`), a program (`json`) or a workflow log (`github`)."""
    return RENDERERS[form](list(findings))


def rules_page() -> str:
    """Return the Markdown page that describes every rule."""
    return "\n".join([PREAMBLE, *(_section(rule) for rule in (WAIVERS, *RULES))])


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _question(problem: Problem) -> str:
    match problem.place:
        case ("questions", slug, *_):
            return slug
        case _:
            return ""


def _waiver(question_set: QuestionSet, rule: Rule, question: str) -> Waiver | None:
    if not rule.can_be_waived:
        return None
    of_rule = [waiver for waiver in question_set.waivers if waiver.rule == rule.code]
    own = [waiver for waiver in of_rule if waiver.question == question]
    return next(iter(own + [waiver for waiver in of_rule if waiver.question is None]), None)


def _finding(
    places: Locations, rule: Rule, problem: Problem, waiver: Waiver | None = None
) -> Finding:
    place = places.find(*problem.place)
    return Finding(
        file=str(place.file or ""),
        line=place.line,
        rule=rule.code,
        severity="waived" if waiver else rule.severity,
        question=_question(problem),
        sentence=problem.sentence,
        fix=waiver.reason if waiver else problem.fix,
    )


def _note(places: Locations, rule: Rule) -> Finding:
    problem = Problem(
        ("review",),
        f'Nobody has signed for "{rule.name}": {rule.says}',
        f'Add [[review.signed]] with rule = "{rule.code}", by and on.',
    )
    return msgspec.structs.replace(_finding(places, rule, problem), severity="note")


def _signed(question_set: QuestionSet) -> set[str]:
    review = question_set.review
    return {signature.rule for signature in review.signed} if review else set()


def _unsigned(question_set: QuestionSet) -> Iterator[Rule]:
    signed = _signed(question_set)
    return (rule for rule in RULES if rule.mode == "P" and rule.code not in signed)


def _misplaced(question_set: QuestionSet, used: set[Waiver]) -> Iterator[Problem]:
    """Find waivers and signatures without effect."""
    for waiver in question_set.waivers:
        rule = BY_CODE.get(waiver.rule)
        of = f"The waiver of {waiver.rule}" + (f' for "{waiver.question}"' * bool(waiver.question))
        if rule is None:
            yield Problem(("waivers",), f"{of} names an unknown rule.", "Remove it.")
        elif not rule.can_be_waived:
            yield Problem(
                ("waivers",),
                f"{of} has no effect: the rule is an error that a program decides.",
                "Remove it, and correct the question.",
            )
        elif waiver not in used:
            yield Problem(
                ("waivers",), f"{of} is not needed: the rule finds nothing.", "Remove it."
            )
    for code in sorted(_signed(question_set)):
        if code not in BY_CODE or BY_CODE[code].mode != "P":
            yield Problem(
                ("review",),
                f"The signature for {code} does not name a rule that a person decides.",
                "Remove it.",
            )


def _text(findings: list[Finding]) -> str:
    lines = []
    for found in findings:
        place = f"{found.file or 'set'}:{found.line}" if found.line else found.file or "set"
        name = f" {found.question}:" if found.question else ""
        ending = "Waived: " if found.severity == "waived" else ""
        lines.append(
            f"{place}: {found.severity} {found.rule}{name} {found.sentence} {ending}{found.fix}"
        )
    return "\n".join([*lines, summary(findings)])


def _json(findings: list[Finding]) -> str:
    return json.dumps(msgspec.to_builtins(findings), ensure_ascii=False, indent=2)


def _github(findings: list[Finding]) -> str:
    levels = {"error": "error", "warning": "warning", "note": "notice", "waived": "notice"}
    return "\n".join(
        f"::{levels[found.severity]} {_properties(found)}::{_data(found.sentence)} "
        f"{_data(found.fix)}"
        for found in findings
    )


def _properties(found: Finding) -> str:
    title = " ".join(filter(None, (found.rule, found.question)))
    fields = {"file": found.file, "line": found.line, "title": title}
    return ",".join(
        f"{name}={_data(str(value)).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in fields.items()
        if value
    )


def _data(text: str) -> str:
    """Escape characters that would end a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


RENDERERS: Final[dict[Format, Callable[[list[Finding]], str]]] = {
    "text": _text,
    "json": _json,
    "github": _github,
}

PREAMBLE: Final = """\
# The rules for questions

`credence questions lint PATH` checks a set against these rules. A set with an **error** is refused,
a **warning** is only reported. The last column of the table says who decides: a *program*; a
program that *flags* a finding, which a person may waive with a reason; or a *person*, who signs for
the whole set.

Waivers are in `set.toml`, each for one question or, without `question`, for all questions. An error
that a program decides cannot be waived, and an unnecessary waiver is itself a warning.

```toml
[[waivers]]
rule = "Q11"
question = "tunnel-opens"
reason = "The operator calls each overhaul major or minor in its register."
```

A rule that a person decides appears as a note in the report until somebody signs for it:

```toml
[[review.signed]]
rule = "Q13"
by = "A. Curator"
on = 2026-10-20
```

The examples show fields of one question about a tunnel, or tables of its set; the other fields are
correct. `python -m questions.lint` generates this page.

| rule | name | severity | who decides |
|---|---|---|---|
""" + "\n".join(
    f"| [{rule.code}](#{rule.code.lower()}-{rule.name.lower().replace(',', '').replace(' ', '-')})"
    f" | {rule.name} | {rule.severity} | "
    f"{ {'D': 'program', 'DP': 'program flags, person judges', 'P': 'person'}[rule.mode] } |"
    for rule in (WAIVERS, *RULES)
)


def _section(rule: Rule) -> str:
    is_toml = rule.check or rule is WAIVERS
    shown = "```toml\n{}\n```" if is_toml else "> {}"
    parts = [
        f"\n## {rule.code} {rule.name}\n",
        textwrap.fill(rule.says, PAGE_WIDTH, break_on_hyphens=False),
        *([f'\nThe document says: "{rule.document}"'] if rule.document else []),
        "\nBad:\n",
        shown.format(rule.bad.strip("\n")),
        "\nGood:\n",
        shown.format(rule.good.strip("\n")),
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(rules_page() + "\n")
