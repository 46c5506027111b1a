"""Signs of progress: a worker says that it goes on, and looks whether it is to end early.

    between meta-iterations, inner     ──go_on()──▶ {"progress": "training"}, once a second
    steps, admissions, looks at a                   False once its order is to end early
    compiler that it waits for

Signs come from the thread that works: one of their own would beat on while that one hangs.  They
say what it does, so that who kills it can tell; and, before what is known to take long without a
sign, how long that may be.

Of a group whose segments nobody has timed yet the order names a floor F of seconds, and each sign
says how long nothing more may be heard:

    a stage begins: plug-ins imported, data loaded,    3 F
      lanes admitted, a first meta-iteration
    training, evaluating, from the second piece on     F + 10 × the longest piece so far
    waiting for a GPU to do what it was told          10 F
    compiling                                          as its compiler is known to take
"""

import time
from collections.abc import Callable
from typing import Any

SIGN_SECONDS = 1.0
STAGE_TIMES, DEVICE_TIMES = 3.0, 10.0  # the floor
PIECE_TIMES = 10.0  # the longest piece
MEASURED = ("training", "evaluating")
"""Stages whose pieces are alike: a meta-iteration, an inner step of some tasks."""
FOR_DEVICE = "waiting for the device"


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
        self._floor: float | None = None
        self._said: float | None = None
        self._pieces, self._longest, self._heard_at = 0, 0.0, 0.0

    def begin(self, number: int, floor: float | None = None) -> None:
        """Begin with an order, and say so.

        Args:
            number: Of the order.
            floor: Least seconds of silence after which its worker has hung, if that is for the
                worker to say; None if the order says it.
        """
        self._number, self._floor = number, floor
        self.doing("beginning")

    def doing(self, what: str, *, patience: float | None = None) -> None:
        """Say what comes now, and for how many seconds nothing more may be heard of it."""
        self._what, self._said = what, patience
        self._pieces, self._longest, self._heard_at = 0, 0.0, self._clock()
        self._sign()

    def stop(self, number: int) -> None:
        """Let the order of this number, and those before it, end early; from any thread."""
        self._stop_at = max(self._stop_at, number)

    @property
    def stopped(self) -> bool:
        """Whether the order under way is to end early."""
        return self._number <= self._stop_at

    def go_on(self) -> bool:
        """Say that work goes on; return whether it should."""
        now = self._clock()
        if self._floor is not None:
            self._time(now)
        if now - self._signed_at >= SIGN_SECONDS or (self._floor is not None and self._pieces == 2):
            self._sign()
        return not self.stopped

    def check(self) -> None:
        """Say that work goes on.

        Raises:
            Stopped: it should not.
        """
        if not self.go_on():
            raise Stopped

    def _time(self, now: float) -> None:
        self._pieces += 1
        if self._pieces > 1:  # the first is heard before anything is done
            self._longest = max(self._longest, now - self._heard_at)
        self._heard_at = now

    def _patience(self) -> float | None:
        """For how many seconds nothing more may be heard; None where the order says it."""
        if self._said is not None or self._floor is None:
            return self._said
        if self._what in MEASURED and self._pieces > 1:
            return self._floor + PIECE_TIMES * self._longest
        return self._floor * (DEVICE_TIMES if self._what == FOR_DEVICE else STAGE_TIMES)

    def _sign(self) -> None:
        self._signed_at, patience = self._clock(), self._patience()
        more = {} if patience is None else {"patience": patience}
        self._send({"progress": self._what, **more})
