"""Secrets that are shown once: how they are made, and the digest that is kept of them."""

import hashlib
import secrets


def new(prefix: str) -> str:
    """A secret of 256 random bits after a prefix that tells what it opens."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """The SHA-256 digest by which a secret is found: so random a secret needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()
