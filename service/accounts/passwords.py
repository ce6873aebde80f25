"""Password rules and argon2id hashes.

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
"""Longest prefix examined, since the estimate takes more than linear time."""
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
    """A dummy hash, so that rejecting an unknown name takes as long."""
    return _hasher().hash("nobody's")


async def check(password: str, *, name: str, field: str = "password") -> None:
    """Raise Invalid for a password that is too short, too long or easy to guess.

    zxcvbn estimates its strength from lists of common passwords, words, names and patterns
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
    """Return the strength of a password, from 0 to 4, and its main weakness."""
    from zxcvbn import zxcvbn  # noqa: PLC0415  # word lists of some megabytes

    with _ESTIMATING:  # the library keeps the account's name in a dictionary of its own
        found = zxcvbn(password[:LONGEST_ESTIMATED], user_inputs=[name, "credence"])
    return found["score"], found["feedback"]["warning"]


async def digest(password: str) -> str:
    """Hash a password; the result contains its salt and parameters."""
    return await asyncio.to_thread(_hasher().hash, password)


async def matches(password: str, held: str | None) -> bool:
    """Return whether a password matches a hash; takes as long without a hash."""

    def verify() -> bool:
        try:
            _hasher().verify(held or _nobodys(), password)
        except (VerificationError, InvalidHashError):
            return False
        return held is not None

    return len(password) <= LONGEST and await asyncio.to_thread(verify)


def outdated(held: str) -> bool:
    """Return whether a hash uses outdated parameters and should be renewed."""
    return _hasher().check_needs_rehash(held)
