"""Forecasts on Good Judgment Open, INFER and other sites run with Cultivate Forecasts.

Such a site exports prediction sets with one prediction per answer: as JSON from its API, or as a
table with one row per prediction. Questions are in the same table, or in a second file.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from forecasting.csv_io import Row
from forecasting.panel import Panel, PanelQuestion
from service.exchange.platforms.platform import FLAGS, Platform, forecaster
from service.exchange.platforms.records import Record, merged, nested, records
from service.exchange.platforms.source import Source

_PREDICTION: Final = frozenset({"question_id", "answer_id", "forecasted_probability"})
_ANSWER: Final = frozenset({"question_name", "answer_name", "answer_resolved_probability"})
_SETS: Final = "prediction_sets"
_SET_ID: Final = "prediction_set_id"
_SET: Final = frozenset({"question_id", "predictions"})
_QUESTION: Final = frozenset({"id", "name", "answers"})
_MEMBER: Final = ("membership_username", "membership_guid", "membership_id")
_QUESTION_FIELDS: Final = (
    "name",
    "starts_at",
    "published_at",
    "ends_at",
    "resolved_at",
    "voided_at",
    "correctness_known_at",
)
_UTC: Final = " UTC"
_YES, _NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class _Prediction:
    """A member's prediction for one answer; a prediction set has one for each answer."""

    answer: str
    set_id: str
    member: str
    time: float
    probability: float


@dataclass(slots=True)
class _Question:
    """A question of the site.

    Attributes:
        answers: the data of each answer, by name.
        predictions: the predictions for all answers, in order.
    """

    answers: dict[str, Row] = field(default_factory=dict)
    predictions: list[_Prediction] = field(default_factory=list)


def _recognises(source: Source) -> bool:
    return any(_holds(source, name) for name in source.names)


def _holds(source: Source, name: str) -> str:
    """The content of a file: "predictions", "questions", or "" if it is not from such a site."""
    keys, columns = source.keys(name), _columns(source.header(name)).keys()
    if _SETS in keys or keys >= _SET or columns >= _PREDICTION:
        return "predictions"
    if keys >= _QUESTION or columns >= _ANSWER:
        return "questions"
    return "questions" if "questions" in keys and _lists_questions(source.json(name)) else ""


def _lists_questions(value: Any) -> bool:
    page = value[0] if isinstance(value, list) else value
    listed = page["questions"]
    first = listed[0] if isinstance(listed, list) and listed else None
    return isinstance(first, dict) and first.keys() >= _QUESTION


def _read(source: Source) -> Panel:
    questions: dict[str, _Question] = defaultdict(_Question)
    names: dict[str, str] = {}
    seen: set[tuple[str, str, str]] = set()
    for row in _answers(source):
        answer = _answer_name(row, names)
        names[row.text("answer_id")] = answer
        questions[_question_key(row)].answers[answer] = row
    for row in _predictions(source):
        key, answer, set_id = _question_key(row), _answer_name(row, names), row.text(_SET_ID)
        question = questions[key]
        question.answers.setdefault(answer, row)
        again = set_id != "" and (key, answer, set_id) in seen
        if reason := "predictions that are in the files twice" if again else _left_out(row):
            row.notes.leave_out(reason, row.place)
            continue
        seen.add((key, answer, set_id))
        question.predictions.append(
            _Prediction(
                answer=answer,
                set_id=set_id,
                member=forecaster(row, *_MEMBER),
                time=_time(row),
                probability=row.probability("forecasted_probability"),
            )
        )
    kept = questions
    if any(_holds(source, name) == "predictions" for name in source.names):
        kept = {key: question for key, question in questions.items() if question.predictions}
    return Panel.of(
        forecasts=[
            forecast for key, question in kept.items() for forecast in _forecasts(key, question)
        ],
        questions=[
            _panel_question(key, question, answer)
            for key, question in kept.items()
            for answer in _events(question)
        ],
    )


def _left_out(row: Row) -> str:
    """Why a prediction is not counted as a forecast, or "" if it is."""
    if row.choice("made_after_correctness_known", FLAGS):
        return "predictions made after the answer was known"
    if row.text("refunded_at"):
        return "predictions whose trade was refunded"
    return "" if row.text("forecasted_probability") else "predictions without a probability"


def _time(row: Row) -> float:
    columns = ("filled_at", "prediction_set_created_at", "created_at")
    return row.past(next((one for one in columns if row.text(one)), columns[-1]))


def _forecasts(key: str, question: _Question) -> Iterator[tuple[str, str, float, float, float]]:
    events = _events(question)
    with_yes = {one.set_id for one in question.predictions if one.answer.lower() == _YES}
    for one in question.predictions:
        if one.answer in events:
            event, probability = events[one.answer], one.probability
        elif one.set_id in with_yes:
            continue  # "No" duplicates "Yes".
        else:
            event, probability = "", 1.0 - one.probability
        yield one.member, f"{key}{event}", one.time, math.inf, probability


def _events(question: _Question) -> dict[str, str]:
    """The answers treated as separate questions, with the suffix of each for the question's id."""
    names = {name.lower() for name in question.answers}
    if names <= {_YES, _NO}:
        yes = [name for name in question.answers if name.lower() == _YES]
        return dict.fromkeys(yes or ("Yes",), "")
    if len(question.answers) == 1:
        return dict.fromkeys(question.answers, "")
    return {name: f"|{number}" for number, name in enumerate(question.answers, start=1)}


def _panel_question(key: str, question: _Question, answer: str) -> PanelQuestion:
    row = question.answers.get(answer)
    event = _events(question)[answer]
    if row is None:  # only "No" was predicted
        row = next(iter(question.answers.values()))
        outcome = 1.0 - _outcome(row)
    else:
        outcome = _outcome(row)
    title = row.text("question_name") or f"Question {key}"
    known = (
        "answer_correctness_known_at",
        "question_correctness_known_at",
        "answer_resolved_at",
        "question_resolved_at",
    )
    return PanelQuestion(
        id=f"{key}{event}",
        title=title if answer.lower() == _YES else f"{title} ({answer})",
        outcome=outcome,
        opens=_first_time(row, ("question_published_at", "question_starts_at")),
        closes=row.time("question_ends_at"),
        resolved=math.nan if math.isnan(outcome) else _first_time(row, known),
    )


def _outcome(row: Row) -> float:
    if row.text("question_voided_at"):
        row.notes.adjust("voided questions, imported without outcome", row.place)
        return math.nan
    if not row.text("answer_resolved_probability"):
        return math.nan
    value = row.probability("answer_resolved_probability")
    if value in {0.0, 1.0}:
        return value
    row.notes.adjust("answers resolved between no and yes, imported without outcome", row.place)
    return math.nan


def _first_time(row: Row, columns: Iterable[str]) -> float:
    return next((time for column in columns if not math.isnan(time := row.time(column))), math.nan)


def _question_key(row: Row) -> str:
    # A question published on several sites counts as one question.
    return row.text("discover_question_id", "question_id", required=True)


def _answer_name(row: Row, names: Mapping[str, str]) -> str:
    answer_id = row.text("answer_id")
    return row.text("answer_name") or names.get(answer_id) or f"answer {answer_id}"


def _predictions(source: Source) -> Iterator[Row]:
    for name in source.names:
        if _holds(source, name) != "predictions":
            continue
        if source.header(name):
            yield from _renamed(source, name)
            continue
        for one in _prediction_sets(source, name):
            for prediction in nested(one, "predictions", "prediction"):
                yield _with_set(one, prediction)


def _prediction_sets(source: Source, name: str) -> Iterator[Record]:
    if source.keys(name) >= _SET:
        yield from records(source, name, "prediction set")
        return
    for page in records(source, name, "page"):
        yield from nested(page, _SETS, "prediction set")


def _with_set(one: Record, prediction: Record) -> Row:
    """A prediction with the values of its set, under the column names of a table."""
    values = {key: value for key, value in one.values.items() if not isinstance(value, dict | list)}
    together = merged(one, **prediction.values)
    return merged(
        together,
        **{
            key: values.get(key) for key in ("question_id", "discover_question_id") if key in values
        },
        prediction_set_id=values.get("id"),
        prediction_set_created_at=values.get("created_at"),
    )


def _answers(source: Source) -> Iterator[Row]:
    """The data about answers in files other than predictions."""
    for name in source.names:
        match _holds(source, name):
            case "questions" if source.header(name):
                yield from _renamed(source, name)
            case "questions":
                for question in _listed_questions(source, name):
                    yield from _answers_of(question)
            case "predictions" if not source.header(name):
                for one in _prediction_sets(source, name):
                    if isinstance(values := one.values.get("question"), dict):
                        yield from _answers_of(merged(one, **values))


def _listed_questions(source: Source, name: str) -> Iterator[Record]:
    if source.keys(name) >= _QUESTION:
        yield from records(source, name, "question")
        return
    for page in records(source, name, "page"):
        yield from nested(page, "questions", "question")


def _answers_of(question: Record) -> Iterator[Row]:
    values = question.values
    shared = {f"question_{key}": values.get(key) for key in _QUESTION_FIELDS}
    shared |= {
        "question_id": values.get("id"),
        "discover_question_id": values.get("discover_question_id"),
    }
    for answer in nested(question, "answers", "answer"):
        known: dict[str, Any] = dict(answer.values)
        resolved = known.get("resolved_at") or values.get("resolved?") or values.get("resolved_at")
        yield merged(
            question,
            **shared,
            answer_id=known.get("id"),
            answer_name=known.get("name"),
            answer_resolved_at=known.get("resolved_at"),
            answer_correctness_known_at=known.get("correctness_known_at"),
            answer_resolved_probability=known.get("probability") if resolved else None,
        )


def _columns(header: Iterable[str]) -> dict[str, str]:
    """Columns under their API names: "Question ID" is question_id."""
    return {re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_"): column for column in header}


def _renamed(source: Source, name: str) -> Iterator[Row]:
    """The rows of a table under those names, with ISO 8601 times."""
    columns = _columns(source.header(name))
    for row in source.table(name, ()):
        cells = {key: row.cells[column] for key, column in columns.items()}
        for key, text in cells.items():
            if text.endswith(_UTC) and text[:1].isdigit():
                cells[key] = f"{text.removesuffix(_UTC)}Z"
        yield replace(row, cells=cells)


PLATFORM: Final = Platform(
    name="Good Judgment Open, INFER or another site of Cultivate Forecasts",
    files="prediction sets of the API as JSON, or a CSV file with the columns "
    f"{', '.join(sorted(_PREDICTION))}; questions in another file of the same folder",
    recognises=_recognises,
    read=_read,
)
