"""Streams: how many event streams are open, and for whom; each has a most."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from service.errors import TooManyStreams


class Streams:
    """The open event streams of a process.

    Args:
        most: For each key; without keys, for each address that asks.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def check(self, reader: str) -> None:
        """Refuse one stream more than the most.

        Raises:
            TooManyStreams: Says the limit and its setting.
        """
        if self._open[reader] >= self.most:
            raise TooManyStreams(
                f"{self.most} event streams are open for this key or address, which is the most "
                "(METAOPT_STREAMS_PER_KEY): close some, or ask for the study with ?wait=30"
            )

    @contextmanager
    def open(self, reader: str) -> Iterator[None]:
        """Count a stream while it is open."""
        with self._lock:
            self._open[reader] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[reader] -= 1
                if not self._open[reader]:
                    del self._open[reader]


def host_of(request: Request) -> str:
    """The address that asks, as the server sees it."""
    return request.client.host if request.client else ""
