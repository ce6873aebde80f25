"""ForecastBench: question sets, forecast sets and resolution sets, each a JSON file.

A question about a data set has several dates, each of which is imported as a question; one about a
market is a single question. Combinations of two questions are omitted.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from forecasting.csv_io import PanelError, Row
from forecasting.panel import Panel, PanelQuestion
from service.exchange.platforms.platform import FLAGS, Platform, forecaster
from service.exchange.platforms.records import Record, merged, nested, records
from service.exchange.platforms.source import Source

_SET_NAMES: Final = ("question_set", "question-set")
_DUE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_NONE: Final = "N/A"
_COMBINATIONS: Final = "combination questions"


@dataclass(frozen=True, slots=True)
class _Key:
    """The key of a question; `date` and `due` are "" for questions about markets."""

    source: str
    id: str
    due: str = ""
    date: str = ""

    @property
    def question_id(self) -> str:
        """The id of the question; ids for the same data set share the part before the bar."""
        name = f"{self.source}:{self.id}"
        return f"{name}:{self.due}|{self.date}" if self.date else name


Resolutions = dict[_Key, list[Row]]


def _recognises(source: Source) -> bool:
    return any(_kind(source, name) for name in source.names)


def _kind(source: Source, name: str) -> str:
    """The kind of set in a file, or "" if it has none."""
    keys = source.keys(name)
    if keys.isdisjoint((*_SET_NAMES, "forecast_due_date")):
        return ""
    return next((kind for kind in ("forecasts", "resolutions", "questions") if kind in keys), "")


def _read(source: Source) -> Panel:
    source.dialect = replace(source.dialect, missing=(*source.dialect.missing, _NONE))
    if all(_kind(source, name) in {"", "resolutions"} for name in source.names):
        raise PanelError(
            f"{source.path}: only resolutions; the forecast sets, or the question set, belong in "
            "the same folder"
        )
    forecasts = _forecasts(source)
    resolutions = _resolutions(source)
    for (_, key, _), row in forecasts.items():
        if row.text("resolved"):
            resolutions.setdefault(key, [row])
    questions = _questions(source, resolutions)
    for (_, key, _), row in forecasts.items():
        if key not in questions:
            row.notes.adjust(
                "questions that are in no question set: the id is the title", row.place
            )
            questions[key] = _question(key, key.question_id, row, resolutions.get(key, []))
    return Panel.of(
        forecasts=[
            (
                person,
                key.question_id,
                row.past("forecast_due_date"),
                math.inf,
                row.probability("forecast"),
            )
            for (person, key, _), row in forecasts.items()
        ],
        questions=questions.values(),
    )


def _sets(source: Source, kind: str) -> Iterator[Record]:
    """The sets of a kind, with the due date of their forecasts."""
    for name in source.names:
        if _kind(source, name) != kind:
            continue
        for one in records(source, name, "set"):
            due = one.text("forecast_due_date", "forecast_date") or one.text(*_SET_NAMES)[:10]
            if not _DUE.fullmatch(due):
                raise one.error(
                    "forecast_due_date",
                    "missing, and question_set does not begin with a date such as 2026-03-31",
                )
            yield merged(one, forecast_due_date=due)


def _items(source: Source, kind: str) -> Iterator[Record]:
    """The items of all sets of a kind that concern a single question."""
    for one in _sets(source, kind):
        for item in nested(one, kind, kind.removesuffix("s")):
            if isinstance(item.values.get("id"), list):
                item.notes.leave_out(
                    _COMBINATIONS if kind == "questions" else f"{kind} on {_COMBINATIONS}",
                    item.place,
                )
                continue
            shared = {
                key: one.values.get(key) for key in ("organization", "model", "forecast_due_date")
            }
            yield merged(
                item, **{**shared, **item.values, "forecast_due_date": shared["forecast_due_date"]}
            )


def _key(row: Row, date: str) -> _Key:
    source, question = row.text("source", required=True), row.text("id", required=True)
    return (
        _Key(source, question, row.text("forecast_due_date"), date)
        if date
        else _Key(source, question)
    )


def _resolutions(source: Source) -> Resolutions:
    """The resolution rows of each question, keyed by date; markets have no date."""
    found: Resolutions = {}
    for item in _items(source, "resolutions"):
        for date in (item.text("resolution_date"), ""):
            found.setdefault(_key(item, date), []).append(item)
    return found


def _questions(source: Source, resolutions: Resolutions) -> dict[_Key, PanelQuestion]:
    questions: dict[_Key, PanelQuestion] = {}
    for item in _items(source, "questions"):
        listed = item.values.get("resolution_dates")
        for date in listed if isinstance(listed, list) else [""]:
            key = _key(item, str(date))
            title = item.text("question", required=True)
            if key.date:
                title = title.replace("{resolution_date}", key.date)
                title = title.replace("{forecast_due_date}", key.due)
            questions[key] = _question(key, title, item, resolutions.get(key, []))
    return questions


def _question(key: _Key, title: str, item: Row, known: list[Row]) -> PanelQuestion:
    outcome, resolved = _outcome(known)
    return PanelQuestion(
        id=key.question_id,
        title=title,
        outcome=outcome,
        opens=_day(item, key.due) if key.date else item.time("market_info_open_datetime"),
        closes=_day(item, key.date) if key.date else item.time("market_info_close_datetime"),
        resolved=resolved,
        domain=key.source,
    )


def _day(item: Row, date: str) -> float:
    return replace(item, cells={"resolution_date": date}).time("resolution_date")


def _outcome(known: list[Row]) -> tuple[float, float]:
    """The outcome and when it was known, from the rows marked as resolved."""
    for row in known:
        if row.choice("resolved", FLAGS):
            if row.text("resolved_to") in {"", "nan"}:
                row.notes.adjust("annulled questions, imported without outcome", row.place)
            elif (value := row.probability("resolved_to")) in {0.0, 1.0}:
                return value, row.time("resolution_date")
            else:
                row.notes.adjust(
                    "questions resolved between no and yes, imported without outcome", row.place
                )
            return math.nan, math.nan
    return math.nan, math.nan


def _forecasts(source: Source) -> dict[tuple[str, _Key, str], Row]:
    """The last forecast of each forecaster on each question, by due date."""
    forecasts: dict[tuple[str, _Key, str], Row] = {}
    for item in _items(source, "forecasts"):
        if not item.text("forecast"):
            item.notes.leave_out("rows without a forecast", item.place)
        elif item.choice("imputed", FLAGS):
            item.notes.leave_out("forecasts that ForecastBench filled in", item.place)
        else:
            date = item.text("resolution_date")
            key = _key(item, "" if date == _NONE else date)
            place = (_forecaster(item), key, item.text("forecast_due_date"))
            if earlier := forecasts.get(place):
                item.notes.leave_out(
                    "forecasts that a later one for the same day replaces", earlier.place
                )
            forecasts[place] = item
    return forecasts


def _forecaster(item: Record) -> str:
    if all(item.text(key) for key in ("organization", "model")) and not item.text("user_id"):
        item = merged(item, model=f"{item.text('organization')}/{item.text('model')}")
    return forecaster(item, "user_id", "model", "organization")


PLATFORM: Final = Platform(
    name="ForecastBench",
    files="question sets, forecast sets and resolution sets as JSON",
    recognises=_recognises,
    read=_read,
)
