"""API keys: random, shown once, kept only as SHA-256, in a file or in the database.

A key is `mo_` and 43 characters of 256 random bits; so much randomness needs no slow hash.  The
file has one `name:sha256` a line (# begins a comment) and is read again when it changes; the
table is asked at most once a second, so a revoked key is dead within one.  Once a file is
configured or a key was ever made in the table, keys are required, even if none is left.
"""

import hmac
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from service.auth.key import key_sha256
from service.db import api_keys
from service.db.engine import reading
from service.errors import KeysUnreadable
from service.wire.parsing.encoding import NotText, decode

TABLE_SECONDS = 1.0
FILE = "the API keys file METAOPT_API_KEYS_FILE"
_LINE = re.compile(r"([\w.@ -]{1,200}):([0-9a-f]{64})")


class Identity(NamedTuple):
    """Who asks: the id and name of the key, both empty on a server without keys."""

    api_key_id: str
    name: str


ANYONE = Identity("", "")


class StoredKey(NamedTuple):
    """What is kept of a key."""

    identity: Identity
    sha256: str


def parse_keys(text: str) -> list[StoredKey]:
    """The keys of a key file.

    Raises:
        KeysUnreadable: A line is not `name:sha256`; names its number, not its content.
    """
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise KeysUnreadable(f"line {number} of {FILE} must be name:sha256-in-hex")
        name, sha256 = match.groups()
        keys.append(StoredKey(Identity(sha256[:32], name), sha256))
    return keys


def read_keys(path: Path) -> list[StoredKey]:
    """The keys of the key file at `path`.

    Raises:
        KeysUnreadable: It cannot be read, or a line is not `name:sha256`.
    """
    with _told():
        return parse_keys(decode(path.read_bytes()))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # where it is, is nobody's business who only asks
        raise KeysUnreadable(f"{FILE} cannot be read: {error.strerror}") from None
    except NotText as error:
        raise KeysUnreadable(f"{FILE} {error}") from None


class KeyRing:
    """Every key of the server, kept current.

    Args:
        file: The key file, or None.
        engine: The database with the table of keys.
        monotonic: A clock in seconds.
    """

    def __init__(self, file: Path | None, engine: Engine, monotonic: Callable[[], float]) -> None:
        self._file, self._engine, self._monotonic = file, engine, monotonic
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._of_file: list[StoredKey] = []
        self._of_table: list[StoredKey] = []
        self._table_made_keys = False
        self._table_read_at: float | None = None

    def required(self) -> bool:
        """Tell whether a request needs a key."""
        with self._lock:
            self._refresh()
            return self._file is not None or self._table_made_keys

    def count(self) -> int:
        """How many keys open the server."""
        with self._lock:
            self._refresh()
            return len(self._of_file) + len(self._of_table)

    def identify(self, key: str) -> Identity | None:
        """Return whose key this is, or None.  Every stored key is compared, in constant time."""
        digest = key_sha256(key)
        with self._lock:
            self._refresh()
            keys = [*self._of_file, *self._of_table]
        identity = None
        for stored in keys:
            if hmac.compare_digest(stored.sha256, digest):
                identity = stored.identity
        return identity

    def _refresh(self) -> None:
        self._read_file()
        now = self._monotonic()
        if self._table_read_at is None or now - self._table_read_at >= TABLE_SECONDS:
            self._read_table()
            self._table_read_at = now

    def _read_file(self) -> None:
        if self._file is None:
            return
        with _told():
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._of_file = read_keys(self._file)
                self._stamp = stamp

    def _read_table(self) -> None:
        with reading(self._engine) as session:
            rows = api_keys.live_keys(session)
            self._table_made_keys = bool(rows) or api_keys.any_key_was_made(session)
            self._of_table = [
                StoredKey(Identity(row.api_key_id, row.name), row.sha256) for row in rows
            ]
