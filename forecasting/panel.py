"""A panel of forecasts: validated arrays, read from and written to a folder of two CSV files.

Three axes are used. ``(forecast,)`` runs over forecasts in the order in which they were given,
``(question,)`` and ``(forecaster,)`` over questions and forecasters. Calendar times are seconds
since 1970 in UTC; in a panel of rounds, forecasts carry whole round numbers instead.
"""

import csv
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import numpy as np

from forecasting import csv_io
from forecasting.csv_io import EPOCH, Dialect, PanelError, Row
from forecasting.files import replacing
from forecasting.spreadsheets import guarded, unguarded
from forecasting.types import FloatArray, IntArray, frozen

FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Fractions of a question's life at which the model sees its forecasts."""

_NAN = float("nan")
_ROUND = re.compile(r"[0-9]{1,15}", re.ASCII)
_ROUNDS_BELOW = 10_000
FORECAST_COLUMNS = ("forecaster_id", "question_id", "time", "probability")
_QUESTION_TIMES = ("open_time", "close_time", "resolve_time")
QUESTION_COLUMNS = ("question_id", "title", "outcome", *_QUESTION_TIMES, "domain")


@dataclass(frozen=True, slots=True)
class PanelQuestion:
    """A question of a panel: times in seconds since 1970 UTC, nan where unknown.

    Attributes:
        id: unique within the panel.
        title: title of the question.
        outcome: 1 for yes, 0 for no, nan while unknown.
        opens: when forecasting began.
        closes: when forecasting was scheduled to end.
        resolved: when the outcome became known.
        as_of: the time for which to compute the aggregate.
        domain: group of similar questions, or "".
    """

    id: str
    title: str = ""
    outcome: float = _NAN
    opens: float = _NAN
    closes: float = _NAN
    resolved: float = _NAN
    as_of: float = _NAN
    domain: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Snapshots:
    """Standing forecasts on resolved questions at chosen times: the training rows of the model.

    Attributes:
        question: index of the question, ``(snapshot,)``.
        outcome: 0 or 1, ``(snapshot,)``.
        weight: one over the number of the question's snapshots, ``(snapshot,)``.
        at: the time or round; nan for the final forecasts, ``(snapshot,)``.
        start: first row of each snapshot, ``(snapshot,)``.
        end: one past its last row, ``(snapshot,)``.
        forecaster: index of the forecaster, ``(row,)``, rows in the order of the snapshots.
        probability: in [0, 1], ``(row,)``.
        time: when the forecast was made, nan when untimed, ``(row,)``.
    """

    question: IntArray
    outcome: FloatArray
    weight: FloatArray
    at: FloatArray
    start: IntArray
    end: IntArray
    forecaster: IntArray
    probability: FloatArray
    time: FloatArray


@dataclass(frozen=True, eq=False)
class Panel:
    """Validated, read-only forecasts on questions.

    Attributes:
        forecasters: names, ``(forecaster,)``.
        questions: names, ``(question,)``.
        titles: ``(question,)``.
        domains: distinct names; "" stands for none.
        forecaster: index of the forecaster, ``(forecast,)``.
        question: index of the question, ``(forecast,)``.
        time: seconds since 1970 UTC, or the round; nan throughout if untimed, ``(forecast,)``.
        until: when it was withdrawn or expired, inf if never, ``(forecast,)``.
        probability: in [0, 1], ``(forecast,)``.
        outcome: 0, 1, or nan while unknown, ``(question,)``.
        opens: seconds since 1970 UTC or nan, ``(question,)``.
        closes: scheduled close, likewise.
        resolved: when the outcome became known, likewise.
        as_of: the time for which to compute the aggregate, likewise.
        domain: index into domains, ``(question,)``.
        rounds: whether ``time`` holds round numbers.

    Raises:
        PanelError: invalid shapes, indices, names or values.
    """

    forecasters: tuple[str, ...]
    questions: tuple[str, ...]
    titles: tuple[str, ...]
    domains: tuple[str, ...]
    forecaster: IntArray
    question: IntArray
    time: FloatArray
    until: FloatArray
    probability: FloatArray
    outcome: FloatArray
    opens: FloatArray
    closes: FloatArray
    resolved: FloatArray
    as_of: FloatArray
    domain: IntArray
    rounds: bool = False

    def __post_init__(self) -> None:
        for name in ("forecasters", "questions", "titles", "domains"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("forecaster", "question", "domain"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.int64))
        for name in (*_FORECAST_FLOATS, *_QUESTION_FLOATS):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        self._check_names()
        self._check_shapes()
        self._check_values()

    def _check_names(self) -> None:
        for label in ("forecasters", "questions", "domains"):
            names = getattr(self, label)
            if len(set(names)) != len(names):
                repeated = next(name for name in names if names.count(name) > 1)
                raise PanelError(f"{label}: {repeated!r} appears twice, names must be unique")
            if label != "domains" and "" in names:
                raise PanelError(f"{label}: an empty name; every one needs text")
        if len(self.titles) != len(self.questions):
            raise PanelError(f"{len(self.titles)} titles for {len(self.questions)} questions")

    def _check_shapes(self) -> None:
        forecasts, questions = (self.forecaster.size,), (len(self.questions),)
        shapes = dict.fromkeys(("forecaster", "question", *_FORECAST_FLOATS), forecasts)
        shapes |= dict.fromkeys(("domain", *_QUESTION_FLOATS), questions)
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise PanelError(f"{name} has shape {getattr(self, name).shape}, not {shape}")
        for name, size in (
            ("forecaster", len(self.forecasters)),
            ("question", len(self.questions)),
            ("domain", len(self.domains)),
        ):
            index = getattr(self, name)
            if index.size and (index.min() < 0 or index.max() >= size):
                raise PanelError(f"{name} has an index outside [0, {size})")

    def _check_values(self) -> None:
        outside = ~((self.probability >= 0.0) & (self.probability <= 1.0))
        if outside.any():
            row = int(np.argmax(outside))
            raise PanelError(
                f"forecast {row} on {self.questions[self.question[row]]!r}: probability "
                f"{self.probability[row]} is outside [0, 1]"
            )
        odd = ~(np.isnan(self.outcome) | (self.outcome == 0.0) | (self.outcome == 1.0))
        if odd.any():
            name = self.questions[int(np.argmax(odd))]
            raise PanelError(f"question {name!r}: an outcome is 0, 1 or nan")
        for name in ("time", "opens", "closes", "resolved", "as_of"):
            if np.isinf(getattr(self, name)).any():
                raise PanelError(f"{name} has an infinite value: use nan where it is unknown")
        untimed = np.isnan(self.time)
        if untimed.any() and not untimed.all():
            raise PanelError("times for only some forecasts: give all of them or none")
        if np.isnan(self.until).any():
            raise PanelError("until has a nan: use inf for a forecast that was never taken back")

    @classmethod
    def of(
        cls,
        *,
        forecasts: Iterable[tuple[str, str, float, float, float]],
        questions: Iterable[PanelQuestion],
        rounds: bool = False,
    ) -> "Panel":
        """Build a panel from plain rows.

        Args:
            forecasts: (forecaster, question, time, until, probability), see the attributes.
            questions: every question with forecasts, and any others.
            rounds: whether the times are round numbers.

        Raises:
            PanelError: a forecast on an unknown question, or an invalid panel.
        """
        asked = list(questions)
        position = {question.id: index for index, question in enumerate(asked)}
        people: dict[str, int] = {}
        forecaster, question, numbers = [], [], []
        for person, name, *rest in forecasts:
            if name not in position:
                raise PanelError(f"a forecast by {person!r} is on {name!r}, which is no question")
            forecaster.append(people.setdefault(person, len(people)))
            question.append(position[name])
            numbers.append(rest)
        time, until, probability = np.array(numbers, dtype=np.float64).reshape(-1, 3).T
        domains = {name: index for index, name in enumerate(dict.fromkeys(q.domain for q in asked))}
        return cls(
            forecasters=tuple(people),
            questions=tuple(item.id for item in asked),
            titles=tuple(item.title for item in asked),
            domains=tuple(domains),
            forecaster=np.array(forecaster, dtype=np.int64),
            question=np.array(question, dtype=np.int64),
            time=time,
            until=until,
            probability=probability,
            outcome=np.array([item.outcome for item in asked]),
            opens=np.array([item.opens for item in asked]),
            closes=np.array([item.closes for item in asked]),
            resolved=np.array([item.resolved for item in asked]),
            as_of=np.array([item.as_of for item in asked]),
            domain=np.array([domains[item.domain] for item in asked], dtype=np.int64),
            rounds=rounds,
        )

    @classmethod
    def read(cls, folder: str | os.PathLike[str], dialect: Dialect | None = None) -> "Panel":
        """Read ``forecasts.csv`` (or ``.csv.gz``) and ``questions.csv`` of a folder.

        Args:
            folder: the folder with the files.
            dialect: their CSV dialect, if it differs from the default.

        Raises:
            PanelError: anything missing, malformed or contradictory, with file, line and reason.
        """
        root = Path(folder)
        plain, packed = root / "forecasts.csv", root / "forecasts.csv.gz"
        if plain.exists() and packed.exists():
            raise PanelError(f"{plain} and {packed} both exist: keep one")
        source = packed if packed.exists() else plain
        return cls.of_rows(
            csv_io.rows(root / "questions.csv", QUESTION_COLUMNS, dialect),
            csv_io.rows(source, FORECAST_COLUMNS, dialect),
        )

    @classmethod
    def of_rows(cls, questions: Iterable[Row], forecasts: Iterable[Row]) -> "Panel":
        """Build a panel from the rows of ``questions.csv`` and of ``forecasts.csv``.

        Raises:
            PanelError: anything malformed or contradictory, with file, line and reason.
        """
        asked = list(_read_questions(questions))
        made, rounds = _read_forecasts(forecasts, {question.id for question in asked})
        return cls.of(forecasts=made, questions=asked, rounds=rounds)

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write ``forecasts.csv`` and ``questions.csv``; on an error, neither is written.

        The column ``until_time`` is added if any forecast was withdrawn or has expired.

        Raises:
            PanelError: the folder contains a ``forecasts.csv.gz``, which would be ambiguous.
            OSError: the folder cannot be written.
        """
        root = Path(folder)
        if (root / "forecasts.csv.gz").exists():
            raise PanelError(f"{root / 'forecasts.csv.gz'} exists: write to another folder")
        root.mkdir(parents=True, exist_ok=True)
        with replacing(root / "forecasts.csv", root / "questions.csv") as files:
            for path, rows in zip(
                files, (self._forecast_rows(), self._question_rows()), strict=True
            ):
                with path.open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file, lineterminator="\n").writerows(rows)

    def _forecast_rows(self) -> Iterator[Sequence[str]]:
        taken_back = bool(np.isfinite(self.until).any())
        yield (*FORECAST_COLUMNS, *(("until_time",) if taken_back else ()))
        for row in range(self.forecaster.size):
            moment = float(self.time[row])
            cells = (
                guarded(self.forecasters[self.forecaster[row]]),
                guarded(self.questions[self.question[row]]),
                f"{moment:.0f}" if self.rounds else _written(moment),
                repr(float(self.probability[row])),
            )
            yield (*cells, *((_written(float(self.until[row])),) if taken_back else ()))

    def _question_rows(self) -> Iterator[Sequence[str]]:
        yield (*QUESTION_COLUMNS, "as_of")
        for index, name in enumerate(self.questions):
            outcome = self.outcome[index]
            yield (
                guarded(name),
                guarded(self.titles[index]),
                "" if np.isnan(outcome) else f"{outcome:.0f}",
                _written(float(self.opens[index])),
                _written(float(self.closes[index])),
                _written(float(self.resolved[index])),
                guarded(self.domains[self.domain[index]]),
                _written(float(self.as_of[index])),
            )

    @cached_property
    def data_hash(self) -> str:
        """SHA-256, in hexadecimal, of the content, independent of the order of unrelated rows."""
        digest = hashlib.sha256()
        place = np.argsort(np.array(self.questions, dtype=str), kind="stable")
        for index in place:
            numbers = [_plain(getattr(self, name)[index]) for name in _QUESTION_FLOATS]
            domain = self.domains[self.domain[index]]
            digest.update(json.dumps([self.questions[index], domain, numbers]).encode())
        rank = np.empty_like(place)
        rank[place] = np.arange(place.size)
        people = np.argsort(np.array(self.forecasters, dtype=str), kind="stable")
        person = np.empty_like(people)
        person[people] = np.arange(people.size)
        names = json.dumps([self.forecasters[index] for index in people])
        digest.update(f"|{self.rounds}|{names}|".encode())
        order = np.lexsort((self.time, person[self.forecaster], rank[self.question]))
        for column in (rank[self.question], person[self.forecaster]):
            digest.update(column[order].astype("<i8").tobytes())
        for name in _FORECAST_FLOATS:
            digest.update((getattr(self, name)[order] + 0.0).astype("<f8").tobytes())
        return digest.hexdigest()

    def as_known_at(self, moment: float) -> "Panel":
        """Return the panel as known at a given time; only the forecast axis changes.

        Later forecasts are omitted, forecasts withdrawn later still stand, and an outcome is known
        only if ``resolved`` is not later.

        Raises:
            PanelError: a panel of rounds or without times has no calendar to go back in.
        """
        if self.rounds or (self.time.size and np.isnan(self.time).all()):
            raise PanelError("a panel of rounds or without times has no calendar to go back in")
        made = self.time <= moment
        known = self.resolved <= moment
        return replace(
            self,
            forecaster=self.forecaster[made],
            question=self.question[made],
            time=self.time[made],
            until=np.where(self.until <= moment, self.until, np.inf)[made],
            probability=self.probability[made],
            outcome=np.where(known, self.outcome, np.nan),
            resolved=np.where(known, self.resolved, np.nan),
        )

    def standing(self, question: int, moment: float = math.inf) -> IntArray:
        """Return the standing forecasts on a question at a given time, ordered by forecaster.

        For each forecaster this is the latest forecast made by then, in input order if times tie or
        are unknown, unless it was withdrawn by then. By default, the final forecasts are returned.
        """
        rows = self._by_question[question]
        time = self.time[rows]
        rows = rows[np.isnan(time) | (time <= moment)]
        newest = np.append(self.forecaster[rows][1:] != self.forecaster[rows][:-1], True)
        rows = rows[newest[: rows.size]]
        return np.asarray(rows[self.until[rows] > min(moment, np.finfo(np.float64).max)])

    @cached_property
    def standing_last(self) -> IntArray:
        """The final standing forecasts on each question, ordered by question."""
        nothing = np.empty(0, dtype=np.int64)
        return np.concatenate([nothing, *map(self.standing, range(len(self.questions)))])

    @cached_property
    def _by_question(self) -> list[IntArray]:
        """Forecasts of each question, by forecaster and then by time and order."""
        order = np.lexsort((self.time, self.forecaster, self.question))
        ends = np.searchsorted(self.question[order], np.arange(1, len(self.questions) + 1))
        return np.split(order, ends[:-1]) if ends.size else []

    def snapshots(self, fractions: Sequence[float] = FRACTIONS) -> Snapshots:
        """Return the standing forecasts on resolved questions at times during their lives.

        A question is shown at ``fractions`` of [opens, closes], only before it resolved; where an
        end is unknown, at fractions from its first to its last forecast; in a panel of rounds after
        each of up to as many rounds; without times once. Times without standing forecasts are
        omitted, and a question without any such time is shown once, with its final forecasts before
        it resolved.
        """
        question, rows, weight, moments = [], [], [], []
        for index in np.flatnonzero(~np.isnan(self.outcome)).tolist():
            tried = [(at, self.standing(index, at)) for at in self._moments(index, fractions)]
            shown = [found for _, found in tried if found.size]
            times = [at for at, found in tried if found.size]
            if not shown:
                before = np.nextafter(self.resolved[index], -math.inf)
                last = np.fmin(np.fmin(self.closes[index], before), math.inf)
                final = self.standing(index, math.inf if self.rounds else float(last))
                shown = [final] if final.size else []
                times = [_NAN] * len(shown)
            if not shown:
                continue
            question += [index] * len(shown)
            weight += [1.0 / len(shown)] * len(shown)
            rows += shown
            moments += times
        ends = np.cumsum([found.size for found in rows], dtype=np.int64)
        taken = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        asked = np.array(question, dtype=np.int64)
        return Snapshots(
            question=asked,
            outcome=self.outcome[asked],
            weight=np.array(weight, dtype=np.float64),
            at=np.array(moments, dtype=np.float64),
            start=np.concatenate([[0], ends[:-1]]).astype(np.int64)[: asked.size],
            end=ends,
            forecaster=self.forecaster[taken],
            probability=self.probability[taken],
            time=self.time[taken],
        )

    def _moments(self, question: int, fractions: Sequence[float]) -> list[float]:
        """Return the distinct times of a question's snapshots, in order."""
        time = self.time[self._by_question[question]]
        if not time.size or np.isnan(time).any():
            return []
        if self.rounds:
            distinct = np.unique(time)
            pick = np.linspace(0, distinct.size - 1, min(distinct.size, len(fractions)))
            return [float(distinct[round(place)]) for place in pick]
        first, last = self.opens[question], self.closes[question]
        first = time.min() if np.isnan(first) else first
        last = time.max() if np.isnan(last) else last
        moments = {float(first + share * max(last - first, 0.0)) for share in fractions}
        resolved = self.resolved[question]
        return sorted(at for at in moments if np.isnan(resolved) or at < resolved)


_FORECAST_FLOATS = ("time", "until", "probability")
_QUESTION_FLOATS = ("outcome", "opens", "closes", "resolved", "as_of")


def _written(seconds: float) -> str:
    if not math.isfinite(seconds):
        return ""
    text = (EPOCH + timedelta(seconds=seconds)).isoformat()
    return text.replace("+00:00", "Z")


def _plain(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value) + 0.0


def _read_questions(rows: Iterable[Row]) -> Iterator[PanelQuestion]:
    seen: dict[str, int] = {}
    for row in rows:
        name = unguarded(row.text("question_id", required=True))
        if name in seen:
            raise row.error("question_id", f"{name!r} is already on line {seen[name]}")
        seen[name] = row.line
        yield PanelQuestion(
            id=name,
            title=unguarded(row.text("title")),
            outcome=row.choice("outcome", _OUTCOMES),
            opens=row.time("open_time"),
            closes=row.time("close_time"),
            resolved=row.time("resolve_time"),
            as_of=row.time("as_of"),
            domain=unguarded(row.text("domain")),
        )


_OUTCOMES = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "": _NAN}


def _read_forecasts(
    rows: Iterable[Row], questions: set[str]
) -> tuple[list[tuple[str, str, float, float, float]], bool]:
    """Return the rows in the order of the file and whether their times are rounds."""
    made = []
    first: tuple[str, int] | None = None
    for row in rows:
        person = unguarded(row.text("forecaster_id", required=True))
        question = unguarded(row.text("question_id", required=True))
        if question not in questions:
            raise row.error("question_id", f"{question!r} is not in questions.csv")
        kind, time = _time(row)
        first = first or (kind, row.line)
        if kind != first[0]:
            raise row.error(
                "time", f"{kind} here but {first[0]} on line {first[1]}; one file holds one kind"
            )
        until = row.time("until_time")
        ends = math.inf if math.isnan(until) else until
        made.append((person, question, time, ends, row.probability("probability")))
    return made, first is not None and first[0] == "a round"


def _time(row: Row) -> tuple[str, float]:
    text = row.text("time")
    if row.dialect.times in {"", "rounds"} and _ROUND.fullmatch(text):
        if row.dialect.times == "" and float(text) >= _ROUNDS_BELOW:
            raise row.error(
                "time",
                f"{text} may be a Unix time: --times unix-s or --times unix-ms reads seconds or "
                f"milliseconds since 1970. Whole numbers below {_ROUNDS_BELOW:,} are rounds, with "
                "--times rounds all of them",
            )
        return "a round", float(text)
    time = row.past("time", required=False)
    return ("no time" if math.isnan(time) else "a calendar time"), time
