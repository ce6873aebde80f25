"""Secrets that are shown once: how they are made, and the digest that is kept of them."""

import hashlib
import re
import secrets
from typing import Final

RANDOM_BYTES: Final = 32
LENGTH: Final = 43
"""How many characters base64 takes for the random bytes."""


def new(prefix: str) -> str:
    """A secret of 256 random bits after a prefix that tells what it opens."""
    return prefix + secrets.token_urlsafe(RANDOM_BYTES)


def pattern(prefix: str) -> re.Pattern[str]:
    """What a secret of this prefix looks like, to find it in what somebody pasted."""
    return re.compile(rf"{re.escape(prefix)}[A-Za-z0-9_-]{{{LENGTH}}}")


def digest(secret: str) -> str:
    """The SHA-256 digest by which a secret is found: so random a secret needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()
