"""A prober: asks the API all the time, and remembers every answer and how long it took."""

import threading
import time
import urllib.error
import urllib.request
from typing import NamedTuple

PAUSE_SECONDS = 0.1
PATIENCE_SECONDS = 60.0
READ, ALIVE = "/api/v1/studies?limit=5", "/healthz"


class Asked(NamedTuple):
    """A request: to where, when by the monotonic clock, its status, and its seconds.

    The status is 0 where no answer came.
    """

    path: str
    at: float
    status: int
    seconds: float


class Prober:
    """Asks for a list, and whether the process lives, each in a thread of its own.

    Args:
        url: Of the API.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(path,), daemon=True) for path in (READ, ALIVE)
        ]
        self.answers: list[Asked] = []

    def start(self) -> None:
        """Begin, once the API is up."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(PATIENCE_SECONDS)

    def is_up(self) -> bool:
        """Whether a list has been had at all."""
        return self._ask(READ).status == 200

    def back_at(self, since: float) -> float | None:
        """When, after `since`, a list was had that was asked for after it; None if none yet."""
        found = (one for one in list(self.answers) if one.path == READ and one.at >= since)
        return next((one.at + one.seconds for one in found if one.status == 200), None)

    def statuses(self) -> set[int]:
        """All that came."""
        return {one.status for one in self.answers}

    def slowest(self, path: str) -> float:
        """The longest wait for an answer, in seconds."""
        return max((one.seconds for one in self.answers if one.path == path), default=0.0)

    def _run(self, path: str) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            self.answers.append(self._ask(path))

    def _ask(self, path: str) -> Asked:
        begun = time.monotonic()
        try:
            with urllib.request.urlopen(self._url + path, timeout=PATIENCE_SECONDS) as answer:
                answer.read()
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        except OSError:
            status = 0
        return Asked(path, begun, status, time.monotonic() - begun)
