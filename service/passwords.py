"""Passwords: what they must be, and their argon2id hashes.

Hashing costs about 20 ms and 19 MiB by design, so it is done in a thread, and never inside a
transaction.
"""

import asyncio
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.errors import Invalid

SHORTEST: Final = 12
LONGEST: Final = 1000


@cache
def _hasher() -> PasswordHasher:
    """Argon2id with the second of the equally strong settings in OWASP's list.

    https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
    """
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@cache
def _nobodys() -> str:
    """A hash of no account's password, so that a name without one costs as much to refuse."""
    return _hasher().hash("nobody's")


def check(password: str, *, name: str, field: str = "password") -> None:
    """Refuse a password that is too short, too long or its account's name; raises Invalid."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"a password must have {SHORTEST} to {LONGEST} characters", field=field)
    if password.casefold() == name.casefold():
        raise Invalid("a password must not be the account's name", field=field)


async def digest(password: str) -> str:
    """The password's hash, with its own salt and the parameters that made it."""
    return await asyncio.to_thread(_hasher().hash, password)


async def matches(password: str, held: str | None) -> bool:
    """Whether a password is the one that was hashed; as slow when there is none to compare with."""

    def verify() -> bool:
        try:
            _hasher().verify(held or _nobodys(), password)
        except (VerificationError, InvalidHashError):
            return False
        return held is not None

    return len(password) <= LONGEST and await asyncio.to_thread(verify)


def outdated(held: str) -> bool:
    """Whether a hash was made with other parameters than today's, and should be made again."""
    return _hasher().check_needs_rehash(held)
