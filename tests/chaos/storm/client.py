"""A client that submits studies to an API which dies, and logs every answer it got."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAUSE_SECONDS = 0.2
REQUEST_SECONDS = 10.0
RETRIED = 503, 507  # the database is away, or full


class Client:
    """Submits one study after the other, each with an Idempotency-Key, until it is told.

    Args:
        url: Of the API.
        log: File for the answers (`service.invariants.acknowledged`).
        spec: The spec of the study of a number.
        wanted: How many studies there should be by now.
    """

    def __init__(
        self, url: str, log: Path, spec: Callable[[int], dict[str, Any]],
        wanted: Callable[[], int],
    ) -> None:  # fmt: skip
        self._url, self._log, self._spec, self._wanted = url, log, spec, wanted
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="client", daemon=True)
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self.retries = 0
        log.touch()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.is_set():
            number = len(self.acknowledged)
            if number >= self._wanted() or self.refused:
                self._stop.wait(PAUSE_SECONDS)
                continue
            self._submit(number)

    def _submit(self, number: int) -> None:
        key = f"study {number}"
        body = json.dumps(self._spec(number)).encode()
        while not self._stop.is_set():
            request = urllib.request.Request(
                f"{self._url}/api/v1/studies", body,
                {"Content-Type": "application/json", "Idempotency-Key": key},
            )  # fmt: skip
            try:
                with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:
                    study_id = json.load(answer)["study_id"]
            except urllib.error.HTTPError as error:
                if error.code not in RETRIED:
                    self.refused.append(f"{error.code}: {error.read()[:500]!r}")
                    return
            except (OSError, ValueError):  # refused, cut off, or half an answer
                pass
            else:
                line = {"study_id": study_id, "key": key, "at": time.time()}
                with self._log.open("a", encoding="utf-8") as log:
                    log.write(json.dumps(line) + "\n")
                self.acknowledged.append(study_id)
                return
            self.retries += 1
            self._stop.wait(PAUSE_SECONDS)
