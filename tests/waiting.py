"""Wait for something to become true, with a deadline and without `time.sleep`."""

import threading
import time
from collections.abc import Callable

POLL_SECONDS = 0.05
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
    while not predicate():
        assert time.monotonic() < deadline, (
            f"{what} did not come true within {PATIENCE * timeout:g} s"
        )
        pause.wait(POLL_SECONDS)
