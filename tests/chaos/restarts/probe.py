"""A probe: asks an API the same few things again and again, and keeps what it was told, timed."""

import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple

PAUSE_SECONDS = 0.1
PATIENCE_SECONDS = 60.0


class Told(NamedTuple):
    """An answer: when it was asked for, and after how many seconds it came.  No status is none."""

    path: str
    at: float
    seconds: float
    status: int | None
    wrong: str | None


class Probe:
    """Asks for one path from a thread of its own.

    Args:
        url: Of the API.
        path: Below it.
        method: GET, or POST without a body.
    """

    def __init__(self, url: str, path: str, method: str = "GET") -> None:
        self._url, self.path, self._method = url, path, method
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"probe {path}", daemon=True)
        self.told: list[Told] = []

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._thread.join(2 * PATIENCE_SECONDS)

    def first_after(self, at: float, status: int) -> Told | None:
        """Return the first answer of a status that was asked for after monotonic `at`."""
        fits = (told for told in self.told if told.at >= at and told.status == status)
        return next(fits, None)

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            self.told.append(self._ask())

    def _ask(self) -> Told:
        request = urllib.request.Request(f"{self._url}{self.path}", method=self._method)
        begun, status, wrong = time.monotonic(), None, None
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                status = answer.status
                answer.read()
        except urllib.error.HTTPError as error:
            status, wrong = error.code, _wrong(error)
        except OSError as error:
            wrong = f"no answer: {error}"
        return Told(self.path, begun, time.monotonic() - begun, status, wrong)


def _wrong(error: urllib.error.HTTPError) -> str | None:
    """Return what is wrong with an answer that is no success; nothing if it says "try again"."""
    body = error.read()
    try:
        problem: Any = json.loads(body)
    except ValueError:
        return f"{error.code} is no problem: {body[:200]!r}"
    if error.code != 503 or problem.get("code") != "database-unavailable":
        return f"{error.code}: {body[:200]!r}"
    waits = error.headers.get("Retry-After") or ""
    return None if waits.isdigit() and int(waits) > 0 else f"503 with Retry-After {waits!r}"
