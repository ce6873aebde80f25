"""Exports of personal data and of sets, as CSV or Parquet, streamed row by row."""

import codecs
import csv
import hashlib
import hmac
import io
import math
import secrets
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Final, Protocol

from sqlalchemy import ColumnElement, Select, false, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.files import replacing
from forecasting.spreadsheets import guarded
from service.database.engine import Database
from service.exceptions import Conflict
from service.models import (
    Account,
    Comment,
    CommentRemoval,
    CommentRevision,
    Forecast,
    Question,
    QuestionRevision,
    QuestionSet,
    Resolution,
    Role,
    Score,
    Withdrawal,
)
from service.permissions import Actor
from service.questions import forecasts, questions
from service.questions.questions import View
from service.scoring import scores as scoring

BATCH: Final = 1_000
QUESTIONS_BATCH: Final = 50

Rows = Sequence[Sequence[Any]]
Said = type[Forecast] | type[Withdrawal] | type[Score] | type[CommentRevision] | type[Comment]


class Format(StrEnum):
    """Table format; `excel` is CSV with a byte order mark, by which Excel detects UTF-8."""

    csv = "csv"
    excel = "excel"
    parquet = "parquet"

    @property
    def extension(self) -> str:
        """The file extension."""
        return Format.csv if self is Format.excel else self


class PersonalExport(StrEnum):
    """Personal data that can be exported."""

    forecasts = "forecasts"
    withdrawals = "withdrawals"
    scores = "scores"
    comments = "comments"


class SetExport(StrEnum):
    """Data of a set that curators can export."""

    forecasts = "forecasts"
    comments = "comments"


TYPES: Final = {
    Format.csv: "text/csv",
    Format.excel: "text/csv",
    Format.parquet: "application/vnd.apache.parquet",
}
ZIP: Final = "application/zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export request: personal data, or (curators) data of a set.

    Args:
        what: the data, personal or of the set.
        account_id: the account whose data is exported.
        slug: the set's slug.
        form: the table format.
        names: identify a set's forecasters by account name instead of a pseudonym.
    """

    what: PersonalExport | SetExport
    form: Format
    account_id: int | None = None
    slug: str | None = None
    names: bool = False

    @classmethod
    def of(cls, asked: dict[str, Any]) -> "Export":
        """From the JSON of `asked`."""
        kind = SetExport if asked["slug"] else PersonalExport
        return cls(**asked | {"what": kind(asked["what"]), "form": Format(asked["form"])})

    def asked(self) -> dict[str, Any]:
        """The request as JSON."""
        return asdict(self)

    def require(self, actor: Actor) -> None:
        """Raise Forbidden unless the actor may have the export."""
        if self.slug is not None:
            actor.require(Role.curator, "export the data of a set")

    @property
    def _archive(self) -> bool:
        return self.slug is not None and self.what is SetExport.forecasts

    @property
    def file_name(self) -> str:
        """The file name."""
        if self.slug is None:
            return f"{self.what}.{self.form.extension}"
        return (
            f"{self.slug}.zip" if self._archive else f"{self.slug}-comments.{self.form.extension}"
        )

    @property
    def media_type(self) -> str:
        """The media type of the file."""
        return ZIP if self._archive else TYPES[self.form]

    async def tables(self, session: AsyncSession) -> Sequence["Table"]:
        """The tables, read while they are written."""
        if self.slug is None:
            return [await own(session, self.account_id or 0, PersonalExport(self.what))]
        if self._archive:
            return await of_set(session, self.slug, pseudonymous=not self.names)
        return [await comments_of_set(session, self.slug, pseudonymous=not self.names)]

    async def expected(self, session: AsyncSession) -> int:
        """The total number of rows, or slightly more."""
        query: Select[int]
        if self.slug is None and self.what is PersonalExport.comments:
            query = select(func.count()).select_from(CommentRevision).join(Comment)
            query = query.where(Comment.account_id == self.account_id)
        elif self.slug is None:
            table = _OWN[PersonalExport(self.what)][0]
            query = select(func.count()).where(table.account_id == self.account_id)
        else:
            said = Forecast if self._archive else Comment
            query = select(func.count()).select_from(said).join(Question).join(QuestionSet)
            query = query.where(QuestionSet.slug == self.slug)
        count = await session.scalar(query) or 0
        if self._archive:
            asked = select(func.count()).select_from(Question).join(QuestionSet)
            count += await session.scalar(asked.where(QuestionSet.slug == self.slug)) or 0
        return count

    def written(self, tables: Sequence["Table"]) -> AsyncIterator[bytes]:
        """The file, in pieces of about one batch."""
        return archived(tables, self.form) if self._archive else written(tables[0], self.form)


_ABOUT: Final = {"id": int, "set": str, "question_id": int, "question": str, "title": str}
_OWN: Final[dict[PersonalExport, tuple[type[Forecast | Withdrawal | Score], dict[str, type]]]] = {
    PersonalExport.forecasts: (
        Forecast,
        {"probability": float, "rationale": str, "expires_at": datetime, "created_at": datetime},
    ),
    PersonalExport.withdrawals: (Withdrawal, {"created_at": datetime}),
    PersonalExport.scores: (
        Score,
        dict.fromkeys(
            ("weight", "coverage", *scoring.KINDS, "spot_probability", *scoring.SPOT_KINDS), float
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table to write: its columns with their types, and its rows in batches."""

    name: str
    columns: dict[str, type]
    batches: AsyncIterator[Rows]


class Pseudonyms:
    """Pseudonyms of accounts, valid within one export only.

    Each is an HMAC-SHA256 of the account's id under a random key that is discarded after the
    export: nobody, including the operator, can match the pseudonyms of two exports.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, account_id: int) -> str:
        """The pseudonym of an account."""
        return "f" + hmac.new(self._key, str(account_id).encode(), hashlib.sha256).hexdigest()[:16]


class WriteBuffer(io.RawIOBase):
    """A write-only file whose content so far can be taken."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._passed = 0

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, content: Any) -> int:
        """Buffer some bytes until they are taken."""
        self._held += content
        return len(content)

    def tell(self) -> int:
        """The total number of bytes written."""
        return self._passed + len(self._held)

    def take(self) -> bytes:
        """Return and clear the bytes written since the last call."""
        taken = bytes(self._held)
        self._passed += len(taken)
        self._held.clear()
        return taken


class _Writer(Protocol):
    def write(self, rows: Rows) -> None: ...

    def close(self) -> None: ...


class _Csv:
    def __init__(self, file: IO[bytes], columns: dict[str, type]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._rows = csv.writer(self._text, lineterminator="\n")
        self._rows.writerow(columns)

    def write(self, rows: Rows) -> None:
        self._rows.writerows([_cell(value) for value in row] for row in rows)

    def close(self) -> None:
        self._text.detach()


class _Excel(_Csv):
    def __init__(self, file: IO[bytes], columns: dict[str, type]) -> None:
        file.write(codecs.BOM_UTF8)
        super().__init__(file, columns)


class _Parquet:
    def __init__(self, file: IO[bytes], columns: dict[str, type]) -> None:
        import pyarrow as pa  # noqa: PLC0415  # half a second and 50 MB, needed here only
        from pyarrow import parquet  # noqa: PLC0415  # as above

        types = {
            str: pa.string(),
            int: pa.int64(),
            bool: pa.bool_(),
            float: pa.float64(),
            datetime: pa.timestamp("us", tz="UTC"),
        }
        self._schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
        self._batch = pa.RecordBatch
        self._file = parquet.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, rows: Rows) -> None:
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self._file.write_batch(self._batch.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        self._file.close()


_WRITERS: Final[dict[Format, type[_Csv] | type[_Parquet]]] = {
    Format.csv: _Csv,
    Format.excel: _Excel,
    Format.parquet: _Parquet,
}


async def written(table: Table, form: Format) -> AsyncIterator[bytes]:
    """A table as a file, in pieces of about one batch."""
    outlet = WriteBuffer()
    async for _ in _write(table, form, outlet):
        yield outlet.take()
    yield outlet.take()


async def archived(tables: Sequence[Table], form: Format) -> AsyncIterator[bytes]:
    """Tables as files of one ZIP archive, in pieces of about one batch."""
    outlet = WriteBuffer()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as archive:
        for table in tables:
            with archive.open(f"{table.name}.{form.extension}", "w", force_zip64=True) as file:
                async for _ in _write(table, form, file):
                    yield outlet.take()
    yield outlet.take()


async def _write(table: Table, form: Format, file: Any) -> AsyncIterator[int]:
    """Write a table, and yield the number of rows after every batch."""
    writer: _Writer = _WRITERS[form](file, table.columns)
    async for rows in table.batches:
        writer.write(rows)
        yield len(rows)
    writer.close()


async def write_folder(
    database: Database, slug: str | None, folder: Path, *, pseudonymous: bool = False
) -> dict[str, int]:
    """Write the forecasts of a set, or of all sets, as a folder for `credence import`.

    Returns the number of rows of each file. On an error neither file is written. Only their owner
    can read them, since they contain data hidden from others.

    Raises:
        NotFound: unknown set.
        Conflict: the folder contains a `forecasts.csv.gz`, which would be ambiguous.
        OSError: the folder cannot be written.
    """
    async with database.read() as session:
        tables = await of_set(session, slug, pseudonymous=pseudonymous)
        _prepare(folder)
        targets = [folder / f"{table.name}.csv" for table in tables]
        count = {table.name: 0 for table in tables}
        with replacing(*targets, private=True) as files:
            for table, path in zip(tables, files, strict=True):
                with path.open("wb") as file:
                    async for rows in _write(table, Format.csv, file):
                        count[table.name] += rows
    return count


def _prepare(folder: Path) -> None:
    if (folder / "forecasts.csv.gz").exists():
        raise Conflict(f"{folder / 'forecasts.csv.gz'} exists: write to another folder")
    folder.mkdir(parents=True, exist_ok=True)


async def of_set(
    session: AsyncSession, slug: str | None, *, pseudonymous: bool
) -> tuple[Table, Table]:
    """The questions and forecasts of a set, or of all sets, read while they are written.

    Questions are identified by slug, prefixed with the set's slug if all sets are written;
    forecasters by account name, or by a pseudonym of this export.
    """
    set_id = None if slug is None else (await questions.find_set(session, slug)).id
    name = Pseudonyms().of if pseudonymous else (await _names(session)).__getitem__

    async def asked() -> AsyncIterator[Rows]:
        async for views in _views(session, set_id):
            yield [_question(view, slug) for view in views]

    async def said() -> AsyncIterator[Rows]:
        async for views in _views(session, set_id):
            found = await forecasts.stands(session, [view.id for view in views])
            starts = {
                (question_id, one.account_id, one.start)
                for question_id, stood in found.items()
                for one in stood
            }
            yield [
                (
                    name(one.account_id),
                    _slug(view, slug),
                    _format_time(one.start),
                    one.probability,
                    # An end is written only if no later forecast implies it.
                    None
                    if math.isinf(one.end) or (view.id, one.account_id, one.end) in starts
                    else _format_time(one.end),
                )
                for view in views
                for one in found[view.id]
            ]

    return (
        Table(
            "questions",
            {
                "question_id": str,
                "title": str,
                "outcome": int,
                "open_time": datetime,
                "close_time": datetime,
                "resolve_time": datetime,
                "domain": str,
            },
            asked(),
        ),
        Table(
            "forecasts",
            {
                "forecaster_id": str,
                "question_id": str,
                "time": datetime,
                "probability": float,
                "until_time": datetime,
            },
            said(),
        ),
    )


async def _names(session: AsyncSession) -> dict[int, str]:
    rows = await session.execute(select(Account.id, Account.name))
    return dict(rows.all())


async def _views(session: AsyncSession, set_id: int | None) -> AsyncIterator[list[View]]:
    last = 0
    while True:
        query = questions.views_query(None).where(Question.id > last)
        if set_id is not None:
            query = query.where(Question.set_id == set_id)
        found = await questions.views(session, query.order_by(Question.id).limit(QUESTIONS_BATCH))
        if not found:
            return
        yield found
        last = found[-1].id
        session.expunge_all()


def _question(view: View, slug: str | None) -> Sequence[Any]:
    return (
        _slug(view, slug),
        view.revision.title,
        view.outcome,
        view.revision.opens_at,
        view.revision.closes_at,
        view.resolved.occurred_at if view.resolved else None,
        view.revision.domain,
    )


def _slug(view: View, slug: str | None) -> str:
    return view.question.slug if slug else f"{view.set_slug}:{view.question.slug}"


def _format_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def own(session: AsyncSession, account_id: int, what: PersonalExport) -> Table:
    """A table of an account's own forecasts, withdrawals, comments or scores, oldest first.

    Scores are those under the current resolutions; a comment has one row per version of its text.
    """
    if what is PersonalExport.comments:
        return _own_comments(session, account_id)
    table, columns = _OWN[what]
    query = (
        _asked(table.id, *(getattr(table, column) for column in columns))
        .join(table, table.question_id == Question.id)
        .where(table.account_id == account_id)
    )
    if table is Score:
        query = query.where(Score.resolution_id == Resolution.id)
    return Table(what, _ABOUT | columns, _by_id(session, query, table))


def _own_comments(session: AsyncSession, account_id: int) -> Table:
    said = {
        "comment_id": (int, Comment.id),
        "parent_id": (int, Comment.parent_id),
        "forecast_id": (int, Comment.forecast_id),
        "private": (bool, Comment.private),
        "removed": (bool, _removed()),
        "revision": (int, CommentRevision.number),
        "text": (str, CommentRevision.text),
        "created_at": (datetime, CommentRevision.created_at),
    }
    query = (
        _asked(CommentRevision.id, *(column for _, column in said.values()))
        .join(Comment, Comment.question_id == Question.id)
        .join(CommentRevision, CommentRevision.comment_id == Comment.id)
        .where(Comment.account_id == account_id)
    )
    columns = _ABOUT | {name: kind for name, (kind, _) in said.items()}
    return Table(PersonalExport.comments, columns, _by_id(session, query, CommentRevision))


async def comments_of_set(session: AsyncSession, slug: str, *, pseudonymous: bool) -> Table:
    """The current comments on a set's questions, including private and without removed ones.

    Wording can identify an author, so the pseudonyms differ from those of exported forecasts.
    """
    found = await questions.find_set(session, slug)
    name = Pseudonyms().of if pseudonymous else (await _names(session)).__getitem__
    newest = (
        select(func.max(CommentRevision.number))
        .where(CommentRevision.comment_id == Comment.id)
        .correlate(Comment)
        .scalar_subquery()
    )
    query = (
        select(
            Comment.id,
            Comment.parent_id,
            Comment.account_id,
            Question.slug,
            Comment.private,
            CommentRevision.text,
            Comment.created_at,
            CommentRevision.created_at,
        )
        .join(Question, Question.id == Comment.question_id)
        .join(CommentRevision, CommentRevision.comment_id == Comment.id)
        .where(Question.set_id == found.id, CommentRevision.number == newest, ~_removed())
    )

    async def said() -> AsyncIterator[Rows]:
        async for rows in _by_id(session, query, Comment):
            yield [(row[0], row[1], name(row[2]), *row[3:]) for row in rows]

    return Table(
        "comments",
        {
            "comment_id": int,
            "parent_id": int,
            "forecaster_id": str,
            "question_id": str,
            "private": bool,
            "text": str,
            "created_at": datetime,
            "edited_at": datetime,
        },
        said(),
    )


def _removed() -> ColumnElement[bool]:
    """Whether a comment is removed."""
    latest = (
        select(CommentRemoval.removed)
        .where(CommentRemoval.comment_id == Comment.id)
        .order_by(CommentRemoval.number.desc())
        .limit(1)
        .correlate(Comment)
        .scalar_subquery()
    )
    return func.coalesce(latest, false())


def _asked(key: Any, *more: Any) -> Select[*tuple[Any, ...]]:
    """A query on questions for the columns `_ABOUT` and further ones."""
    about = (QuestionSet.slug, Question.id, Question.slug, QuestionRevision.title)
    return questions.views_query(None).with_only_columns(key, *about, *more)


async def _by_id(
    session: AsyncSession, query: Select[*tuple[Any, ...]], table: Said
) -> AsyncIterator[Rows]:
    """The rows of a query in the order of a table's ids, which are its first column."""
    last = 0
    while True:
        found = await session.execute(query.where(table.id > last).order_by(table.id).limit(BATCH))
        rows = found.all()
        if not rows:
            return
        yield [tuple(row) for row in rows]
        last = rows[-1][0]


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else value
