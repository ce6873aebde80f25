"""Metaculus's data export: question_data.csv and forecast_data.csv, in a ZIP archive or a folder.

Columns have changed since 2024; only those common to all versions are required.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from forecasting.csv_io import Notes, Row
from forecasting.panel import Panel, PanelQuestion
from service.exchange.platforms.platform import Forecast, Platform, agree, collect, forecaster
from service.exchange.platforms.source import Source

QUESTIONS: Final = "question_data.csv"
FORECASTS: Final = "forecast_data.csv"
_QUESTION_COLUMNS: Final = (
    "Question ID",
    "Question Title",
    "Question Type",
    "Open Time",
    "Scheduled Close Time",
    "Resolution",
    "Resolution Known Time",
)
_FORECAST_COLUMNS: Final = (
    "Question ID",
    "Start Time",
    "End Time",
    "Probability Yes",
)
_FORECASTERS: Final = ("Forecaster Username", "Forecaster ID", "Forecaster (Anonymized)")
_OUTCOMES: Final = {
    "yes": 1.0,
    "no": 0.0,
    "ambiguous": math.nan,
    "annulled": math.nan,
    "": math.nan,
    "None": math.nan,
}
_OTHER_TYPES: Final = ("numeric", "date", "discrete", "multiple_choice")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_DIGEST_SHOWN: Final = 16


def _read(source: Source) -> Panel:
    source.dialect = replace(source.dialect, missing=(*source.dialect.missing, "None"))
    asked, left_out = _questions(source.table(QUESTIONS, _QUESTION_COLUMNS), source.notes)
    made: dict[Forecast, None] = {}
    for row in source.table(FORECASTS, _FORECAST_COLUMNS):
        if _is_aggregate(row):
            row.notes.leave_out("aggregates of Metaculus, which are not forecasts", row.place)
            continue
        question = row.text("Question ID", required=True)
        if question in left_out:
            row.notes.leave_out("forecasts on questions that are left out", row.place)
            continue
        if question not in asked:
            raise row.error("Question ID", f"{question!r} is not in {QUESTIONS}")
        start = row.past("Start Time")
        ends = row.time("End Time")
        if ends < start:
            raise row.error("End Time", "before the Start Time")
        until = math.inf if math.isnan(ends) else ends
        person = forecaster(row, *_FORECASTERS)
        # An anonymous forecaster is a digest of 64 digits; a prefix is enough to distinguish them.
        person = person[:_DIGEST_SHOWN] if _DIGEST.fullmatch(person) else person
        collect(made, (person, question, start, until, row.probability("Probability Yes")), row)
    begun = {one[:3] for one in made}
    return Panel.of(
        # A forecast that ends as the forecaster's next begins is superseded, not withdrawn.
        forecasts=[
            (*one[:3], math.inf if (*one[:2], one[3]) in begun else one[3], one[4]) for one in made
        ],
        questions=asked.values(),
    )


def _is_aggregate(row: Row) -> bool:
    """Whether a row is an aggregate by Metaculus: it has a number of forecasters, or a method."""
    if row.text("Forecaster Count"):
        return True
    if "Forecaster ID" in row.cells:
        return not row.text("Forecaster ID") and row.text("Forecaster Username") != ""
    anonymous = row.text("Forecaster (Anonymized)")
    return anonymous != "" and not _DIGEST.fullmatch(anonymous)


def _questions(rows: Iterable[Row], notes: Notes) -> tuple[dict[str, PanelQuestion], set[str]]:
    asked: dict[str, PanelQuestion] = {}
    left_out: set[str] = set()
    for row in rows:
        name = row.text("Question ID", required=True)
        kind = row.text("Question Type")
        if kind != "binary":
            notes.leave_out(
                f"questions of type {kind if kind in _OTHER_TYPES else 'unknown'}", row.place
            )
            left_out.add(name)
            continue
        title, label = row.text("Question Title"), row.text("Label")
        outcome = row.choice("Resolution", _OUTCOMES)
        known = row.time("Resolution Known Time")
        question = PanelQuestion(
            id=name,
            title=f"{title} ({label})" if label else title,
            outcome=outcome,
            opens=row.time("Open Time"),
            closes=row.time("Scheduled Close Time"),
            resolved=math.nan if math.isnan(outcome) else known,
        )
        agree(row.place, asked.setdefault(name, question), question)
    return asked, left_out


PLATFORM: Final = Platform(
    name="Metaculus",
    files=f"a ZIP archive or a folder with {QUESTIONS} and {FORECASTS}",
    recognises=lambda source: {QUESTIONS, FORECASTS} <= set(source.names),
    read=_read,
)
