"""Wait for something to become true, with a deadline and without `time.sleep`."""

import threading
import time
from collections.abc import Callable

POLL_SECONDS = 0.05


def wait_until(
    predicate: Callable[[], bool], timeout: float = 30.0, *, what: str = "the condition"
) -> None:
    """Return as soon as `predicate()` is true.

    Raises:
        AssertionError: It was not true within `timeout` seconds; the message names `what`.
    """
    pause = threading.Event()
    deadline = time.monotonic() + timeout
    while not predicate():
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout:g} s"
        pause.wait(POLL_SECONDS)
