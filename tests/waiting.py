"""Wait for something to become true, with a deadline and without `time.sleep`."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

POLL_SECONDS = 0.05
LONGEST_POLL_SECONDS = 0.5
PAUSES = 10  # times as long as a look takes, or six that wait would use up what they wait for
PATIENCE = 4.0  # machines differ, and tests run side by side


def wait_until(
    predicate: Callable[[], bool], timeout: float = 30.0, *, what: str = "the condition"
) -> None:
    """Return as soon as `predicate()` is true.

    Args:
        timeout: Seconds that are plenty on an idle machine; it waits `PATIENCE` times as long.

    Raises:
        AssertionError: It was not true within that time; the message names `what`.
    """
    pause = threading.Event()
    deadline = time.monotonic() + PATIENCE * timeout
    while True:
        begun = time.monotonic()
        if predicate():
            return
        now = time.monotonic()
        assert now < deadline, f"{what} did not come true within {PATIENCE * timeout:g} s"
        pause.wait(min(max(POLL_SECONDS, PAUSES * (now - begun)), LONGEST_POLL_SECONDS))


def ticks(process_id: int) -> int:
    """Return for how many hundredths of a second a process has used a core."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11])


def wait_until_busy(process_id: int, more: int = 50) -> None:
    """Return once a process has used its core for so many hundredths of a second more."""
    before = ticks(process_id)
    wait_until(lambda: ticks(process_id) >= before + more, 60, what="a busy process")
