"""Passwords: what they must be, and their argon2id hashes.

Hashing costs about 20 ms and 19 MiB by design, so it is done in a thread, and never inside a
transaction.
"""

import asyncio
import threading
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.exceptions import Invalid

SHORTEST: Final = 12
LONGEST: Final = 1000
LONGEST_ESTIMATED: Final = 72
"""Only so much of a password is looked through, for that takes more than linear time."""
STRONG_ENOUGH: Final = 3
"""Safe against guesses at a stolen hash that is slow to compute, as zxcvbn counts."""
SHORTEST_NAME_IN_PASSWORD: Final = 4
_ESTIMATING: Final = threading.Lock()


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


async def check(password: str, *, name: str, field: str = "password") -> None:
    """Refuse a password that is too short, too long or easy to guess; raises Invalid.

    How easy it is, zxcvbn estimates from lists of common passwords, words, names and patterns
    (https://www.usenix.org/conference/usenixsecurity16/technical-sessions/presentation/wheeler).
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"a password must have {SHORTEST} to {LONGEST} characters", field=field)
    if len(name) >= SHORTEST_NAME_IN_PASSWORD and name.casefold() in password.casefold():
        raise Invalid("a password must not contain the account's name", field=field)
    if not password.isprintable():
        raise Invalid("a password must consist of visible characters and spaces", field=field)
    strength, warning = await asyncio.to_thread(_estimate, password, name)
    if strength < STRONG_ENOUGH:
        why = f": {warning.rstrip('.')[:1].lower()}{warning.rstrip('.')[1:]}" if warning else ""
        raise Invalid(
            f"this password is easy to guess{why}; take four or more unrelated words, or let a "
            "password manager make one",
            field=field,
        )


def _estimate(password: str, name: str) -> tuple[int, str]:
    """How hard a password is to guess, from 0 to 4, and what makes it easy."""
    from zxcvbn import zxcvbn  # noqa: PLC0415  # word lists of some megabytes

    with _ESTIMATING:  # the library keeps the account's name in a dictionary of its own
        found = zxcvbn(password[:LONGEST_ESTIMATED], user_inputs=[name, "credence"])
    return found["score"], found["feedback"]["warning"]


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
