"""The allowance of a request: how much longer it may wait for others who write.

    here ──for a thread──▶ in the line of writers ──▶ for a lock ──▶ for the next lock ──▶ …
    └────────── one time for all of it (`API_REQUEST_SECONDS`): each has what is left ───┘

With a limit for each wait alone, one that waits in several places takes the sum of them.  A request
that has nothing left, as after it has computed for long, still has a moment: where nobody else
writes that is enough.
"""

import time
from contextvars import ContextVar

LEAST_SECONDS = 0.25

_until: ContextVar[float | None] = ContextVar("_until", default=None)


def allow(until: float) -> None:
    """Let who asks, in this task and the threads that it uses, wait until this monotonic time."""
    _until.set(until)


def allowed(most_seconds: float) -> float:
    """Return for how long to wait now, of `most_seconds` at most."""
    until = _until.get()
    if until is None:
        return most_seconds
    return min(most_seconds, max(until - time.monotonic(), LEAST_SECONDS))
