"""An outage: once the database did not answer, who asks meanwhile is told so at once.

    there ──no answer──▶ away ──after a rest, one of them tries──▶ there
                          ▲  └── the others fail at once ──┐
                          └─────────────────────────────────┘

Without it a burst of requests would wait in turns, each for its whole deadline, and for the threads
that the ones before wait in.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.db.connections.failures import is_gone

REST_SECONDS = 2.0


class Outage:
    """Whether the database answered the last time, as all threads of a process saw it."""

    def __init__(self) -> None:
        """It is there, until it is not."""
        self._lock = threading.Lock()
        self._failed_at: float | None = None
        self._is_tried = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Use the database while the block runs, and learn whether it is there.

        Raises:
            sqlalchemy.exc.TimeoutError: It was not a moment ago.
        """
        self._admit()
        failed_at: float | None = None
        try:
            yield
        except Exception as error:
            if is_gone(error):
                failed_at = time.monotonic()
            raise
        finally:
            with self._lock:
                self._failed_at, self._is_tried = failed_at, False

    def _admit(self) -> None:
        with self._lock:
            if self._failed_at is None:
                return
            if self._is_tried or time.monotonic() - self._failed_at < REST_SECONDS:
                raise PoolTimeout("the database did not answer a moment ago")
            self._is_tried = True
