"""Signs of progress: a worker says that it goes on, and looks whether it is to end early.

    between meta-iterations, inner     ──go_on()──▶ {"progress": "training"}, once a second
    steps, admissions, looks at a                   False once its order is to end early
    compiler that it waits for

Signs come from the thread that works: one of their own would beat on while that one hangs.  They
say what it does, so that who kills it can tell; and, before what is known to take long without a
sign, how long that may be.
"""

import time
from collections.abc import Callable
from typing import Any

SIGN_SECONDS = 1.0


class Stopped(Exception):
    """What was under way ends early, as somebody has asked; it left nothing behind."""


class Progress:
    """What one worker tells of its orders.

    Args:
        send: Passes a message on to whoever waits.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without an order."""
        self._send = send
        self._clock = clock
        self._what = "idle"
        self._signed_at = 0.0
        self._number = 0
        self._stop_at = -1

    def begin(self, number: int) -> None:
        """Begin with an order, and say so."""
        self._number = number
        self.doing("beginning")

    def doing(self, what: str, *, patience: float | None = None) -> None:
        """Say what comes now, and for how many seconds nothing more may be heard of it."""
        self._what = what
        self._sign({} if patience is None else {"patience": patience})

    def stop(self, number: int) -> None:
        """Let the order of this number, and those before it, end early; from any thread."""
        self._stop_at = max(self._stop_at, number)

    @property
    def stopped(self) -> bool:
        """Whether the order under way is to end early."""
        return self._number <= self._stop_at

    def go_on(self) -> bool:
        """Say that work goes on; return whether it should."""
        if self._clock() - self._signed_at >= SIGN_SECONDS:
            self._sign({})
        return not self.stopped

    def check(self) -> None:
        """Say that work goes on.

        Raises:
            Stopped: it should not.
        """
        if not self.go_on():
            raise Stopped

    def _sign(self, more: dict[str, Any]) -> None:
        self._signed_at = self._clock()
        self._send({"progress": self._what, **more})
