"""One API key: made here, told from a mistyped one, and what is kept of it.

    mok_ 43 random letters and digits  6 of a checksum (CRC-32)

43 of 62 letters and digits are 256 random bits, so no slow hash is needed.  The checksum guards
nothing: it says of a key that was copied badly that it was, without asking anybody.  Keys of
earlier versions are `mo_` and 43 characters without one, and go on to work.
"""

import hashlib
import secrets
import string
import zlib

PREFIX = "mok_"
RANDOM_LENGTH = 43
CHECKSUM_LENGTH = 6
_LETTERS = string.ascii_letters + string.digits


def new_key() -> str:
    """A fresh key."""
    body = "".join(secrets.choice(_LETTERS) for _ in range(RANDOM_LENGTH))
    return f"{PREFIX}{body}{_checksum(body)}"


def is_mistyped(key: str) -> bool:
    """Whether this is meant to be one of our keys, and cannot be one."""
    if not key.startswith(PREFIX):
        return False
    body = key[len(PREFIX) : -CHECKSUM_LENGTH]
    return len(body) != RANDOM_LENGTH or key[-CHECKSUM_LENGTH:] != _checksum(body)


def key_sha256(key: str) -> str:
    """The SHA-256 of a key: all that is ever stored of it."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _checksum(body: str) -> str:
    number, letters = zlib.crc32(body.encode("utf-8", "surrogatepass")), ""
    for _ in range(CHECKSUM_LENGTH):
        number, place = divmod(number, len(_LETTERS))
        letters += _LETTERS[place]
    return letters
