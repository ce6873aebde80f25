"""Secrets shown once: generation and the stored digest."""

import hashlib
import re
import secrets
from typing import Final

RANDOM_BYTES: Final = 32
LENGTH: Final = 43
"""Length of the random bytes in base64."""


def new(prefix: str) -> str:
    """Generate a secret of 256 random bits after a prefix that states its kind."""
    return prefix + secrets.token_urlsafe(RANDOM_BYTES)


def pattern(prefix: str) -> re.Pattern[str]:
    """Return the pattern of secrets with a prefix, to find them in pasted text."""
    return re.compile(rf"{re.escape(prefix)}[A-Za-z0-9_-]{{{LENGTH}}}")


def digest(secret: str) -> str:
    """Return the SHA-256 digest of a secret; random secrets need no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()
