"""What a blob store is, and what can be wrong with it.

    PREFIX/NAME        a key: a study, and a file of it whose name says its SHA-256
    .metaopt           the mark by which the place is known again

A file is put once and never changed; it goes when no row names it.  Where the mark is not there the
place is another one, or none is mounted: nothing is made or deleted there then, and nothing that
rows name counts as lost.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

MARK = ".metaopt"

_KEY = re.compile(r"(?P<prefix>[^/\0]+)/(?P<name>[^/\0]+)")


class PrefixGone(FileNotFoundError):
    """A directory of a study was there and has been removed, with all that trials resume from."""


class BlobsUnusable(Exception):
    """A store cannot be used as it is named: the message says why, and the way out."""


class BlobDamaged(Exception):
    """The very file is lost or unreadable; the others are as good as they were."""


def checked_key(key: str) -> str:
    """The key, if it is one.

    Raises:
        ValueError: it would lead elsewhere.

    Example:
        >>> checked_key("s/t-10")
        's/t-10'
    """
    parts = _KEY.fullmatch(key)
    if parts is None or not {".", ".."}.isdisjoint(parts.groups()):
        raise ValueError(f"{key!r} is no key of a blob: PREFIX/NAME, and nothing above or below")
    return key


class BlobStore(Protocol):
    """Files by key.  Whatever a method says of errors, all may raise OSError: the place is away.

    All may be called from any thread.
    """

    @property
    def where(self) -> str:
        """The place as people are told, without anything secret."""
        ...

    def fault(self) -> str | None:
        """Why nothing can be read or written at the moment; None if it can.  Never waits long."""
        ...

    def adopt(self, keys: Collection[str]) -> None:
        """Take the place for that of these files: if any is there, or there are none."""
        ...

    def prepare(self, prefix: str) -> None:
        """Make room for files of a prefix.

        Raises:
            PrefixGone: There was, and it has been removed.
        """
        ...

    def workplace(self, prefix: str) -> Path:
        """An existing directory for files that are to be put there."""
        ...

    def put(self, files: Mapping[str, Path]) -> None:
        """Take files over, by key; when it returns they are safe.  They are gone from where they
        were.
        """
        ...

    def local(self, digests: Mapping[str, str | None]) -> AbstractContextManager[dict[str, Path]]:
        """Paths at which these files can be read for as long as the block runs.

        Of a file that is not there the path is of none; one of other bytes is as it is.

        Args:
            digests: SHA-256 by key.
        """
        ...

    def read(self, key: str) -> bytes:
        """The content of a file.

        Raises:
            BlobDamaged: It is lost, or cannot be read.
        """
        ...

    def write(self, key: str, content: bytes) -> None:
        """Write a small file of ours, whole or not at all; it may be there."""
        ...

    def delete(self, key: str, *, at_once: bool = False) -> None:
        """Delete a file that no row names any more; one that stays is found by its prefix.

        Args:
            at_once: Its very content may be put again soon; else it may take a while.
        """
        ...

    def delete_all(self, prefix: str) -> None:
        """Delete all files of a prefix."""
        ...

    def prefixes(self) -> list[str]:
        """Those of which there are files, or room for them; as they were a minute ago at worst."""
        ...

    def keys(self, prefix: str) -> set[str]:
        """The files of a prefix."""
        ...

    def at_hand(self) -> Iterator[str]:
        """The files that can be kept by a link, without a copy."""
        ...

    def close(self) -> None:
        """End what it does by itself; what was to be deleted is."""
        ...
