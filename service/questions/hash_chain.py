"""The chain of facts: every forecast, withdrawal and resolution seals those before it.

Each question has a chain of its own, so that questions never wait for each other. Its facts have
the positions 1, 2, 3 …, and with SHA-256 over bytes

    leaf   = SHA-256(salt ‖ fact)
    digest = SHA-256(digest of the fact before ‖ leaf)

where `fact` is canonical JSON (RFC 8785) of what was said, `salt` 16 random bytes of the fact's
own, and 32 zero bytes stand before the first one. Who knows a digest can check all that led to it;
the salt keeps those who know only leaves from guessing what they stand for. docs/chain.md has an
example.
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
SAID: Final[dict[type[ChainedFact], tuple[str, ...]]] = {
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
"""What of each kind of fact is sealed, beside its kind, its question and its position."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last fact of a question's chain: its position, its digest and when it was made."""

    position: int = 0
    digest: bytes = GENESIS
    at: datetime | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Head":
        """The head once a fact with such values is appended."""
        return cls(values["position"], values["digest"], values["created_at"])


@dataclass(frozen=True, slots=True)
class Receipt:
    """What proves a fact: what was said, its salt, and the digests before and with it.

    `path` are the leaves of the facts after it, up to the head.
    """

    fact: dict[str, Any]
    salt: bytes
    previous: bytes
    digest: bytes
    path: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """The chain of a question as far as it is whole; `broken` names the first row that is not."""

    question_id: int
    head: Head
    broken: str


@dataclass(frozen=True, slots=True)
class _Stored:
    """A fact as it is stored."""

    row_id: int
    position: int
    salt: bytes
    digest: bytes
    fact: dict[str, Any]


def canonical_fact(table: type[ChainedFact], values: Mapping[str, Any]) -> dict[str, Any]:
    """What is sealed of a fact: whole numbers, texts and nulls only.

    A probability is the shortest decimal text that stands for its double, so that no reader's way
    of writing numbers matters; moments are UTC to the microsecond.
    """
    told = {name: _plain(values[name]) for name in (*PLACE, *SAID[table])}
    return {"kind": table.__tablename__} | told


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, float):
        return repr(value + 0.0)  # which makes a zero of the zero below it
    return value


def leaf(fact: Mapping[str, Any], salt: bytes) -> bytes:
    """SHA-256 over the salt and the fact as canonical JSON (RFC 8785)."""
    text = json.dumps(fact, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(salt + text.encode()).digest()


def fact_digest(previous: bytes, of_leaf: bytes) -> bytes:
    """SHA-256 over the digest of the fact before and a leaf."""
    return hashlib.sha256(previous + of_leaf).digest()


def append_link(table: type[ChainedFact], head: Head, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a new fact with its place in the chain after a head."""
    salt = secrets.token_bytes(SALT_BYTES)
    values = {**values, "position": head.position + 1, "salt": salt}
    return values | {"digest": fact_digest(head.digest, leaf(canonical_fact(table, values), salt))}


def receipt(head: Head, row: ChainedFact) -> Receipt:
    """The receipt of a fact that was appended to a head."""
    return Receipt(canonical_fact(type(row), vars(row)), row.salt, head.digest, row.digest)


def verify(told: Receipt) -> Head:
    """Where a receipt leads: the head of its chain when it was given; Invalid if it is not sound.

    This asks nothing of any database. That the chain is the published one is for the reader to
    compare: only the facts as they were lead to the digest that was published.
    """
    digest = fact_digest(told.previous, leaf(told.fact, told.salt))
    if digest != told.digest:
        raise Invalid("the receipt's digest is not that of what it says", field="digest")
    for one in told.path:
        digest = fact_digest(digest, one)
    return Head(int(told.fact["position"]) + len(told.path), digest)


async def head(session: AsyncSession, question_id: int) -> Head:
    """The head of a (locked) question's chain."""
    row = (await session.execute(_last(), {"question": question_id})).first()
    return Head(*row) if row else Head()


@cache
def _last() -> Select[Any]:
    """The last row in the chain of a question, by an index of each table."""
    question = bindparam("question", type_=Question.id.type)
    lasts = (
        select(table.position, table.digest, table.created_at)
        .where(table.question_id == question)
        .order_by(table.position.desc())
        .limit(1)
        .subquery()
        for table in SAID
    )
    found = union_all(*(select(last) for last in lasts)).subquery()
    return select(found).order_by(found.c.position.desc()).limit(1)


async def moment(
    session: AsyncSession, last: Head, question_id: int, account_id: int, at: datetime
) -> datetime:
    """When a fact that follows a head is made: never before it, even if the clock went back.

    Facts of different accounts may share a moment; one's own never do.
    """
    if last.at is None or at > last.at:
        return at
    own = [
        await session.scalar(
            select(func.max(table.created_at)).where(
                table.question_id == question_id, table.account_id == account_id
            )
        )
        for table in SAID
    ]
    return last.at + TICK if last.at in own else last.at


async def present(session: AsyncSession, question_ids: Sequence[int], at: datetime) -> datetime:
    """A moment, or that of the last fact of (locked) questions if the clock went back since."""
    lasts = (
        select(table.created_at.label("at")).where(table.question_id.in_(question_ids))
        for table in SAID
    )
    last = await session.scalar(select(func.max(union_all(*lasts).subquery().c.at)))
    return at if last is None else max(at, last)


async def heads(session: AsyncSession, *, after: int, limit: int) -> list[tuple[int, Head]]:
    """The heads of the next questions after an id that have facts, in the order of their ids."""
    has_facts = or_(
        *(select(table.id).where(table.question_id == Question.id).exists() for table in SAID)
    )
    query = select(Question.id).where(Question.id > after, has_facts)
    ids = (await session.scalars(query.order_by(Question.id).limit(limit))).all()
    found = dict.fromkeys(ids, Head())
    for table in SAID:
        other = aliased(table)
        last = select(func.max(other.position)).where(other.question_id == table.question_id)
        rows = await session.execute(
            select(table.question_id, table.position, table.digest, table.created_at).where(
                table.question_id.in_(ids), table.position == last.scalar_subquery()
            )
        )
        for question_id, position, digest, at in rows:
            last_of_table = Head(position, digest, at)
            found[question_id] = max(found[question_id], last_of_table, key=_position)
    return list(found.items())


async def receipts(
    session: AsyncSession, account_id: int, question_id: int, *, after: int, limit: int
) -> list[Receipt]:
    """The receipts of an account's facts on a question after a position, without their paths."""
    found = (await _stored(session, [question_id]))[question_id]
    before = [GENESIS, *(one.digest for one in found)]
    mine = [
        Receipt(one.fact, one.salt, previous, one.digest)
        for one, previous in zip(found, before, strict=False)
        if one.fact["account_id"] == account_id and one.position > after
    ]
    return mine[:limit]


async def proof(session: AsyncSession, account_id: int, question_id: int, position: int) -> Receipt:
    """The receipt of an account's fact with its path to the head; NotFound if it has none there."""
    found = await receipts(session, account_id, question_id, after=position - 1, limit=1)
    if not found or found[0].fact["position"] != position:
        raise NotFound(f"you said nothing at position {position} of question {question_id}")
    rows = (await _stored(session, [question_id]))[question_id]
    later = tuple(leaf(one.fact, one.salt) for one in rows if one.position > position)
    return replace(found[0], path=later)


async def check(
    session: AsyncSession, published: Mapping[int, Head] | None = None
) -> AsyncIterator[Checked]:
    """Check the chain of every question, in the order of their ids; each up to its first fault.

    Args:
        session: a read transaction.
        published: heads that were noted before, by question: each chain must lead through its own,
            so that nobody can have replaced a chain whole, or cut off its end.
    """
    noted = published or {}
    ids = {*(await session.scalars(select(Question.id))).all(), *noted}
    for first in range(0, len(ids), BATCH):
        batch = sorted(ids)[first : first + BATCH]
        for question_id, rows in (await _stored(session, batch)).items():
            yield _check(question_id, rows, noted.get(question_id, Head()))


def _check(question_id: int, rows: Sequence[_Stored], noted: Head) -> Checked:
    last = Head()
    ids = dict.fromkeys((table.__tablename__ for table in SAID), 0)
    for row in rows:
        kind, digest = row.fact["kind"], fact_digest(last.digest, leaf(row.fact, row.salt))
        if row.position != last.position + 1:
            why = f"it follows position {last.position}"
        elif digest != row.digest:
            why = "what it says does not lead to its digest"
        elif row.row_id <= ids[kind]:
            why = f"its id is not after that of the {kind} before it"
        elif row.position == noted.position and digest != noted.digest:
            why = "its digest is not the published one"
        else:
            ids[kind], last = row.row_id, Head(row.position, digest)
            continue
        return Checked(question_id, last, f"{kind} {row.row_id}, position {row.position}: {why}")
    if last.position < noted.position:
        lost = f"the facts from position {last.position + 1} on are gone"
        return Checked(question_id, last, f"{lost}; {noted.position} was published")
    return Checked(question_id, last, "")


async def _stored(session: AsyncSession, question_ids: Sequence[int]) -> dict[int, list[_Stored]]:
    """The facts of questions in the order of their chains."""
    found: dict[int, list[_Stored]] = {question_id: [] for question_id in question_ids}
    for table, names in SAID.items():
        columns = [getattr(table, name) for name in ("id", "salt", "digest", *PLACE, *names)]
        query = select(*columns).where(table.question_id.in_(question_ids)).order_by(table.id)
        for row in await session.execute(query):
            fact = canonical_fact(table, row._asdict())
            found[row.question_id].append(_Stored(row.id, row.position, row.salt, row.digest, fact))
    for facts in found.values():
        facts.sort(key=_position)
    return found


_position = attrgetter("position")
