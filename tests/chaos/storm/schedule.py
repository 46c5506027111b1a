"""The schedule of faults: which, when and at whom, as a seed has it.

A seed gives the same schedule; what a process does when a fault hits it is up to the machine.
"""

import random
import signal
from collections.abc import Iterator
from typing import NamedTuple

KILLS = {"worker": 12, "dispatcher": 3, "api": 2, "mirror": 1}
"""How often which process is killed, against each other."""

STOPS = {"worker": 2, "dispatcher": 1}
"""Likewise, which is stopped for a while."""


class Fault(NamedTuple):
    """One signal.

    Args:
        after_seconds: Since the fault before.
        kind: Of the process.
        place: Which of those there are: this share of the way through their list.
    """

    after_seconds: float
    kind: str
    place: float
    number: signal.Signals


def faults(seed: int, *, every_seconds: float, stops: bool) -> Iterator[Fault]:
    """Yield faults for ever, on average one in so many seconds.

    Args:
        stops: Whether processes are stopped too, and not killed alone.
    """
    chance = random.Random(seed)
    choices = [(kind, signal.SIGKILL, weight) for kind, weight in KILLS.items()]
    choices += [(kind, signal.SIGSTOP, weight * stops) for kind, weight in STOPS.items()]
    weights = [weight for _, _, weight in choices]
    while True:
        kind, number, _ = chance.choices(choices, weights)[0]
        pause = every_seconds * (0.3 + 1.4 * chance.random())
        yield Fault(pause, kind, chance.random(), number)
