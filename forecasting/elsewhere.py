"""What other platforms export, read as panels: Metaculus, Fatebook and PredictionBook.

Which of them an export is from is told by what it holds. docs/import.md says what is made of it,
and where its form is described. A question whose answer is neither yes nor no has no outcome; those
that ask for something else than a yes or a no are left out, and counted.
"""

import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forecasting import tables
from forecasting.panel import Panel, PanelQuestion
from forecasting.tables import ISO, PanelError, Times, located, moment

Row = dict[str, str]
Forecast = tuple[str, str, float, float, float]

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
    "Forecaster Count",
    "Probability Yes",
)
_FORECASTERS: Final = ("Forecaster Username", "Forecaster ID", "Forecaster (Anonymized)")
_FATEBOOK_COLUMNS: Final = (
    "Question title",
    "Forecast created by",
    "Forecast (scale = 0-1)",
    "Forecast created at",
    "Question created by",
    "Question created at",
    "Question resolve by",
    "Resolution",
    "Resolved at",
)
_OPTION: Final = "Multiple choice option"
_PREDICTIONBOOK_COLUMNS: Final = (
    "question_id",
    "user_id",
    "probability",
    "timestamp",
    "outcome",
    "open_time",
    "close_time",
    "resolve_time",
)
_OUTCOMES: Final = {
    "metaculus": {"yes": 1.0, "no": 0.0, "ambiguous": math.nan, "annulled": math.nan},
    "fatebook": {"YES": 1.0, "NO": 0.0, "AMBIGUOUS": math.nan, "OTHER": math.nan},
    "predictionbook": {"1.0": 1.0, "0.0": 0.0, "-1.0": math.nan, "1": 1.0, "0": 0.0},
}
_UNPADDED: Final = re.compile(r"([0-9-]{10}) ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Export:
    """An export: its forecasts, what it is from, and how many questions were left out."""

    panel: Panel
    origin: str
    left_out: int = 0


def read(path: Path, times: Times = ISO) -> Export:
    """Read an export, or a folder in our own format.

    Args:
        path: a folder with forecasts.csv and questions.csv; Metaculus's ZIP, or a folder of what is
            in it; or a CSV file of Fatebook or of PredictionBook.
        times: how times are written in a folder of our own format.

    Raises:
        PanelError: anything missing, malformed or contradictory, with file, line and reason.
    """
    if path.is_dir():
        if not (path / QUESTIONS).exists():
            return Export(Panel.read(path, times), "a folder of forecasts")
        return _metaculus(
            (str(path / QUESTIONS), tables.rows(path / QUESTIONS, _QUESTION_COLUMNS)),
            (str(path / FORECASTS), tables.rows(path / FORECASTS, _FORECAST_COLUMNS)),
        )
    if path.exists() and zipfile.is_zipfile(path):
        return _metaculus(
            (f"{path}/{QUESTIONS}", _packed(path, QUESTIONS, _QUESTION_COLUMNS)),
            (f"{path}/{FORECASTS}", _packed(path, FORECASTS, _FORECAST_COLUMNS)),
        )
    first = next(tables.rows(path, ()), None)
    header = set(first[1]) if first else set()
    if set(_FATEBOOK_COLUMNS) <= header:
        return _fatebook(path)
    if set(_PREDICTIONBOOK_COLUMNS) <= header:
        return _predictionbook(path)
    raise PanelError(
        f"{path}:1: this is neither an export of Fatebook (with the columns "
        f"{', '.join(_FATEBOOK_COLUMNS)}) nor of PredictionBook (with the columns "
        f"{', '.join(_PREDICTIONBOOK_COLUMNS)}), or it has no rows"
    )


def _packed(path: Path, name: str, required: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """The rows of a file in a ZIP, in whatever folder there."""
    try:
        with zipfile.ZipFile(path) as packed:
            found = [one for one in packed.namelist() if Path(one).name == name]
            if len(found) != 1:
                raise PanelError(f"{path}: holds {len(found)} files {name}; Metaculus's has one")
            with (
                packed.open(found[0]) as raw,
                io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file,
            ):
                yield from tables.rows_of(f"{path}/{name}", file, required)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise PanelError(f"{path}/{name}: {error}") from error


Table = tuple[str, Iterable[tuple[int, Row]]]


def _metaculus(questions: Table, forecasts: Table) -> Export:
    asked, left_out = _metaculus_questions(*questions)
    place, rows = forecasts
    made: list[Forecast] = []
    for line, row in rows:
        name = row["Question ID"].strip()
        if row["Forecaster Count"].strip() or name in left_out:
            continue  # an aggregate, or of a question that has no yes or no
        if name not in asked:
            raise PanelError(f"{place}:{line}: Question ID: {name!r} is not in {QUESTIONS}")
        start = _time(place, line, row, "Start Time", required=True)
        ends = _time(place, line, row, "End Time")
        if ends < start:
            raise PanelError(f"{place}:{line}: End Time: before the Start Time")
        until = math.inf if math.isnan(ends) else ends
        chance = _probability(place, line, row, "Probability Yes")
        made.append((_person(place, line, row, _FORECASTERS), name, start, until, chance))
    begun = {one[:3] for one in made}
    panel = Panel.of(
        # What ends as the forecaster's next begins is superseded, and was not taken back.
        forecasts=[
            (*one[:3], math.inf if (*one[:2], one[3]) in begun else one[3], one[4]) for one in made
        ],
        questions=asked.values(),
    )
    return Export(panel, "Metaculus", len(left_out))


def _metaculus_questions(
    place: str, rows: Iterable[tuple[int, Row]]
) -> tuple[dict[str, PanelQuestion], set[str]]:
    asked: dict[str, PanelQuestion] = {}
    left_out: set[str] = set()
    for line, row in rows:
        name = row["Question ID"].strip()
        if not name or name in asked or name in left_out:
            raise PanelError(f"{place}:{line}: Question ID: {name!r} is empty or there already")
        if row["Question Type"].strip() != "binary":
            left_out.add(name)
            continue
        label = row.get("Label", "").strip()
        outcome = _outcome(place, line, row, "Resolution", "metaculus")
        known = _time(place, line, row, "Resolution Known Time")
        asked[name] = PanelQuestion(
            id=name,
            title=f"{row['Question Title']} ({label})" if label else row["Question Title"],
            outcome=outcome,
            opens=_time(place, line, row, "Open Time"),
            closes=_time(place, line, row, "Scheduled Close Time"),
            resolved=math.nan if math.isnan(outcome) else known,
        )
    return asked, left_out


def _fatebook(path: Path) -> Export:
    place = str(path)
    asked: dict[tuple[str, ...], PanelQuestion] = {}
    made: list[Forecast] = []
    for line, row in tables.rows(path, _FATEBOOK_COLUMNS):
        title, option = row["Question title"].strip(), row.get(_OPTION, "").strip()
        outcome = _outcome(place, line, row, "Resolution", "fatebook")
        known = _time(place, line, row, "Resolved at")
        key = (title, option, row["Question created at"], row["Question created by"])
        told = PanelQuestion(
            id=asked[key].id if key in asked else str(len(asked) + 1),
            title=f"{title} ({option})" if option else title,
            outcome=outcome,
            opens=_time(place, line, row, "Question created at", required=True),
            closes=_time(place, line, row, "Question resolve by"),
            resolved=math.nan if math.isnan(outcome) else known,
        )
        _agree(place, line, asked.setdefault(key, told), told)
        made.append(
            (
                _person(place, line, row, ("Forecast created by",)),
                told.id,
                _time(place, line, row, "Forecast created at", required=True),
                math.inf,
                _probability(place, line, row, "Forecast (scale = 0-1)"),
            )
        )
    return Export(Panel.of(forecasts=made, questions=asked.values()), "Fatebook")


def _predictionbook(path: Path) -> Export:
    place, beside = str(path), path.with_name("questions.csv")
    titles: dict[str, str] = {}
    if beside.exists():
        titles = {
            row["question_id"]: row["q_title"]
            for _, row in tables.rows(beside, ("question_id", "q_title"))
        }
    asked: dict[str, PanelQuestion] = {}
    made: list[Forecast] = []
    for line, row in tables.rows(path, _PREDICTIONBOOK_COLUMNS):
        name = row["question_id"].strip()
        if not name:
            raise PanelError(f"{place}:{line}: question_id: empty, every forecast needs one")
        outcome = _outcome(place, line, row, "outcome", "predictionbook")
        known = _time(place, line, row, "resolve_time")
        told = PanelQuestion(
            id=name,
            title=titles.get(name) or f"PredictionBook, prediction {name}",
            outcome=outcome,
            opens=_time(place, line, row, "open_time"),
            closes=_time(place, line, row, "close_time"),
            resolved=math.nan if math.isnan(outcome) else known,
        )
        _agree(place, line, asked.setdefault(name, told), told)
        made.append(
            (
                _person(place, line, row, ("user_id",)),
                name,
                _time(place, line, row, "timestamp", required=True),
                math.inf,
                _probability(place, line, row, "probability"),
            )
        )
    return Export(Panel.of(forecasts=made, questions=asked.values()), "PredictionBook")


def _agree(place: str, line: int, first: PanelQuestion, told: PanelQuestion) -> None:
    """Refuse a row that says something else of its question than the first row of it."""
    if repr(first) != repr(told):  # nan is not equal to nan
        raise PanelError(
            f"{place}:{line}: another outcome or other times of {told.title!r} than in a row before"
        )


def _person(place: str, line: int, row: Row, columns: Sequence[str]) -> str:
    found = next((row[column].strip() for column in columns if row.get(column, "").strip()), None)
    if found is None:
        raise PanelError(f"{place}:{line}: {' or '.join(columns)}: empty, every forecast needs one")
    # An anonymous forecaster is a digest of 64 digits; so many are enough to tell them apart.
    return found[:16] if re.fullmatch(r"[0-9a-f]{64}", found) else found


def _outcome(place: str, line: int, row: Row, column: str, platform: str) -> float:
    told, known = row[column].strip(), _OUTCOMES[platform]
    if told not in {"", "None", *known}:
        raise PanelError(f"{place}:{line}: {column}: {told!r} is none of {', '.join(known)}")
    return known.get(told, math.nan)


def _time(place: str, line: int, row: Row, column: str, *, required: bool = False) -> float:
    told = row[column].strip()
    if told in {"", "None", "NaT"}:
        if required:
            raise PanelError(f"{place}:{line}: {column}: empty, and it is needed")
        return math.nan
    if parts := _UNPADDED.fullmatch(told):
        day, *clock = parts.groups()
        told = f"{day} {':'.join(part.zfill(2) for part in clock)}"
    with located(place, line, column):
        return moment(told)


def _probability(place: str, line: int, row: Row, column: str) -> float:
    with located(place, line, column):
        return tables.probability(row[column].strip())
