"""The world that a simulated dispatcher lives in: one thread, one clock, one source of chance.

    dispatcher ──wait(timeout)──▶ world: what comes next?
                                    a segment ends · a user moves the study · the dispatcher dies ·
                                    another takes over · nothing, and time has passed

The dispatcher is the real one, on a real database.  It waits in one place only (`Slots.wait`);
there the world goes on to what is due next, so that a run is a function of its seed and takes no
time.
"""

import heapq
import itertools
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from queue import Empty

BEGUN_AT = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST_NAP_SECONDS = 5.0  # of a dispatcher that has nothing to do: polls cost real time
DELAYS = [1, 10, 60]  # of one that sleeps


class Killed(BaseException):
    """The dispatcher's process dies here."""


class Stuck(AssertionError):
    """The study did not end although no fault was left."""


@dataclass(order=True)
class _Due:
    at: float
    order: int
    act: Callable[[], None] = field(compare=False)


class World:
    """Clock, chance and what is due.

    Args:
        seed: All of it follows from this.
        most_waits: After which a study that has not ended is stuck.
    """

    def __init__(self, seed: int, *, most_waits: int = 1500) -> None:
        self.chance = random.Random(seed)
        self.now = 1000.0
        self.told: list[str] = []
        self.on_wait: Callable[[], None] = lambda: None
        self._due: list[_Due] = []
        self._numbers, self._instants = itertools.count(), 0
        self._waits_left = most_waits

    def monotonic(self) -> float:
        """The clock, as `time.monotonic`."""
        return self.now

    def utc_now(self) -> datetime:
        """The same clock as an instant; no two are the same."""
        self._instants += 1
        return BEGUN_AT + timedelta(seconds=self.now, microseconds=self._instants)

    def uuid4(self) -> uuid.UUID:
        """An identifier, as `uuid.uuid4`."""
        return uuid.UUID(int=self.chance.getrandbits(128), version=4)

    def tell(self, what: str) -> None:
        """Add a line to the log of what happened."""
        self.told.append(f"{self.now - 1000:9.3f} {what}")

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something happen in so many seconds."""
        heapq.heappush(self._due, _Due(self.now + seconds, next(self._numbers), act))

    def forget(self) -> None:
        """Nothing that was due happens any more: whose it was has died."""
        self._due.clear()

    def pass_time(self, timeout: float) -> None:
        """Go on to what is due next, if that is within `timeout`; else let time pass.

        Raises:
            Stuck: That was too often.
        """
        self._waits_left -= 1
        if self._waits_left < 0:
            raise Stuck("the study has not ended, and nothing goes wrong any more")
        self.on_wait()
        if self._due and self._due[0].at <= self.now + timeout:
            due = heapq.heappop(self._due)
            self.now = max(self.now, due.at)
            due.act()
            return
        until = self._due[0].at if self._due else self.now + LONGEST_NAP_SECONDS
        self.now = max(self.now + timeout, min(until, self.now + LONGEST_NAP_SECONDS))

    def sleep(self, seconds: float) -> None:
        """The dispatcher stands still, and what is due meanwhile happens, as `time.sleep`.

        It may take longer than it was asked for, as on a busy machine: else whoever waits for
        minutes for one thing does the same hundreds of times.
        """
        until = self.now + seconds * self.chance.choice(DELAYS)
        while self._due and self._due[0].at <= until:
            due = heapq.heappop(self._due)
            self.now = max(self.now, due.at)
            due.act()
        self.now = max(self.now, until)


class Ended:
    """The queue of slots whose segment has ended, as `queue.SimpleQueue`; waiting passes time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._names: list[str | None] = []

    def put(self, name: str | None) -> None:
        """Add a slot's name, or None for a wake."""
        self._names.append(name)

    def get(self, timeout: float) -> str | None:
        """Take one of them, in any order.

        Raises:
            queue.Empty: None came within `timeout` seconds of the world's clock.
        """
        if not self._names:
            self._world.pass_time(timeout)
        if not self._names:
            raise Empty
        return self._names.pop(self._world.chance.randrange(len(self._names)))
