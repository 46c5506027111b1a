"""API keys: random, shown once, kept only as SHA-256, in a file or in the database.

The file has one `name:sha256` a line (# begins a comment), each of which may do everything, and
is read again when it changes.  Keys of the table have scopes, projects and an end (`metaopt keys`);
the table is asked at most twice a second, so a revoked key is dead within one.  Once a file is
configured or a key was ever made in the table, keys are required, even if none is left.
"""

import hmac
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from service.auth.identity import EVERY_SCOPE, Identity, Scope
from service.auth.key import is_mistyped, key_sha256
from service.db.access import api_keys
from service.db.engine import reading
from service.db.tables import ApiKey
from service.errors import KeysUnreadable
from service.wire.parsing.encoding import NotText, decode

TABLE_SECONDS = 0.5
FILE = "the API keys file METAOPT_API_KEYS_FILE"


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


_LINE = re.compile(r"([\w.@ -]{1,200}):([0-9a-f]{64})")


class StoredKey(NamedTuple):
    """What is kept of a secret of a key, and until when it is valid."""

    identity: Identity
    sha256: str
    expires_at: datetime | None = None


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
        now: The time, UTC-aware: keys expire by it.
    """

    def __init__(
        self,
        file: Path | None,
        engine: Engine,
        monotonic: Callable[[], float],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._file, self._engine = file, engine
        self._monotonic, self._now = monotonic, now
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
        """How many secrets open the server."""
        return len(self._valid())

    def identify(self, key: str) -> Identity | None:
        """Return whose key this is, or None."""
        return None if is_mistyped(key) else self.identify_sha256(key_sha256(key))

    def identify_sha256(self, sha256: str) -> Identity | None:
        """Return whose key has this SHA-256, or None.

        Every stored one is compared, in constant time.
        """
        identity = None
        for stored in self._valid():
            if hmac.compare_digest(stored.sha256, sha256):
                identity = stored.identity
        return identity

    def _valid(self) -> list[StoredKey]:
        with self._lock:
            self._refresh()
            stored = [*self._of_file, *self._of_table]
        now = self._now()
        return [key for key in stored if key.expires_at is None or now < key.expires_at]

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
            self._of_table = [stored for row in rows for stored in _secrets_of(row)]


def _secrets_of(row: ApiKey) -> Iterator[StoredKey]:
    """The key's secret, and the one before it while that is valid."""
    scopes = EVERY_SCOPE if row.scopes is None else tuple(Scope(scope) for scope in row.scopes)
    projects = None if row.projects is None else tuple(row.projects)
    identity = Identity(row.api_key_id, row.name, scopes, projects)
    yield StoredKey(identity, row.sha256, row.expires_at)
    if row.previous_sha256 is not None and row.previous_expires_at is not None:
        yield StoredKey(identity, row.previous_sha256, row.previous_expires_at)
