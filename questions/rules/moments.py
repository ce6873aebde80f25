"""Rules for dates: the deadline, the window, the order of times, relative wording."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from questions import prose
from questions.prose import Mention
from questions.rules.rule import Problem, Reading, called, question_rule

A_DAY: Final = timedelta(days=1)

A_DATE: Final = (
    rf"{prose.MONTH}\s+\d|\d\d?(?:st|nd|rd|th)?\s+{prose.MONTH}|\d\d?/\d|{prose.YEAR}"
    "|year-end|year's end"
)
COUNT: Final = (
    r"\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen|thirty|sixty|ninety"
)
BY: Final = re.compile(
    rf"\b(?:by|until|till) (?:the (?:end|close) of |end of |end-|late |early |mid-)?(?:{A_DATE})"
    r"|\bwithin the (?:next|following|coming)\b",
    re.IGNORECASE,
)
BY_OR_WITHIN: Final = re.compile(
    rf"{BY.pattern}|\bwithin (?:{COUNT}) (?:calendar |business |working )?"
    r"(?:hour|day|week|month|quarter|year)s?\b",
    re.IGNORECASE,
)
ZONE: Final = re.compile(
    r"\b(?:[EPC][SD]T|ET|PT|CES?T|EES?T|BST|MSK|IRST|GMT)\b"
    r"|\b(?:local|Eastern|Pacific|Moscow|Tehran|London|Brussels|Washington|New York|Beijing) time\b"
)
INCLUSIVE: Final = re.compile(r"23:59|24:00|11:59|\binclusive|\bend of\b|\bthrough\b|\bincluding\b")
BEFORE: Final = re.compile(r"\bbefore\s+$", re.IGNORECASE)
VINTAGE_DAY: Final = re.compile(
    r"\bas (?:downloaded|accessed|retrieved|published|shown|available|displayed)\b"
    r"(?:[^.;#\d]|\d\d:\d\d){0,40}?#",
    re.IGNORECASE,
)

EVENTS: Final = (
    r"(?:annual |general |plenary |presidential |parliamentary )?(?:summit|meeting|session"
    r"|conference|round|election|vote|report|edition|release|review|visit|talks|issue)s?"
)
SPANS: Final = (
    r"(?:calendar |fiscal |few )?(?:day|week|weekend|month|quarter|year|decade|spring|summer"
    r"|autumn|fall|winter)s?"
)
RELATIVE: Final = prose.phrases(
    "(?<!as )(?<!so )soon(?! as)",
    "recent(?:ly)?",
    "current(?:ly)?(?! account)",
    "upcoming|forthcoming|imminent(?:ly)?|shortly|presently|nowadays|lately|eventually|someday",
    "today(?:'s)?|tomorrow|yesterday|tonight",
    "at present|at the moment|for the time being|in due course|so far(?! as)",
    "(?:near|foreseeable|immediate) future|near term",
    f"(?:this|last|past) {SPANS}|(?:later|earlier) this {SPANS}",
    "(?:coming|following) (?:weeks|months|years)",
    f"next (?:few )?(?:{SPANS}|{EVENTS})",
)
ANCHORED: Final = re.compile(
    rf"[^.;]{{0,60}}\b(?:resolution|deadline|(?:as of|on|at|before|until) (?:the|{prose.MONTH}))\b",
    re.IGNORECASE,
)
NEXT_DAY: Final = re.compile(r"next (?:calendar |business |working )?day", re.IGNORECASE)


@question_rule(
    "Q03",
    "title deadline",
    "error",
    "D",
    says="The title names a day, month and year.",
    bad='title = "Will the Northfell tunnel open to passengers in the near term?"',
    good='title = "Will the Northfell tunnel open to passengers before January 1, 2028?"',
)
def title_deadline(reading: Reading) -> Iterator[Problem]:
    """Look for a full date in the title."""
    if not any(mention.is_day for mention in prose.dates(reading.title)):
        yield Problem(
            reading.at("title"),
            "The title names no full date.",
            f'Add the deadline, such as "before {prose.written(_deadline(reading))}".',
        )


@question_rule(
    "Q04",
    "before, not by",
    "warning",
    "D",
    says='A deadline is written "before D": "by", "until" and "within" leave the last day unclear.',
    bad='title = "Will the Northfell tunnel open to passengers by December 31, 2027?"',
    good='title = "Will the Northfell tunnel open to passengers before January 1, 2028?"',
)
def before_not_by(reading: Reading) -> Iterator[Problem]:
    """Find "by", "until" and "within" in front of dates and spans of time."""
    for field in ("title", "criteria"):
        pattern = BY_OR_WITHIN if field == "title" else BY
        for match in pattern.finditer(getattr(reading, field)):
            yield Problem(
                reading.at(field),
                f'"{match[0]}" in the {called(field)} leaves its last moment open.',
                'Write "before" and the first day that is too late.',
            )


@question_rule(
    "Q05",
    "date format",
    "warning",
    "D",
    says="Dates are written Month D, YYYY, and the time zone is stated once, as UTC.",
    bad="title = 'Will the Northfell tunnel open to passengers before 01/01/28?'",
    good="title = 'Will the Northfell tunnel open to passengers before January 1, 2028?'",
)
def date_format(reading: Reading) -> Iterator[Problem]:
    """Find dates in other forms, time zones other than UTC, and a question without a zone."""
    for field in ("title", "criteria", "fine_print"):
        text = getattr(reading, field)
        for mention in prose.dates(text):
            if mention.form in {"other", "unclear"}:
                yield Problem(
                    reading.at(field),
                    f'A date in the {called(field)} is written "{mention.text}".',
                    f'Write "{prose.written(mention.first)}".'
                    if mention.is_day
                    else "Write Month D, YYYY.",
                )
        for match in ZONE.finditer(prose.without(text, reading.names)):
            yield Problem(
                reading.at(field),
                f'A time in the {called(field)} is in "{match[0]}".',
                "Give the moment in UTC.",
            )
    if "UTC" not in reading.all:
        yield Problem(
            reading.at("criteria"),
            "Neither the question nor the set's defaults name a time zone.",
            "Say UTC once, in the criteria or in the defaults.",
        )


@question_rule(
    "Q06",
    "dates agree",
    "error",
    "D",
    says=(
        "Title, criteria and `deadline_at` name the same deadline, and forecasting closes no later "
        "than the download of the deciding data."
    ),
    bad='title = "Will the Northfell tunnel open to passengers before July 1, 2027?"',
    good='title = "Will the Northfell tunnel open to passengers before January 1, 2028?"',
)
def dates_agree(reading: Reading) -> Iterator[Problem]:
    """Compare the days in the title with the criteria, the deadline and the vintage."""
    asked = [*{m.first: m for m in prose.dates(reading.title) if m.is_day}.values()]
    deadline = _deadline(reading)
    if asked and not any(_is_deadline(reading.title, mention, deadline) for mention in asked):
        yield Problem(
            reading.at("title"),
            f"The title names {_listed(asked)}, but `deadline_at` is {prose.written(deadline)}.",
            "Give title and `deadline_at` the same deadline.",
        )
    stated = prose.dates(reading.criteria)
    for mention in asked:
        if stated and not _is_stated(mention, stated, reading.criteria):
            yield Problem(
                reading.at("criteria"),
                f"The criteria name other dates than {prose.written(mention.first)}, the title's.",
                "Give title and criteria the same deadline.",
            )
    for day in _vintages(reading):
        if reading.question.closes_at > _midnight(day + A_DAY):
            yield Problem(
                reading.at("closes_at"),
                f"Forecasting closes after {prose.written(day)}, when the data are downloaded.",
                "Close before the data that decide can be seen.",
            )


@question_rule(
    "Q07",
    "date order",
    "error",
    "D",
    says="Forecasting opens, then closes; the question resolves after its close and deadline.",
    bad="resolves_by = 2027-12-31T00:00:00Z",
    good="resolves_by = 2028-01-31T00:00:00Z",
)
def date_order(reading: Reading) -> Iterator[Problem]:
    """Find questions that resolve while forecasts or events are still possible."""
    question = reading.question
    if question.resolves_by <= question.closes_at:
        yield Problem(
            reading.at("resolves_by"),
            "The question resolves at the moment when forecasting closes, or before.",
            "Move `resolves_by` after `closes_at`.",
        )
    if question.resolves_by < question.deadline_at:
        yield Problem(
            reading.at("resolves_by"),
            "The question resolves before its deadline, when a No cannot be known.",
            "Move `resolves_by` to `deadline_at` or later.",
        )


@question_rule(
    "Q08",
    "window",
    "error",
    "D",
    says="The criteria name both ends of the window, which starts after forecasting opens.",
    bad="""
criteria = '''
Resolves Yes if the tunnel ever opens, according to the register of train runs (UTC); if it
cannot be read, Reuters and then AP take its place. Otherwise No.'''
""",
    good="""
criteria = '''
Resolves Yes if the tunnel opens between January 1, 2027, and January 1, 2028, 00:00 UTC,
according to the register of train runs; if it cannot be read, Reuters and then AP take its
place. Otherwise No.'''
""",
)
def window(reading: Reading) -> Iterator[Problem]:
    """Look for the window's two ends in the criteria."""
    question = reading.question
    stated = prose.dates(reading.criteria)
    start, end = _day(question.window_starts_at), _deadline(reading)
    if not any(start in {mention.first, mention.end} for mention in stated):
        yield Problem(
            reading.at("criteria"),
            f"The criteria do not say that the window starts on {prose.written(start)}.",
            "Name both ends of the window in the criteria.",
        )
    if not any(end in {mention.first, mention.end} for mention in stated):
        yield Problem(
            reading.at("criteria"),
            f"The criteria do not say that the window ends on {prose.written(end)}.",
            "Name both ends of the window in the criteria.",
        )
    if question.window_starts_at < question.opens_at:
        yield Problem(
            reading.at("window_starts_at"),
            "The window starts before forecasting opens, so that the answer may be known by then.",
            "Start the window at `opens_at` or later.",
        )


@question_rule(
    "Q10",
    "relative time",
    "error",
    "D",
    says="No word depends on the date of reading: soon, recent, currently, this year.",
    bad='title = "Will the tunnel open at the next summit, before January 1, 2028?"',
    good='title = "Will the tunnel open at the 2027 rail summit, before January 1, 2028?"',
)
def relative_time(reading: Reading) -> Iterator[Problem]:
    """Find words whose meaning depends on the time of reading."""
    for field, text in reading.wording("title", "criteria", "fine_print").items():
        for sentence in prose.sentences(text):
            for match in RELATIVE.finditer(sentence):
                if not _is_anchored(sentence, match):
                    yield Problem(
                        reading.at(field),
                        f'"{match[0]}" in the {called(field)} moves with the calendar.',
                        "Name the date, or the event with its year.",
                    )


def _is_anchored(sentence: str, match: re.Match[str]) -> bool:
    """Tell whether the sentence itself fixes the time, or the word is part of a name."""
    if prose.is_name(sentence, match) or NEXT_DAY.match(sentence, match.start()):
        return True
    most = sentence[: match.start()].lower().endswith("most ")
    return most and bool(ANCHORED.match(sentence, match.end()))


def _deadline(reading: Reading) -> date:
    """Return the first day after the window."""
    return _day(reading.question.deadline_at + A_DAY - timedelta(microseconds=1))


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _listed(mentions: list[Mention]) -> str:
    return " and ".join(prose.written(mention.first) for mention in mentions)


def _is_deadline(title: str, mention: Mention, deadline: date) -> bool:
    """Tell whether a day in the title is the deadline: "before D", or a day D that ends with it."""
    if BEFORE.search(title[: title.find(mention.text)]):
        return mention.first == deadline
    return deadline in {mention.first, mention.end}


def _is_stated(asked: Mention, stated: list[Mention], criteria: str) -> bool:
    if any(asked.first in {mention.first, mention.end} for mention in stated if not mention.is_day):
        return True
    if any(asked.first == mention.first for mention in stated):
        return True
    last = asked.first - A_DAY
    return any(mention.first == last for mention in stated) and bool(INCLUSIVE.search(criteria))


def _vintages(reading: Reading) -> Iterator[date]:
    """Yield the days whose data vintage the question uses."""
    for text in (reading.title, reading.criteria):
        for mention in {m.text: m for m in prose.dates(text) if m.is_day}.values():
            if VINTAGE_DAY.search(text.replace(mention.text, "#")):
                yield mention.first
