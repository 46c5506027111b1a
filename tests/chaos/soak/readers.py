"""Readers of events: each follows one study after the other, from its beginning to its end."""

import threading
import urllib.request
from collections.abc import Callable

from service.client.stream import read_events

SECONDS = 30.0
PAUSE_SECONDS = 0.2


class Readers:
    """Threads that follow the studies that there are, the newest first.

    Args:
        url: Of the API.
        studies: Those that there are so far.
    """

    def __init__(self, url: str, studies: Callable[[], list[str]], number: int) -> None:
        self._url, self._studies = url, studies
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(number)]
        self.read = 0
        self.failed: list[str] = []

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * SECONDS)

    def _run(self) -> None:
        last = None
        while not self._stop.is_set():
            studies = self._studies()
            if not studies or studies[-1] == last:
                self._stop.wait(PAUSE_SECONDS)
                continue
            last = studies[-1]
            try:
                self._follow(last)
            except OSError as error:
                self.failed.append(str(error))
                self._stop.wait(PAUSE_SECONDS)

    def _follow(self, study_id: str) -> None:
        url = f"{self._url}/api/v1/studies/{study_id}/events"
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            for _ in read_events(line.decode().rstrip("\n") for line in answer):
                self.read += 1
                if self._stop.is_set():
                    return
