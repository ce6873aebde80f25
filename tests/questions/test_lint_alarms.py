"""What the lint must find, and the likenesses of it that it must leave alone."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from questions.lint import lint
from questions.schema import QuestionSet, Source
from questions.text import LONGEST_LINE, LONGEST_PASSAGE

DATED = "before January 1, 2028?"
TITLES: list[tuple[str, bool, str]] = [
    ("Q02", True, f"Will it open before January 1, 2028? Or later, {DATED}"),
    ("Q02", True, f"Is the tunnel going to open {DATED}"),
    ("Q02", True, f"Willing operators: open {DATED}"),
    ("Q02", True, "Will it open before January 1, 2028"),
    ("Q02", True, "Will it open before January 1, 2028? (yes or no)"),
    ("Q02", True, f"Will {'the tunnel ' * 18}open {DATED}"),
    ("Q02", False, f"Will {'the tunnel ' * 13}open {DATED}"),
    ("Q03", True, "Will it open before 2028?"),
    ("Q03", True, "Will it open before January 2028?"),
    ("Q03", True, "Will it open before February 30, 2028?"),
    ("Q03", True, "Will it open before 01/02/28?"),
    ("Q03", True, "Will resolution 2231 (2015) be quoted?"),
    ("Q03", False, "Will it open before 1 January 2028?"),
    ("Q03", False, "Will it be open on December 31, 2027?"),
    ("Q04", True, "Will it open by January 1, 2028?"),
    ("Q04", True, "Will it open by the end of 2027?"),
    ("Q04", True, "Will it open until 31 December 2027?"),
    ("Q04", True, "Will it open within six months of January 1, 2028?"),
    ("Q04", True, "Will it open by year-end, December 31, 2027?"),
    ("Q04", False, f"Will it be opened by May Day Rail {DATED}"),
    ("Q04", False, f"Will it be served by 40 trains a day {DATED}"),
    ("Q04", False, f"Will it be run by the operator within the tunnel {DATED}"),
    ("Q05", True, "Will it open before 1 January 2028?"),
    ("Q05", True, "Will it open before Jan. 1, 2028?"),
    ("Q05", True, "Will it open before 2028-01-01?"),
    ("Q05", True, "Will it open before January 1st, 2028?"),
    ("Q05", True, f"Will it open at noon Moscow time {DATED}"),
    ("Q05", False, f"Will document S/2026/12 of the 3+3 format on the 9/11 file be read {DATED}"),
    ("Q06", True, "Will it open before December 1, 2027?"),
    ("Q06", True, "Will it open before January 2, 2028?"),
    ("Q06", True, "Will it open before December 31, 2027?"),
    ("Q10", True, f"Will it soon open {DATED}"),
    ("Q10", True, f"Will it open at the next annual summit {DATED}"),
    ("Q10", True, f"Will it open this year, {DATED}"),
    ("Q10", True, f"Will the recently bored tunnel open {DATED}"),
    ("Q10", True, f"Will the current operator run it {DATED}"),
    ("Q10", True, f"Will it open in the near future, {DATED}"),
    ("Q10", True, f"Will it open today or tomorrow, {DATED}"),
    ("Q10", False, f"Will Russia Today report that it opens {DATED}"),
    ("Q10", False, f"Will the current account of Northfell be in surplus {DATED}"),
    ("Q10", False, f"Will it open as soon as trains run {DATED}"),
    ("Q10", False, f"Will the alternating-current line be switched on {DATED}"),
    ("Q11", True, f"Will the crisis at Northfell end {DATED}"),
    ("Q11", True, f"Will relations cool {DATED}"),
    ("Q11", True, f"Will Significant progress be made {DATED}"),
    ("Q11", True, f"Will works stall {DATED}"),
    ("Q11", True, f"Will the operator de facto control it {DATED}"),
    ("Q11", True, f"Will the union support the line {DATED}"),
    ("Q11", True, f"Will tensions escalate {DATED}"),
    ("Q11", False, f"Will the International Crisis Group publish a report {DATED}"),
    ("Q11", False, f"Will the Non-Aligned Movement meet {DATED}"),
    ("Q11", False, f"Will the reactor's cooling tower be switched on {DATED}"),
    ("Q11", False, f"Will a Russian support ship dock {DATED}"),
    ("Q11", False, f"Will the rail alignment be published {DATED}"),
    ("Q11", False, f'Will a text contain the words "significant harm" {DATED}'),
    ("Q11", False, f"Will a Major General of the railway troops travel {DATED}"),
    ("Q11", False, f"Will the restrained stallholders at Coolidge strike {DATED}"),
    ("Q12", True, f"Will it be found that it may open {DATED}"),
    ("Q12", True, f"Will it possibly open {DATED}"),
    ("Q12", False, "Will it open before May 1, 2028, in May or June?"),
    ("Q12", False, f"Will Theresa May ride the train {DATED}"),
    ("Q23", True, f"Will exports exceed 1.5 {DATED}"),
    ("Q23", True, f"Will the count be at least 40 {DATED}"),
    ("Q23", True, f"Will 5 or more {DATED}"),
    ("Q23", True, f"Will 5 or more trains carry at least 40 {DATED}"),
    ("Q23", False, f"Will exports exceed 1.5 mb/d {DATED}"),
    ("Q23", False, f"Will turnout be at least 40% {DATED}"),
    ("Q23", False, f"Will a ticket cost more than $40 {DATED}"),
    ("Q23", False, f"Will fares raise more than 2.5 million euros {DATED}"),
    ("Q23", False, f"Will 5 or more trains run {DATED}"),
    ("Q23", False, f"Will imports of 1.0 mb/d or more be put on record {DATED}"),
    ("Q23", False, f"Will at least 2 of the 3 tubes open {DATED}"),
    ("Q23", False, f"Will traffic stay below 2025 levels {DATED}"),
    ("Q24", True, f"When will it open, if {DATED}"),
    ("Q24", True, f"Will trains and/or buses run {DATED}"),
    ("Q24", False, f"Will trains or buses run {DATED}"),
    ("Q30", True, f"Will the operator admit the delay {DATED}"),
    ("Q30", True, f"Will the minister say that it is late {DATED}"),
    ("Q30", False, f"Will the operator formally acknowledge the delay {DATED}"),
    ("Q30", False, f"Will an express train run {DATED}"),
    ("Q31", True, f"Will the director die {DATED}"),
    ("Q31", True, f"Will a passenger be killed {DATED}"),
    ("Q31", False, f"Will the Dead Sea line open {DATED}"),
    ("Q31", False, f"Will the deadline or the deadlock be lifted {DATED}"),
    ("Q31", False, f"Will the contract be executed {DATED}"),
    ("Q32", True, f"Will it open if question 7 resolves Yes {DATED}"),
    ("Q32", False, f"Will the question of the fares be settled {DATED}"),
]

IN = "between January 1, 2027, and January 1, 2028"
TAIL = "If the register cannot be read, Reuters decides. Otherwise No."
CRITERIA: list[tuple[str, bool, str]] = [
    ("Q06", True, f"Resolves Yes if a train runs {IN.replace('2028', '2029')} (UTC). {TAIL}"),
    ("Q06", True, f"Resolves Yes if a train runs from July 1, 2026 to July 1, 2027 (UTC). {TAIL}"),
    ("Q06", False, f"A train runs {IN.replace('January 1, 2028', 'the end of December 31, 2027')}"),
    ("Q08", True, f"Resolves Yes if a train ever runs (UTC). {TAIL}"),
    ("Q08", True, f"Resolves Yes if a train runs before January 1, 2028 (UTC). {TAIL}"),
    ("Q08", True, f"Resolves Yes if a train runs after January 1, 2027 (UTC). {TAIL}"),
    ("Q08", False, f"Resolves Yes if a train runs {IN} (UTC). {TAIL}"),
    ("Q08", False, f"Resolves Yes if a train runs between January 1 and December 31, 2027. {TAIL}"),
    (
        "Q08",
        False,
        f"Resolves Yes if a train runs in any month of January to December 2027. {TAIL}",
    ),
    ("Q08", False, f"Resolves Yes if, in 2027, a train runs. {TAIL}"),
    ("Q08", False, f"Yes if a train runs between January 1,\n2027, and January 1,\n2028. {TAIL}"),
    ("Q05", True, f"Resolves Yes if a train runs {IN}, 00:00 EST. {TAIL}"),
    ("Q05", False, f"Resolves Yes if a train runs between January 1,\n2027, and {DATED} {TAIL}"),
    ("Q04", True, f"Resolves Yes if a train runs {IN}, or by June 30, 2027. {TAIL}"),
    ("Q04", False, f"Yes if a train runs {IN} and no party denies it within 14 days. {TAIL}"),
    ("Q10", True, f"Resolves Yes if the most recent timetable is met {IN}. {TAIL}"),
    ("Q10", False, f"Yes if the most recent timetable on the resolution date has it {IN}. {TAIL}"),
    ("Q10", False, f"Resolves Yes if a train runs on the next business day {IN}. {TAIL}"),
    ("Q11", True, f"Resolves Yes if *significant* damage is done {IN}. {TAIL}"),
    ("Q12", True, f"Resolves Yes if a train might have run {IN}. {TAIL}"),
    ("Q12", False, f"Yes if a train runs {IN}. A curator may use archived copies. {TAIL}"),
    ("Q12", False, f"Yes if a train runs {IN}. If the page could not be read, Reuters. {TAIL}"),
    ("Q15", True, f"Resolves Yes if credible media reports tell of a train {IN}. {TAIL}"),
    ("Q15", True, f"Resolves Yes if reliable sources tell of a train {IN}. {TAIL}"),
    ("Q15", False, f"Yes if a train runs {IN}. Media reports alone are not enough. {TAIL}"),
    ("Q15", False, f"Yes if major news outlets such as Reuters tell of a train {IN}. {TAIL}"),
    ("Q16", False, f"Yes if a train runs {IN} by the register or, failing that, Reuters. No."),
    ("Q23", True, f"Resolves Yes if the count exceeds 40 {IN}. {TAIL}"),
    ("Q31", True, f"Resolves Yes if at least one passenger dies {IN}. {TAIL}"),
    ("Q32", True, f"Resolves Yes if another question of the set resolves Yes {IN}. {TAIL}"),
    ("Q01", True, f"Resolves Yes if XXX runs {IN}. {TAIL}"),
    ("Q01", False, f"Resolves Yes if Super Bowl XXXI is shown {IN}. {TAIL}"),
]

END = "\n\nAmbiguous: the sources conflict. Annulled: it is given up."
FINE: list[tuple[str, bool, str]] = [
    ("Q19", True, "- a\n- b\n- c\n\nAmbiguous: the sources conflict."),
    ("Q19", True, "- a\n- b\n- c\n\nAnnulled: it is given up."),
    ("Q19", False, "- a\n- b\n- c\n\nIt is never annulled. Ambiguity: the sources conflict."),
    ("Q20", True, f"- Trains for guests do not count.\n- Buses do not count.{END}"),
    ("Q20", False, f"1. Guests do not.\n2. Buses do not.\n3. Trams do not.{END}"),
    ("Q20", False, f"* Guests do not.\n* Buses do not.\n* Trams do not.{END}"),
    ("Q20", False, f"Guests do not count. A bus does not count. A tram qualifies.{END}"),
    ("Q10", True, f"- The current timetable counts.\n- b\n- c{END}"),
    ("Q05", True, f"- Trains before 1/2/27 do not count.\n- b\n- c{END}"),
]


def found(question_set: QuestionSet, code: str, **fields: Any) -> bool:
    """Tell whether the lint finds a breach of a rule in the question with other fields."""
    question = msgspec.structs.replace(question_set.questions[0], **fields)
    findings = lint(msgspec.structs.replace(question_set, questions=(question,)))
    return any(finding.rule == code for finding in findings)


@pytest.mark.parametrize(("code", "is_bad", "title"), TITLES)
def test_titles(code: str, is_bad: bool, title: str, question_set: QuestionSet) -> None:
    assert found(question_set, code, title=title) is is_bad


@pytest.mark.parametrize(("code", "is_bad", "criteria"), CRITERIA)
def test_criteria(code: str, is_bad: bool, criteria: str, question_set: QuestionSet) -> None:
    assert found(question_set, code, criteria=criteria) is is_bad


@pytest.mark.parametrize(("code", "is_bad", "fine_print"), FINE)
def test_fine_print(code: str, is_bad: bool, fine_print: str, question_set: QuestionSet) -> None:
    assert found(question_set, code, fine_print=fine_print) is is_bad


@pytest.mark.parametrize(
    "definition",
    [
        "- *Significant damage* means that 10 metres of track are replaced.",
        "- Significant: 10 metres of track or more are replaced.",
        '- "Significant" stands for 10 metres of track.',
        "- Damage is significant when 10 metres of track are replaced; significant means that.",
    ],
)
def test_a_vague_word_that_the_fine_print_defines_is_exact(
    definition: str, question_set: QuestionSet
) -> None:
    title = f"Will a train do significant damage {DATED}"
    assert found(question_set, "Q11", title=title, fine_print=f"- a\n- b{END}")
    assert not found(question_set, "Q11", title=title, fine_print=f"{definition}{END}")


def test_a_word_in_the_name_of_a_source_is_no_choice_of_the_author(
    question_set: QuestionSet,
) -> None:
    title = f"Will the monthly crisis bulletin list Northfell {DATED}"
    sources = question_set.questions[0].sources
    named = Source(name="monthly crisis bulletin", url="https://b.example", role="primary")
    assert found(question_set, "Q11", title=title)
    assert not found(question_set, "Q11", title=title, sources=(named, *sources))


@pytest.mark.parametrize(
    ("background", "is_bad"),
    [
        ("As of October 2026 it is being built.", False),
        ("It is being built (as of October 7, 2026).", False),
        ("As of early October 2026 it is being built.", False),
        ("As of\nOctober 2026 it is being built.", False),
        ("As of October 2025 it is being built.", True),
        ("In October 2026 it is being built.", True),
        ("As of today it is being built.", True),
    ],
)
def test_backgrounds(background: str, is_bad: bool, question_set: QuestionSet) -> None:
    assert found(question_set, "Q26", background=background) is is_bad


def test_a_background_from_after_opening_is_found(question_set: QuestionSet) -> None:
    assert found(question_set, "Q27", background_as_of=date(2026, 11, 2))
    assert not found(question_set, "Q27", background_as_of=date(2026, 11, 1))


SIPRI = Source(name="SIPRI", url="https://armstransfers.sipri.org/", role="primary")


def test_a_slow_source_needs_its_delay_unless_publication_is_the_event(
    question_set: QuestionSet,
) -> None:
    quick = question_set.questions[0].sources
    soon, late = datetime(2028, 3, 1, tzinfo=UTC), datetime(2028, 5, 1, tzinfo=UTC)
    listed = f"Will SIPRI list a locomotive {DATED}"
    assert found(question_set, "Q09", sources=(SIPRI,), resolves_by=soon)
    assert not found(question_set, "Q09", sources=(SIPRI,), resolves_by=late)
    assert not found(question_set, "Q09", sources=(SIPRI,), resolves_by=soon, title=listed)
    assert not found(question_set, "Q09", sources=(SIPRI, *quick), resolves_by=soon)


def test_forecasting_closes_before_the_data_are_downloaded(question_set: QuestionSet) -> None:
    title = "Will SIPRI's list, as downloaded on June 1, 2027, name Northfell?"
    assert found(question_set, "Q06", title=title)


@pytest.mark.parametrize(
    ("name", "url", "is_bad"),
    [
        ("The media", "https://www.example.com", True),
        ("Credible news reports", "https://www.example.com", True),
        ("Register", "https://register", True),
        ("Reuters news agency", "https://www.reuters.com/", False),
        ("News from the register", "https://register.example", False),
    ],
)
def test_sources(name: str, url: str, is_bad: bool, question_set: QuestionSet) -> None:
    primary = Source(name=name, url=url, role="primary")
    others = question_set.questions[0].sources[1:]
    assert found(question_set, "Q15", sources=(primary, *others)) is is_bad


def test_a_source_of_context_is_no_primary_source(question_set: QuestionSet) -> None:
    only = Source(name="Reuters", url="https://www.reuters.com/", role="context")
    assert found(question_set, "Q15", sources=(only,))
    assert found(question_set, "Q16", sources=(only,))


def test_questions_that_differ_by_date_alone_are_nearly_the_same(
    question_set: QuestionSet,
) -> None:
    (first,) = question_set.questions
    title = first.title.replace("January 1, 2028", "July 1, 2028")
    ladder = msgspec.structs.replace(first, slug="later", title=title)
    other = msgspec.structs.replace(first, slug="bus", title=f"Will a bus be late {DATED}")
    for second, is_bad in ((ladder, True), (other, False)):
        findings = lint(msgspec.structs.replace(question_set, questions=(first, second)))
        assert any(finding.rule == "Q32" for finding in findings) is is_bad


def test_the_slug_of_another_question_is_a_tie_to_it(question_set: QuestionSet) -> None:
    (first,) = question_set.questions
    second = msgspec.structs.replace(
        first, slug="bus-late", title=f"Will a bus be late {DATED}", why="See tunnel-opens."
    )
    tied = msgspec.structs.replace(second, fine_print=f"- Only if tunnel-opens is Yes.{END}")
    pair = msgspec.structs.replace(question_set, questions=(first, second))
    assert not any(finding.rule == "Q32" for finding in lint(pair))
    pair = msgspec.structs.replace(question_set, questions=(first, tied))
    assert [f.question for f in lint(pair) if f.rule == "Q32"] == ["bus-late"]


COPIED = "It is feared that the line \u2014 long delayed \u2014 won\u2019t open until spring 2028."


@pytest.mark.parametrize(
    ("text", "is_bad"),
    [
        ("the line, long delayed, won't OPEN until spring", True),
        ("the **line** long\ndelayed won't open until spring", True),
        ("the line long delayed won't open in", False),
        ("line long delayed won't open until spring", False),
    ],
)
def test_eight_words_in_common_are_a_copy(
    text: str, is_bad: bool, question_set: QuestionSet
) -> None:
    question = msgspec.structs.replace(question_set.questions[0], background=text)
    copied = msgspec.structs.replace(question_set, questions=(question,))
    assert any(f.rule == "Q29" for f in lint(copied, document=COPIED)) is is_bad
    assert not any(f.rule == "Q29" for f in lint(copied))


HOSTILE = ('"', "in ", "if ", "- \n", "January ", "January 1, 2027 ", "*_`[", " ", "1,")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_ends_in_findings(text: str, question_set: QuestionSet) -> None:
    """Long runs of what the patterns look for must not keep them busy for minutes."""
    passage = f"a {text * 5000}"[:LONGEST_PASSAGE]
    title = " ".join(passage.split())[:LONGEST_LINE]
    fields = ("criteria", "fine_print", "background")
    assert found(question_set, "Q08", title=title, **dict.fromkeys(fields, passage))


def test_the_order_of_sources_is_asked_for(question_set: QuestionSet) -> None:
    criteria = f"Resolves Yes if a train runs {IN}. Otherwise No."
    silent = f"- If the train does not stop, it counts.\n- b\n- The register governs.{END}"
    assert found(question_set, "Q16", criteria=criteria, fine_print=silent)
    for order in (
        TAIL,
        "Order of precedence: the register, then Reuters.",
        "The register, failing that Reuters.",
        "If the register is offline, Reuters stands in for it.",
        "Where the register and Reuters differ, the register prevails.",
    ):
        ordered = f"{criteria} {order}"
        assert not found(question_set, "Q16", criteria=ordered, fine_print=silent)
