"""Rules for a question's form: its fields, its title, its numbers, its link to an implication."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from questions import prose
from questions.rules.rule import Case, Problem, Reading, question_rule, rule

MAX_TITLE: Final = 200
MIN_WHY_WORDS: Final = 5
STARTS: Final = ("Will", "How many", "How much", "Which", "What", "When")

PLACEHOLDER: Final = re.compile(
    r"\b(?:TODO|TBD|TBC|FIXME|XXX|lorem ipsum)\b|\?\?\?|^\s*\W+\s*$|<(?:date|name|source)>"
)

NUMBER: Final = (
    r"(?<![\d.,])\d{1,12}(?:[.,]\d{1,6}){0,4}(?: (?:thousand|million|billion|trillion))?"
)
COMPARISON: Final = (
    "at least|at most|(?:more|fewer|less|no more|no less|no fewer) than|exceed(?:s|ing)?|above"
    "|below|over|under|surpass(?:es)?|reach(?:es)?"
)
CURRENCY: Final = r"(?:US)?[$\u20ac\u00a3]|(?:USD|EUR) "
COMPARED: Final = re.compile(
    rf"\b(?:{COMPARISON}) (?:{CURRENCY})?(?P<number>{NUMBER})(?=(?P<after>.{{0,40}}))"
    rf"|\b(?P<first>{NUMBER})(?P<later>.{{0,25}}?) or (?:more|fewer|less|above|below)\b"
    rf"(?=(?P<tail>.{{0,40}}))"
)
MONEY: Final = re.compile(CURRENCY)
UNIT: Final = re.compile(r"\s?%|[\s-]*(?:or (?:more|fewer|less) )?(?P<word>[^\W\d_][\w/]*)")
NO_UNIT: Final = re.compile(
    "a|about|according|after|and|as|at|before|between|but|by|during|for|from|if|in|is|on|or|since"
    "|than|that|the|then|through|to|until|was|when|where|which|while|with|within",
    re.IGNORECASE,
)


@rule(
    "Q01",
    "schema",
    "error",
    "D",
    says="Every field is filled in: no placeholder is left, and every implication has an actor.",
    bad='criteria = "TODO"',
    good="""
criteria = '''
Resolves Yes if a scheduled passenger train runs through the whole tunnel between
January 1, 2027, and January 1, 2028, 00:00 UTC, according to the register of train runs;
if it cannot be read, Reuters and then AP take its place. Otherwise No.'''
""",
)
def schema(case: Case) -> Iterator[Problem]:
    """Find placeholders in every text of the set, and implications without actors."""
    head = case.question_set
    parts: list[tuple[tuple[str, ...], msgspec.Struct]] = [
        ((), head),
        (("document",), head.document),
    ]
    parts += [(("implications", item.slug), item) for item in head.implications]
    parts += [(("questions", item.slug), item) for item in head.questions]
    for place, part in parts:
        for name, value in msgspec.structs.asdict(part).items():
            found = PLACEHOLDER.search(value) if isinstance(value, str) else None
            if found:
                yield Problem(
                    (*place, name),
                    f'`{name}` holds the placeholder "{found[0].strip()}".',
                    f"Write `{name}`.",
                )
    for implication in head.implications:
        if not implication.actors:
            yield Problem(
                ("implications", implication.slug, "actors"),
                f'The implication "{implication.slug}" names no actors.',
                "Name those whose acts the implication is about.",
            )


@question_rule(
    "Q02",
    "title form",
    "error",
    "D",
    says=(
        f"The title is one question of at most {MAX_TITLE} characters that starts with "
        f"{', '.join(STARTS[:-1])} or {STARTS[-1]}."
    ),
    bad='title = "Northfell tunnel: opening before January 1, 2028"',
    good='title = "Will the Northfell tunnel open to passengers before January 1, 2028?"',
)
def title_form(reading: Reading) -> Iterator[Problem]:
    """Look at the title's length, its first words and its question mark."""
    title = reading.question.title.strip()
    place = reading.at("title")
    marks = title.count("?")
    if marks != 1 or not title.endswith("?"):
        yield Problem(
            place,
            f"The title has {marks} question marks."
            if marks != 1
            else "The title goes on after its question mark.",
            "Ask one thing and end the title with its only question mark.",
        )
    if len(title) > MAX_TITLE:
        yield Problem(
            place,
            f"The title has {len(title)} characters.",
            f"Shorten it to {MAX_TITLE}; details belong to the criteria.",
        )
    if not re.match(rf"(?:{'|'.join(STARTS)})\b", title):
        yield Problem(
            place,
            f'The title starts with "{title.split(" ")[0]}".',
            f"Start it with {', '.join(STARTS[:-1])} or {STARTS[-1]}.",
        )


@question_rule(
    "Q23",
    "units and range",
    "error",
    "D",
    says="A number that decides the answer has a unit.",
    bad='title = "Will traffic through the Northfell tunnel exceed 40 before January 1, 2028?"',
    good='title = "Will more than 40 trains a day use the tunnel before January 1, 2028?"',
)
def units(reading: Reading) -> Iterator[Problem]:
    """Find thresholds in title and criteria that no unit or noun follows."""
    for field, text in reading.wording("title", "criteria").items():
        for match in COMPARED.finditer(text):
            if not _has_unit(match):
                number = match["number"] or match["first"]
                yield Problem(
                    reading.at(field),
                    f'The threshold "{number.strip()}" in the {field} has no unit.',
                    "Write the unit, or what is counted, right after the number.",
                )


def _has_unit(match: re.Match[str]) -> bool:
    number = (match["number"] or match["first"]).strip()
    if MONEY.search(match[0]) or re.fullmatch(prose.YEAR, number):
        return True
    if re.search(r"(?:thousand|million|billion|trillion)$", number):
        number = number.rsplit(" ", 1)[0]
    return any(
        (unit := UNIT.match(part)) and not NO_UNIT.fullmatch(unit["word"] or "%")
        for part in (match["after"], match["later"], match["tail"])
        if part
    )


@question_rule(
    "Q24",
    "options",
    "error",
    "DP",
    says="The two answers of a binary question are mutually exclusive and exhaustive.",
    bad='title = "Which company will run the Northfell tunnel before January 1, 2028?"',
    good='title = "Will the state railway run the Northfell tunnel before January 1, 2028?"',
)
def options(reading: Reading) -> Iterator[Problem]:
    """Find binary questions that ask for more than yes or no."""
    start = next((s for s in STARTS[1:] if reading.title.startswith(f"{s} ")), None)
    if start:
        yield Problem(
            reading.at("title"),
            f'A binary question cannot be answered with yes or no when it asks "{start}".',
            'Start the title with "Will".',
        )
    for field in ("title", "criteria"):
        if re.search(r"\band/or\b", getattr(reading, field), re.IGNORECASE):
            yield Problem(
                reading.at(field),
                f'"and/or" in the {field} leaves open whether both are needed.',
                'Write "at least one of", or "both".',
            )


@question_rule(
    "Q28",
    "implication",
    "error",
    "D",
    says="The question tests an implication of the set, and `why` says what a Yes means for it.",
    bad='why = "Obvious."',
    good='why = "A tunnel that opens in 2027 is not late."',
)
def implication(reading: Reading) -> Iterator[Problem]:
    """Look at the link to the implication and at the sentence that explains it."""
    question = reading.question
    if question.implication not in {item.slug for item in reading.case.question_set.implications}:
        yield Problem(
            reading.at("implication"),
            f'The set has no implication "{question.implication}".',
            "Name one of the set's implications, or add it.",
        )
    count = len(prose.words(question.why))
    if count < MIN_WHY_WORDS:
        yield Problem(
            reading.at("why"),
            f"`why` has {count} words, too few to explain the polarity.",
            f"Say in a sentence why a YES {_bears_on(question.polarity)} the implication.",
        )


def _bears_on(polarity: str) -> str:
    return "is neutral to" if polarity == "neutral" else polarity
