"""The Good Judgment Project's survey forecasts: survey_fcasts.yr1.csv and others, with ifps.csv.

A row of ifps.csv is a question (an "individual forecasting problem") with two or more options; a
survey file has a row for each option. A question with two options is a yes/no question about the
first; otherwise each option is a separate yes/no question.
"""

import bisect
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from forecasting.csv_io import PanelError, Row
from forecasting.panel import Panel, PanelQuestion
from service.exchange.platforms.platform import Platform, forecaster
from service.exchange.platforms.source import Source

_FORECAST_COLUMNS: Final = (
    "ifp_id",
    "user_id",
    "fcast_type",
    "answer_option",
    "value",
    "fcast_date",
    "timestamp",
)
_QUESTION_COLUMNS: Final = (
    "ifp_id",
    "q_text",
    "q_status",
    "date_start",
    "date_to_close",
    "date_closed",
    "outcome",
    "options",
)
_QUESTIONS: Final = "ifps.csv"
_NONE: Final = ("NA", "NULL")
_OPTION: Final = re.compile(r"\(([a-z])\)")
_TYPES: Final = {"0": False, "1": False, "2": False, "4": True, "": False}
_BINARY: Final = 2


@dataclass(frozen=True, slots=True)
class _Problem:
    """A question of the project.

    Attributes:
        row: the row of ifps.csv.
        condition: the condition of a conditional question, or "".
        options: texts of the options by letter.
    """

    row: Row
    condition: str
    options: dict[str, str]

    def letters(self) -> Iterator[str]:
        """The letters of the options treated as separate questions."""
        yield from ("a",) if len(self.options) == _BINARY else self.options

    def question_id(self, letter: str) -> str:
        """The id of the question about an option; those of one problem agree before the bar."""
        name = self.row.text("ifp_id")
        return name if len(self.options) == _BINARY else f"{name}|{letter}"


def _read(source: Source) -> Panel:
    dialect = source.dialect
    source.dialect = replace(
        dialect, dates=dialect.dates or "mdy", missing=(*dialect.missing, *_NONE)
    )
    problems = _problems(_with_questions(source))
    forecasts = _forecasts(source, problems)
    return Panel.of(
        forecasts=forecasts,
        questions=[
            _question(problem, letter)
            for problem in problems.values()
            for letter in problem.letters()
        ],
    )


def _with_questions(source: Source) -> Source:
    """The source itself if it has the questions, else with ifps.csv from its folder."""
    if source.tables_with(_QUESTION_COLUMNS):
        return source
    file = source.path.with_name(_QUESTIONS)
    if not source.path.is_file() or not file.exists():
        raise PanelError(
            f"{source.path}: the questions are missing: {_QUESTIONS} in the same folder, with the "
            f"columns {', '.join(_QUESTION_COLUMNS)}"
        )
    beside = Source(file, source.dialect)
    beside.notes = source.notes
    return beside


def _problems(source: Source) -> dict[str, _Problem]:
    problems: dict[str, _Problem] = {}
    for name in source.tables_with(_QUESTION_COLUMNS):
        for row in source.table(name, _QUESTION_COLUMNS):
            problem_id = row.text("ifp_id", required=True)
            if problem_id in problems:
                first = problems[problem_id].row.place
                raise row.error("ifp_id", f"{problem_id!r} is already in {first}")
            text = row.text("options")
            condition, *parts = _OPTION.split(text)
            options = {
                letter: option.strip(" ,")
                for letter, option in zip(*[iter(parts)] * 2, strict=True)
            }
            if len(options) < _BINARY:
                row.notes.leave_out("questions without options (a), (b)", row.place)
                continue
            problems[problem_id] = _Problem(row, condition.strip(" :"), options)
    return problems


def _question(problem: _Problem, letter: str) -> PanelQuestion:
    row = problem.row
    outcome = _outcome(problem, letter)
    title, option = row.text("q_text"), problem.options[letter]
    if letter != "a" or option.lower() != "yes":
        title = f"{title} ({option})"
    if problem.condition:
        title = f"{title} ({problem.condition})"
    return PanelQuestion(
        id=problem.question_id(letter),
        title=title,
        outcome=outcome,
        opens=row.time("date_start"),
        closes=row.time("date_to_close"),
        resolved=math.nan if math.isnan(outcome) else row.time("date_closed"),
    )


def _outcome(problem: _Problem, letter: str) -> float:
    row = problem.row
    status = row.text("q_status").lower()
    if status == "voided":
        row.notes.adjust("voided questions, imported without outcome", row.place)
        return math.nan
    answer = row.choice("outcome", {**{one: one for one in problem.options}, "": "", "NA": ""})
    return float(answer == letter) if answer and status == "closed" else math.nan


def _forecasts(
    source: Source, problems: dict[str, _Problem]
) -> Iterator[tuple[str, str, float, float, float]]:
    made: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    withdrawn: dict[tuple[str, str], list[tuple[float, Row]]] = defaultdict(list)
    for row, question_id in _answers(source, problems):
        key = (forecaster(row, "user_id"), question_id)
        time = row.past("timestamp", required=False)
        time = row.past("fcast_date") if math.isnan(time) else time
        if row.choice("fcast_type", _TYPES):
            withdrawn[key].append((time, row))
        elif row.text("value") in {"", *_NONE}:
            row.notes.leave_out("forecasts without a value", row.place)
        else:
            made[key].append((time, row.probability("value")))
    for key, forecasts in made.items():
        ends = _ends(forecasts, withdrawn.pop(key, []))
        for (time, probability), end in zip(forecasts, ends, strict=True):
            yield (*key, time, end, probability)
    for withdrawals in withdrawn.values():
        _ends([], withdrawals)


def _answers(source: Source, problems: dict[str, _Problem]) -> Iterator[tuple[Row, str]]:
    """The rows about options treated as separate questions, with the question's id."""
    for name in source.tables_with(_FORECAST_COLUMNS):
        for row in source.table(name, _FORECAST_COLUMNS):
            problem = problems.get(row.text("ifp_id", required=True))
            if problem is None:
                row.notes.leave_out(
                    f"forecasts on questions that are not in {_QUESTIONS}", row.place
                )
            elif row.text("user_id") in {"", *_NONE}:
                row.notes.leave_out("forecasts without a user", row.place)
            elif (letter := _option(row, problem)) in problem.letters():
                yield row, problem.question_id(letter)


def _option(row: Row, problem: _Problem) -> str:
    letter = row.text("answer_option")
    return letter if letter in problem.options else row.choice("answer_option", problem.options)


def _ends(
    forecasts: list[tuple[float, float]], withdrawals: list[tuple[float, Row]]
) -> list[float]:
    """Sort forecasts by time, and return when each was withdrawn."""
    forecasts.sort(key=lambda forecast: forecast[0])
    ends = [math.inf] * len(forecasts)
    for time, row in sorted(withdrawals, key=lambda withdrawal: withdrawal[0]):
        last = bisect.bisect_left(forecasts, time, key=lambda forecast: forecast[0]) - 1
        if last < 0:
            row.notes.leave_out("withdrawals with no forecast before them", row.place)
        else:
            ends[last] = min(ends[last], time)
    return ends


PLATFORM: Final = Platform(
    name="the Good Judgment Project",
    files=f"{_QUESTIONS} and CSV files with the columns {', '.join(_FORECAST_COLUMNS)}",
    recognises=lambda source: bool(
        source.tables_with(_FORECAST_COLUMNS) or source.tables_with(_QUESTION_COLUMNS)
    ),
    read=_read,
)
