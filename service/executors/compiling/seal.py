"""Seals: a compiled program is machine code, and only what this service has compiled is loaded.

    compiler ── sealed ──▶ one file: program + HMAC-SHA256(key; its name, its bytes)
    worker  ◀── opened ──  the program, if that is so, of the very bytes that it was checked by

The seal is the comment of the program's zip archive, so that a file appears with it or not at all,
and stays what torch reads.  The key lies beside the programs, for this user's eyes alone: who can
write there, but is another user, can neither read it nor put one in its place that is believed.
"""

import hashlib
import hmac
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

KEY = "programs.key"
KEY_BYTES = 32
_ENDS = b"PK\x05\x06"  # the end of an archive: 22 bytes, of which two say how long the comment is
_MARK = b"metaopt-seal-1:"
_LENGTH = len(_MARK) + 2 * hashlib.sha256().digest_size


class UntrustedProgram(Exception):
    """A program that this service has not compiled, or that was changed since."""


class KeyUnusable(OSError):
    """The key of the programs is not for this user's eyes alone, or none."""


class Seal:
    """Seals programs, and opens them again.

    Args:
        key: Secret bytes.
    """

    def __init__(self, key: bytes) -> None:
        """Keep the key."""
        self._key = key

    @classmethod
    def of(cls, directory: Path) -> "Seal":
        """That of the programs in `directory`; the first who asks makes its key.

        Raises:
            KeyUnusable: others may read or write the key, or it is somebody else's.
            OSError: it cannot be read or made.
        """
        path = directory / KEY
        with suppress(FileNotFoundError):
            return cls(_read(path))
        directory.mkdir(parents=True, exist_ok=True)
        _make(path)
        return cls(_read(path))

    def sealed(self, name: str, program: bytes) -> bytes:
        """The bytes of a file of this name that is believed.

        Raises:
            UntrustedProgram: `program` is no archive, or has a seal already.
        """
        if program[-22:-18] != _ENDS or program[-2:] != bytes(2):
            raise UntrustedProgram(f"{name} is no archive without a comment")
        return program[:-2] + _LENGTH.to_bytes(2, "little") + self._mark(name, program)

    def opened(self, name: str, file: bytes) -> bytes:
        """The program in the bytes of a file of this name.

        Raises:
            UntrustedProgram: this service did not compile it, or it was changed since.
        """
        program = file[: -_LENGTH - 2] + bytes(2)
        if not hmac.compare_digest(file[-_LENGTH:], self._mark(name, program)):
            raise UntrustedProgram(f"{name} was not compiled by this service, or changed since")
        return program

    def publish(self, made: Path, path: Path) -> None:
        """Move the program at `made` to `path`, where it appears sealed."""
        content = self.sealed(path.name, made.read_bytes())
        partial = made.with_name(f"{made.name}.sealed")
        partial.write_bytes(content)
        partial.replace(path)

    def _mark(self, name: str, program: bytes) -> bytes:
        told = hmac.new(self._key, name.encode() + b"\0" + program, hashlib.sha256)
        return _MARK + told.hexdigest().encode()


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise KeyUnusable(f"{path} must be a file of this user: remove it, and one is made")
        if found.st_mode & 0o077:
            raise KeyUnusable(
                f"{path} must be for its user alone (mode 600), has mode {found.st_mode & 0o777:o}:"
                " remove it with the programs, which others may have made"
            )
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise KeyUnusable(f"{path} must have {KEY_BYTES} bytes: remove it, and one is made")
    return key


def _make(path: Path) -> None:
    """Put a new key at `path`, whole or not at all, unless somebody is faster."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink()
