"""The hash chain: each forecast, withdrawal and resolution commits to all earlier facts.

Each question has its own chain, so that questions never wait for each other. Its facts have the
positions 1, 2, 3 …, and with SHA-256 over bytes

    leaf   = SHA-256(salt ‖ fact)
    digest = SHA-256(previous digest ‖ leaf)

where `fact` is the fact's content as canonical JSON (RFC 8785), `salt` is 16 random bytes drawn for
each fact, and the first fact's previous digest is 32 zero bytes. Anyone with a digest can verify
all facts up to it; the salt prevents guessing the content of a fact from its leaf. docs/chain.md
has an example.
"""

import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.clock import TICK
from service.exceptions import Invalid, NotFound
from service.models import ChainedFact, Forecast, Question, Resolution, Withdrawal

GENESIS: Final = bytes(32)
SALT_BYTES: Final = 16
PLACE: Final = ("question_id", "position")
BATCH: Final = 50
SEALED_COLUMNS: Final[dict[type[ChainedFact], tuple[str, ...]]] = {
    Forecast: ("account_id", "probability", "rationale", "expires_at", "created_at"),
    Withdrawal: ("account_id", "created_at"),
    Resolution: (
        "account_id",
        "number",
        "outcome",
        "occurred_at",
        "evidence_url",
        "note",
        "created_at",
    ),
}
"""The sealed columns of each kind of fact, besides its kind, its question and its position."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last fact of a question's chain: its position, its digest and its time."""

    position: int = 0
    digest: bytes = GENESIS
    at: datetime | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Head":
        """The head after a fact with these values is appended."""
        return cls(values["position"], values["digest"], values["created_at"])


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof of a fact: its content, its salt, and the digests before and after it.

    `path` contains the leaves of the later facts, up to the head.
    """

    fact: dict[str, Any]
    salt: bytes
    previous: bytes
    digest: bytes
    path: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """The intact part of a question's chain; `broken` names the first faulty row."""

    question_id: int
    head: Head
    broken: str


@dataclass(frozen=True, slots=True)
class _Stored:
    """A stored fact."""

    row_id: int
    position: int
    salt: bytes
    digest: bytes
    fact: dict[str, Any]


def canonical_fact(table: type[ChainedFact], values: Mapping[str, Any]) -> dict[str, Any]:
    """The sealed content of a fact: integers, strings and nulls only.

    A probability is the shortest decimal string that identifies its double, so that the digest does
    not depend on how a program formats numbers; times are UTC to the microsecond.
    """
    content = {name: _plain(values[name]) for name in (*PLACE, *SEALED_COLUMNS[table])}
    return {"kind": table.__tablename__} | content


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, float):
        return repr(value + 0.0)  # turns a negative zero into zero
    return value


def leaf(fact: Mapping[str, Any], salt: bytes) -> bytes:
    """SHA-256 over the salt and the fact as canonical JSON (RFC 8785)."""
    text = json.dumps(fact, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(salt + text.encode()).digest()


def fact_digest(previous: bytes, of_leaf: bytes) -> bytes:
    """SHA-256 over the previous digest and a leaf."""
    return hashlib.sha256(previous + of_leaf).digest()


def append_link(table: type[ChainedFact], head: Head, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a new fact with its position, salt and digest in the chain after a head."""
    salt = secrets.token_bytes(SALT_BYTES)
    values = {**values, "position": head.position + 1, "salt": salt}
    return values | {"digest": fact_digest(head.digest, leaf(canonical_fact(table, values), salt))}


def receipt(head: Head, row: ChainedFact) -> Receipt:
    """The receipt of a fact appended after a head."""
    return Receipt(canonical_fact(type(row), vars(row)), row.salt, head.digest, row.digest)


def verify(receipt: Receipt) -> Head:
    """Compute the head that a receipt leads to; Invalid if the receipt is inconsistent.

    This needs no database. Compare the result with the published head: only the original facts lead
    to the published digest.
    """
    digest = fact_digest(receipt.previous, leaf(receipt.fact, receipt.salt))
    if digest != receipt.digest:
        raise Invalid("the receipt's digest does not match its fact and salt", field="digest")
    for later_leaf in receipt.path:
        digest = fact_digest(digest, later_leaf)
    return Head(int(receipt.fact["position"]) + len(receipt.path), digest)


async def head(session: AsyncSession, question_id: int) -> Head:
    """The head of a (locked) question's chain."""
    row = (await session.execute(_last(), {"question": question_id})).first()
    return Head(*row) if row else Head()


@cache
def _last() -> Select[Any]:
    """The last row in a question's chain, found by an index of each table."""
    question = bindparam("question", type_=Question.id.type)
    lasts = (
        select(table.position, table.digest, table.created_at)
        .where(table.question_id == question)
        .order_by(table.position.desc())
        .limit(1)
        .subquery()
        for table in SEALED_COLUMNS
    )
    rows = union_all(*(select(last) for last in lasts)).subquery()
    return select(rows).order_by(rows.c.position.desc()).limit(1)


async def moment(
    session: AsyncSession, last: Head, question_id: int, account_id: int, at: datetime
) -> datetime:
    """The time of a fact that follows a head: never earlier, even if the clock was set back.

    Facts of different accounts may share a time; facts of the same account never do.
    """
    if last.at is None or at > last.at:
        return at
    own = [
        await session.scalar(
            select(func.max(table.created_at)).where(
                table.question_id == question_id, table.account_id == account_id
            )
        )
        for table in SEALED_COLUMNS
    ]
    return last.at + TICK if last.at in own else last.at


async def present(session: AsyncSession, question_ids: Sequence[int], at: datetime) -> datetime:
    """The given moment, or the time of the last fact of (locked) questions if that is later."""
    lasts = (
        select(table.created_at.label("at")).where(table.question_id.in_(question_ids))
        for table in SEALED_COLUMNS
    )
    last = await session.scalar(select(func.max(union_all(*lasts).subquery().c.at)))
    return at if last is None else max(at, last)


async def heads(session: AsyncSession, *, after: int, limit: int) -> list[tuple[int, Head]]:
    """The heads of the next questions with facts after an id, in the order of their ids."""
    has_facts = or_(
        *(
            select(table.id).where(table.question_id == Question.id).exists()
            for table in SEALED_COLUMNS
        )
    )
    query = select(Question.id).where(Question.id > after, has_facts)
    ids = (await session.scalars(query.order_by(Question.id).limit(limit))).all()
    by_question = dict.fromkeys(ids, Head())
    for table in SEALED_COLUMNS:
        other = aliased(table)
        last = select(func.max(other.position)).where(other.question_id == table.question_id)
        rows = await session.execute(
            select(table.question_id, table.position, table.digest, table.created_at).where(
                table.question_id.in_(ids), table.position == last.scalar_subquery()
            )
        )
        for question_id, position, digest, at in rows:
            last_of_table = Head(position, digest, at)
            by_question[question_id] = max(by_question[question_id], last_of_table, key=_position)
    return list(by_question.items())


async def receipts(
    session: AsyncSession, account_id: int, question_id: int, *, after: int, limit: int
) -> list[Receipt]:
    """The receipts of an account's facts on a question after a position, without their paths."""
    rows = (await _stored(session, [question_id]))[question_id]
    previous_digests = [GENESIS, *(row.digest for row in rows)]
    mine = [
        Receipt(row.fact, row.salt, previous, row.digest)
        for row, previous in zip(rows, previous_digests, strict=False)
        if row.fact["account_id"] == account_id and row.position > after
    ]
    return mine[:limit]


async def proof(session: AsyncSession, account_id: int, question_id: int, position: int) -> Receipt:
    """The receipt of an account's fact with its path to the head; NotFound without such a fact."""
    own = await receipts(session, account_id, question_id, after=position - 1, limit=1)
    if not own or own[0].fact["position"] != position:
        raise NotFound(f"you have no fact at position {position} of question {question_id}")
    rows = (await _stored(session, [question_id]))[question_id]
    later = tuple(leaf(row.fact, row.salt) for row in rows if row.position > position)
    return replace(own[0], path=later)


async def check(
    session: AsyncSession, published: Mapping[int, Head] | None = None
) -> AsyncIterator[Checked]:
    """Check the chain of every question in the order of their ids, each up to its first fault.

    Args:
        session: a read transaction.
        published: previously recorded heads by question. Each chain must contain its recorded head,
            which reveals a chain that was replaced or truncated.
    """
    noted = published or {}
    ids = {*(await session.scalars(select(Question.id))).all(), *noted}
    for first in range(0, len(ids), BATCH):
        batch = sorted(ids)[first : first + BATCH]
        for question_id, rows in (await _stored(session, batch)).items():
            yield _check(question_id, rows, noted.get(question_id, Head()))


def _check(question_id: int, rows: Sequence[_Stored], noted: Head) -> Checked:
    last = Head()
    ids = dict.fromkeys((table.__tablename__ for table in SEALED_COLUMNS), 0)
    for row in rows:
        kind, digest = row.fact["kind"], fact_digest(last.digest, leaf(row.fact, row.salt))
        if row.position != last.position + 1:
            why = f"it follows position {last.position}"
        elif digest != row.digest:
            why = "its content does not match its digest"
        elif row.row_id <= ids[kind]:
            why = f"its id is not greater than that of the previous {kind}"
        elif row.position == noted.position and digest != noted.digest:
            why = "its digest differs from the published one"
        else:
            ids[kind], last = row.row_id, Head(row.position, digest)
            continue
        return Checked(question_id, last, f"{kind} {row.row_id}, position {row.position}: {why}")
    if last.position < noted.position:
        lost = f"the facts from position {last.position + 1} on are missing"
        return Checked(question_id, last, f"{lost}; position {noted.position} was published")
    return Checked(question_id, last, "")


async def _stored(session: AsyncSession, question_ids: Sequence[int]) -> dict[int, list[_Stored]]:
    """The facts of questions in the order of their chains."""
    by_question: dict[int, list[_Stored]] = {question_id: [] for question_id in question_ids}
    for table, names in SEALED_COLUMNS.items():
        columns = [getattr(table, name) for name in ("id", "salt", "digest", *PLACE, *names)]
        query = select(*columns).where(table.question_id.in_(question_ids)).order_by(table.id)
        for row in await session.execute(query):
            fact = canonical_fact(table, row._asdict())
            by_question[row.question_id].append(
                _Stored(row.id, row.position, row.salt, row.digest, fact)
            )
    for facts in by_question.values():
        facts.sort(key=_position)
    return by_question


_position = attrgetter("position")
