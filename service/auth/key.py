"""One API key: made here, and what is kept of it."""

import hashlib
import secrets


def new_key() -> str:
    """A fresh key."""
    return f"mo_{secrets.token_urlsafe(32)}"


def key_sha256(key: str) -> str:
    """The SHA-256 of a key: all that is ever stored of it."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
