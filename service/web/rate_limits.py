"""Rate limits by name or address, shared by all processes.

An allowance of `attempts` per ten minutes refills steadily: it may be used up at once, after which
one attempt returns every 600 / `attempts` seconds. This is the generic cell rate algorithm, whose
only state is the time at which past attempts would end at the steady rate (ITU-T I.371, annex A;
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm).
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from time import monotonic
from typing import Final

from sqlalchemy import case, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from service.clock import now
from service.database.engine import Database
from service.exceptions import TooManyRequests
from service.models import Allowance

PERIOD_SECONDS: Final = 600.0
ADDRESS_FACTOR: Final = 6
NAME_FACTOR: Final = 10
KNOWN_FOR: Final = timedelta(days=90)
"""How long an address counts as known after an account last signed in from it."""
NETWORK_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit: the action, its subject and the attempts per ten minutes."""

    what: str
    whom: str
    attempts: int

    @property
    def key(self) -> str:
        """Return the storage key, hashed since a typed name might be a password."""
        return hashlib.sha256(f"{self.what}\n{self.whom}".encode()).hexdigest()


def by_address(what: str, address: str, attempts: int) -> Limit:
    """Build a limit per address, wider than per name since people may share an address."""
    return Limit(f"{what} from", _network(address), attempts * ADDRESS_FACTOR)


def by_name(what: str, name: str, attempts: int) -> Limit:
    """Build a limit per account name from any address, whether or not the account exists.

    It is wide and exempts known addresses (`is_known`), since strangers can use it up.
    """
    return Limit(f"{what} as", name, attempts * NAME_FACTOR)


def by_name_from(what: str, name: str, address: str, attempts: int) -> Limit:
    """Build a limit per account name and address."""
    return Limit(f"{what} as", f"{name}\n{_network(address)}", attempts)


def _network(address: str) -> str:
    """Return the address, or for IPv6 the subscriber's /64 network."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Network((found, NETWORK_BITS), strict=False))
    return str(found)


async def consume(database: Database, *limits: Limit) -> None:
    """Count an attempt against every limit, whatever its result; raises TooManyRequests.

    Uses a separate transaction, so that rejected attempts count too.
    """
    at = now().timestamp()
    waits = []
    async with database.write() as session:
        insert = sqlite.insert if database.sqlite else postgresql.insert
        for limit in sorted(limits, key=lambda one: one.key):
            cost = PERIOD_SECONDS / limit.attempts
            spent = case((Allowance.spent_until > at, Allowance.spent_until), else_=at)
            left = await session.scalar(
                insert(Allowance)
                .values(key=limit.key, spent_until=at + cost)
                .on_conflict_do_update(
                    index_elements=[Allowance.key],
                    set_={"spent_until": spent + cost},
                    where=spent + cost <= at + PERIOD_SECONDS,
                )
                .returning(Allowance.spent_until)
            )
            if left is None:
                waits.append(cost)
        # Last, and skipping locked rows, so that two attempts never block each other.
        idle = select(Allowance.id).where(Allowance.spent_until < at)
        await session.execute(
            delete(Allowance).where(Allowance.id.in_(idle.with_for_update(skip_locked=True)))
        )
    if waits:
        raise TooManyRequests(
            "too many attempts; wait a little before the next",
            retry_after=math.ceil(max(waits)),
        )


class RequestRateLimiter:
    """A limit of requests per account and minute, counted per process.

    Counting in the database would make every request a write. Uses a monotonic clock, independent
    of changes to the system time.
    """

    def __init__(self, per_minute: int) -> None:
        self._cost = 60 / per_minute if per_minute else 0.0
        self._spent_until: dict[int, float] = {}

    def count(self, account_id: int) -> None:
        """Count a request; raises TooManyRequests if the minute's allowance is spent."""
        at = monotonic()
        spent = max(self._spent_until.get(account_id, at), at) + self._cost
        if spent > at + 60:
            raise TooManyRequests(
                "too many requests; slow down", retry_after=math.ceil(spent - at - 60)
            )
        self._spent_until[account_id] = spent


async def restore(database: Database, limit: Limit) -> None:
    """Restore the full allowance after a successful sign-in."""
    async with database.write() as session:
        await session.execute(delete(Allowance).where(Allowance.key == limit.key))


async def is_known(database: Database, name: str, address: str) -> bool:
    """Return whether the account signed in from this network within `KNOWN_FOR`."""
    async with database.autocommit() as session:
        until = await session.scalar(
            select(Allowance.spent_until).where(Allowance.key == _known(name, address))
        )
    return until is not None and until > now().timestamp()


async def remember(database: Database, name: str, address: str) -> None:
    """Record an address as known to an account."""
    until = (now() + KNOWN_FOR).timestamp()
    insert = sqlite.insert if database.sqlite else postgresql.insert
    async with database.write() as session:
        await session.execute(
            insert(Allowance)
            .values(key=_known(name, address), spent_until=until)
            .on_conflict_do_update(index_elements=[Allowance.key], set_={"spent_until": until})
        )


def _known(name: str, address: str) -> str:
    """Return the limit entry that marks a known address; it expires like an allowance."""
    return Limit("known", f"{name}\n{_network(address)}", 1).key
