"""Rules for the whole set: balance, coverage, similarity, copied text."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from questions import prose
from questions.rules.rule import COPIED_RUN, Case, Problem, Reading, called, rule
from questions.schema import Question

MAX_TAILS: Final = 0.10
MAX_POLARITY: Final = 0.70
MIN_BALANCED: Final = 5
ALIKE: Final = 0.8

COMMON: Final = prose.phrases(
    "a|an|and|any|are|as|at|be|been|before|between|by|did|do|does|for|from|had|has|have|if|in|into",
    "is|it|its|least|more|most|of|on|one|or|than|that|the|their|there|they|this|to|utc|was|were",
    "will|with",
)
COMPOUND: Final = re.compile(r"(?<![\w./-])[a-z0-9]+(?:-[a-z0-9]+)+(?![\w./-]*\w)")
OTHER_QUESTION: Final = prose.phrases(
    r"Q\d+|question\s+#?\d+",
    "(?:another|other|previous|preceding|above|sister|related|parent) question",
    r"the question (?:on|about)\b[^.;]{0,60}\bresolves",
)


@rule(
    "Q29",
    "no copying",
    "error",
    "D",
    says=f"The set shares no {COPIED_RUN} consecutive words with the document.",
    bad='why = "The tunnel may open well after the date that was promised."',
    good='why = "A tunnel that opens in 2027 is not late."',
    document="They say the tunnel may open well after the date that was promised in 2019.",
)
def no_copying(case: Case) -> Iterator[Problem]:
    """Compare every text of the set with the document, if it is available."""
    if not case.document_runs:
        return
    head = case.question_set
    parts: list[tuple[tuple[str, ...], msgspec.Struct]] = [((), head)]
    parts += [(("implications", item.slug), item) for item in head.implications]
    parts += [(("questions", item.slug), item) for item in head.questions]
    for place, part in parts:
        for name, value in msgspec.structs.asdict(part).items():
            if not isinstance(value, str):
                continue
            run = next((r for r in prose.runs(value, COPIED_RUN) if r in case.document_runs), None)
            if run:
                yield Problem(
                    (*place, name),
                    f'`{name}` copies the document: "{" ".join(run)}".',
                    "Say it in other words.",
                )


@rule(
    "Q32",
    "independence",
    "error",
    "DP",
    says="No question depends on the resolution of another, and no two are nearly the same.",
    bad="""
criteria = '''
Resolves Yes if question 7 resolves Yes and a train runs through the tunnel between
January 1, 2027, and January 1, 2028, 00:00 UTC, according to the register; if it cannot be read,
Reuters decides. Otherwise No.'''
""",
    good="""
criteria = '''
Resolves Yes if a train runs through the tunnel between January 1, 2027, and January 1, 2028,
00:00 UTC, according to the register; if it cannot be read, Reuters decides. Otherwise No.'''
""",
)
def independence(case: Case) -> Iterator[Problem]:
    """Find mentions of other questions, and titles that differ in little more than dates."""
    slugs = frozenset(question.slug for question in case.question_set.questions)
    for reading in case.readings:
        others = slugs - {reading.question.slug}
        for field in ("title", "criteria", "fine_print"):
            text = getattr(reading, field)
            found = OTHER_QUESTION.search(text)
            named = found[0] if found else next(_named(text, others), None)
            if named:
                yield Problem(
                    reading.at(field),
                    f'"{named}" in the {called(field)} makes the answer hang on another question.',
                    "Restate what has to happen, without the other question.",
                )
    yield from _repetitions(case)


def _repetitions(case: Case) -> Iterator[Problem]:
    """Find titles that nearly repeat an earlier one, ignoring blank ones."""
    earlier: list[tuple[str, frozenset[str]]] = []
    for reading in case.readings:
        gist = _gist(reading)
        if "TODO" in reading.title or not gist:
            continue
        like = next((slug for slug, other in earlier if _alike(gist, other)), None)
        if like:
            yield Problem(
                reading.at("title"),
                f'The title is nearly that of "{like}".',
                "Keep one of the two, or make them ask for different things.",
            )
        earlier.append((reading.question.slug, gist))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= ALIKE * len(one | other)


def _named(text: str, slugs: frozenset[str]) -> Iterator[str]:
    return (match[0] for match in COMPOUND.finditer(text) if match[0] in slugs)


def _gist(reading: Reading) -> frozenset[str]:
    """Return the content words of a title, without dates and numbers."""
    text = reading.title
    for mention in prose.dates(text):
        text = text.replace(mention.text, " ")
    return frozenset(
        word for word in prose.words(text) if not COMMON.fullmatch(word) and not word.isdigit()
    )


@rule(
    "Q34",
    "balance",
    "warning",
    "D",
    says=(
        f"In a set of {MIN_BALANCED} questions or more, neither polarity exceeds "
        f"{MAX_POLARITY:.0%} of them."
    ),
    bad="""
[[questions]]
polarity = "supports"
[[questions]]
polarity = "supports"
[[questions]]
polarity = "supports"
[[questions]]
polarity = "supports"
[[questions]]
polarity = "contradicts"
""",
    good="""
[[questions]]
polarity = "supports"
[[questions]]
polarity = "supports"
[[questions]]
polarity = "supports"
[[questions]]
polarity = "contradicts"
[[questions]]
polarity = "contradicts"
""",
)
def balance(case: Case) -> Iterator[Problem]:
    """Count the polarities."""
    questions = case.question_set.questions
    counts = Counter(question.polarity for question in questions)
    for polarity in ("supports", "contradicts"):
        share = counts[polarity] / max(len(questions), 1)
        if len(questions) >= MIN_BALANCED and share > MAX_POLARITY:
            yield Problem(
                ("questions",),
                f'{share:.0%} of the questions have the polarity "{polarity}".',
                "Turn some questions round, so that a YES does not always point one way.",
            )


@rule(
    "Q35",
    "coverage",
    "error",
    "D",
    says="Every implication has a question, or says in `uncovered` why it has none.",
    bad="""
[[implications]]
slug = "tunnel-floods"
""",
    good="""
[[implications]]
slug = "tunnel-floods"
uncovered = "No public record tells of water in the tunnel."
""",
)
def coverage(case: Case) -> Iterator[Problem]:
    """Find implications without a question, and `uncovered` reasons that no longer apply."""
    covered = {question.implication for question in case.question_set.questions}
    for item in case.question_set.implications:
        if item.slug not in covered and not item.uncovered.strip():
            yield Problem(
                ("implications", item.slug),
                f'The implication "{item.slug}" has no question and does not say why.',
                "Write a question for it, or say in `uncovered` why there is none.",
            )
        if item.slug in covered and item.uncovered.strip():
            yield Problem(
                ("implications", item.slug, "uncovered"),
                f'The implication "{item.slug}" has a question, and `uncovered` says why not.',
                "Remove `uncovered`.",
            )


@rule(
    "Q25",
    "uncertainty",
    "warning",
    "P",
    says=(
        "An informed estimate lies between 10% and 90%; at most "
        f"{MAX_TAILS:.0%} of a set are declared tails (`tail = true`)."
    ),
    bad="tail = true",
    good="tail = false",
)
def uncertainty(case: Case) -> Iterator[Problem]:
    """Count the declared tails; a person decides whether a question should be one."""
    questions: tuple[Question, ...] = case.question_set.questions
    tails = sum(question.tail for question in questions)
    if tails > MAX_TAILS * len(questions):
        yield Problem(
            ("questions",),
            f"{tails} of {len(questions)} questions are declared tails.",
            "Replace some by questions whose answer is less certain.",
        )
