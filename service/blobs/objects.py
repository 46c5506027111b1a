"""Blobs in an object store: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.

    worker ──file──▶ cache ──put──▶ object store ──download, if the cache has it not──▶ worker

Keys and addresses come from the variables that every client of these stores reads
(AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME …);
they are known to who runs workers, never to a worker.  A thread deletes in bulk and looks whether
the store is there, so that a dispatcher, which does both all the time, never waits for a network.

obstore (MIT; one wheel, in Rust) speaks to all three and tries again by itself.
"""

import errno
import os
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from service.blobs.base import MARK, BlobDamaged, BlobsUnusable, checked_key
from service.blobs.cache import Cache

SIDE_BY_SIDE = 8  # files at a time, for a segment
LOOK_SECONDS = 5.0
LIST_SECONDS = 60.0  # a dispatcher asks every other second, and each answer is paid for
HASTY_SECONDS = 4  # a dispatcher that says nothing for seven is taken for dead
_HTTP = "http://"
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")

log = structlog.get_logger("blobs")


class ObjectStore:
    """Blobs in an object store, with a cache on this machine.

    Args:
        url: Of a bucket or container, and of a prefix in it.
        cache: Copies of what was lately read or written.

    Raises:
        BlobsUnusable: The URL, or a variable that goes with it, cannot be used.
    """

    def __init__(self, url: str, cache: Cache) -> None:
        """Prepare the store; nothing is asked of it yet."""
        self._url = url.rstrip("/")
        self._cache = cache
        self._patient = _client(self._url, seconds=60, retries=4)  # of slots
        self._hasty = _client(self._url, seconds=HASTY_SECONDS, retries=0)  # of a dispatcher
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="blobs")
        self._lock = threading.Lock()
        self._fault: str | None = None
        self._prefixes: list[str] = []
        self._listed_at = -LIST_SECONDS
        self._to_delete: set[str] = set()
        self._ended: set[str] = set()  # prefixes, of which all is to be deleted
        self._deleting, self._in_deletion = threading.Lock(), frozenset[str]()
        self._wake, self._closing = threading.Event(), False
        self._keeper: threading.Thread | None = None

    @property
    def where(self) -> str:
        """The URL."""
        return self._url

    def fault(self) -> str | None:
        """What was wrong when it was looked at last, at most some seconds ago."""
        with self._lock:
            if self._keeper is None:
                self._fault = self._look()
                self._keeper = threading.Thread(target=self._keep_house, name="blobs", daemon=True)
                self._keeper.start()
            return self._fault

    def adopt(self, keys: Collection[str]) -> None:
        """Take the place for that of these files: if any is there, or there are none."""
        if self._is_there(MARK):
            return
        named = {checked_key(key).partition("/")[0] for key in keys}
        if keys and not any(self.keys(p) & set(keys) for p in named & self._listed_prefixes()):
            return
        self._put_bytes(MARK, b"")
        with self._lock:
            self._fault = self._look()

    def prepare(self, prefix: str) -> None:
        """Nothing has to be made."""

    def workplace(self, prefix: str) -> Path:
        """A directory of the cache."""
        return self._cache.workplace(prefix)

    def put(self, files: Mapping[str, Path]) -> None:
        """Upload files, some at a time, and keep them as copies."""
        with self._lock:
            self._to_delete -= files.keys()  # put again, as it was
            in_deletion = not self._in_deletion.isdisjoint(files)
        if in_deletion:
            with self._deleting:
                pass
        list(self._pool.map(self._put_file, files, files.values()))
        new = {key.partition("/")[0] for key in files}.difference(self._prefixes)
        self._prefixes = sorted({*self._prefixes, *new}) if new else self._prefixes

    @contextmanager
    def local(self, digests: Mapping[str, str | None]) -> Iterator[dict[str, Path]]:
        """Copies of the files, downloaded where there is none of that SHA-256."""
        with self._cache.reading(digests.keys()):
            list(self._pool.map(self._bring, digests, digests.values()))
            yield {key: self._cache.path(key) for key in digests}

    def read(self, key: str) -> bytes:
        """The content of a file."""
        try:
            with _told(self._url):
                return bytes(self._obstore.get(self._hasty, checked_key(key)).bytes())
        except FileNotFoundError:
            raise BlobDamaged(f"{key} is not in {self._url}") from None

    def write(self, key: str, content: bytes) -> None:
        """Write a small file; an object is there whole or not at all."""
        self._put_bytes(checked_key(key), content)

    def delete(self, key: str, *, at_once: bool = False) -> None:
        """Delete a file, soon; one that stays is found at the next start."""
        self._cache.drop(checked_key(key))
        if at_once:
            try:
                self._delete(self._hasty, [key])
            except OSError as error:
                log.warning("checkpoints_left", checkpoints=1, cause=error.strerror)
            return
        with self._lock:
            self._to_delete.add(key)

    def delete_all(self, prefix: str) -> None:
        """Delete all files of a prefix, soon."""
        self._cache.drop_all(prefix)
        with self._lock:
            self._ended.add(prefix)
        self._wake.set()

    def prefixes(self) -> list[str]:
        """Those of which there are files, also such as are to be deleted."""
        if time.monotonic() - self._listed_at > LIST_SECONDS:
            self._prefixes, self._listed_at = sorted(self._listed_prefixes()), time.monotonic()
        return list(self._prefixes)

    def keys(self, prefix: str) -> set[str]:
        """The files of a prefix, but those that are to be deleted."""
        found = self._listed(self._hasty, prefix)
        with self._lock:
            return set() if prefix in self._ended else found - self._to_delete

    def at_hand(self) -> Iterator[str]:
        """None: each is downloaded once it is known to be needed."""
        return iter(())

    def close(self) -> None:
        """Delete what is to be deleted, and end."""
        self._closing = True
        self._wake.set()
        if self._keeper is not None:
            self._keeper.join(LOOK_SECONDS)
        self._delete_all(self._hasty)
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def _obstore(self) -> Any:
        import obstore

        return obstore

    def _keep_house(self) -> None:
        while not self._closing:
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            fault = self._look()
            with self._lock:
                self._fault = fault
            if fault is None:
                self._delete_all(self._patient)

    def _delete_all(self, client: Any) -> None:
        with self._deleting:
            with self._lock:
                prefixes, keys = sorted(self._ended), frozenset(self._to_delete)
                self._in_deletion = keys
            try:
                for prefix in prefixes:
                    self._delete(client, sorted(self._listed(client, prefix)))
                self._delete(client, sorted(keys))
            except OSError as error:  # it is tried again for as long as this process lives
                log.warning("checkpoints_left", checkpoints=len(keys), cause=error.strerror)
                prefixes, keys = [], frozenset()
            with self._lock:
                self._ended.difference_update(prefixes)
                self._to_delete -= keys
                self._in_deletion = frozenset()

    def _delete(self, client: Any, keys: list[str]) -> None:
        if not keys:
            return
        try:
            with _told(self._url):
                self._obstore.delete(client, keys)
        except FileNotFoundError:  # of one of them, where there is no deletion in bulk
            for key in keys if len(keys) > 1 else ():
                self._delete(client, [key])

    def _listed_prefixes(self) -> set[str]:
        with _told(self._url):
            found = self._obstore.list_with_delimiter(self._hasty)["common_prefixes"]
        return set(map(str, found))

    def _listed(self, client: Any, prefix: str) -> set[str]:
        with _told(self._url):
            found = self._obstore.list(client, prefix=f"{prefix}/").collect()
        return {str(one["path"]) for one in found}

    def _look(self) -> str | None:
        try:
            if self._is_there(MARK):
                return None
        except OSError as error:
            return f"the object store {self._url} cannot be used: {error.strerror}"
        return (
            f"the object store {self._url} has no {MARK}, and trials resume from files in it: is "
            f"it the right one? If they are lost, put an empty object {MARK} there, and they "
            "begin anew"
        )

    def _is_there(self, key: str) -> bool:
        try:
            with _told(self._url):
                self._obstore.head(self._hasty, key)
        except FileNotFoundError:
            return False
        return True

    def _put_file(self, key: str, path: Path) -> None:
        with _told(self._url):
            self._obstore.put(self._patient, checked_key(key), path)
        self._cache.take(path, key)

    def _put_bytes(self, key: str, content: bytes) -> None:
        with _told(self._url):
            self._obstore.put(self._hasty, key, content)

    def _bring(self, key: str, digest: str | None) -> None:
        if self._cache.has(checked_key(key), digest):
            return
        self._cache.drop(key)
        part = self._cache.fresh(key)
        try:
            with _told(self._url), part.open("xb") as file:
                for piece in self._obstore.get(self._patient, key).stream():
                    file.write(piece)
            self._cache.take(part, key)
        except FileNotFoundError:
            return  # it is lost, which who reads it says of its trial
        finally:
            part.unlink(missing_ok=True)


def _client(url: str, *, seconds: int, retries: int) -> Any:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise BlobsUnusable(f"{url} needs obstore: pip install 'metaopt[blobs]'") from None
    plain = any(os.environ.get(name, "").startswith(_HTTP) for name in _ENDPOINTS)
    try:
        return from_url(
            url,
            client_options={
                "timeout": f"{seconds}s",
                "connect_timeout": "4s",
                "allow_http": plain,  # only where whoever set the address has said so
            },
            retry_config={
                "max_retries": retries,
                "retry_timeout": timedelta(seconds=seconds),
            },
        )
    except (BaseError, ValueError) as error:
        raise BlobsUnusable(f"{url} cannot be used: {_first_line(error)}") from None


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Whatever the store refuses is an OSError of a device that is away, with its first words."""
    from obstore.exceptions import BaseError

    try:
        yield
    except BaseError as error:
        raise OSError(errno.ENODEV, f"{url}: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
