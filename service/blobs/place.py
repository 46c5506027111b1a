"""Where blobs are, as settings say it."""

from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """A place for blobs.

    Args:
        url: Of a bucket or container, and of a prefix in it; None is `directory`.
        directory: Of the blobs themselves.
        cache: Directory of copies of what is in an object store.
        cache_bytes: Most bytes of them.
    """

    url: str | None
    directory: Path
    cache: Path
    cache_bytes: int
