"""What a contender is, as its process sees it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.suite.tasks import Batch, Example
from benchmarks.suite.works import Work

__all__ = ["Batch", "Contender", "Example", "Setting", "Unavailable", "Work"]


class Unavailable(Exception):
    """A contender cannot take part, for the reason in the message."""


@dataclass(frozen=True)
class Setting:
    """Where a contender runs.

    Args:
        device: "cpu" or "cuda".
        drawings: File with the training drawings of Omniglot; there only if a work item needs it.
    """

    device: str
    drawings: Path


def clock(device: str) -> Callable[[], float]:
    """Return what tells the seconds: of this process on a CPU, that passed on a GPU.

    Contenders have one thread each, so on an idle machine both are the same; on one that others
    use, theirs do not count.
    """
    return time.process_time if device == "cpu" else time.perf_counter


class Contender:
    """One way to train `trials` trials of a work item; `advance` leaves nothing unfinished."""

    trials = 1
    device = "cpu"

    def gradient(self, example: Example) -> dict[str, np.ndarray]:
        """Return the meta-gradient of the example, named and shaped as its weights.

        Reptile's is φ − mean φ̃.
        """
        raise NotImplementedError

    def advance(self, meta_iterations: int) -> None:
        """Train every trial: draw tasks, adapt, take the outer step."""
        raise NotImplementedError

    def milliseconds(self, meta_iterations: int) -> float:
        """Return the time of a meta-iteration of one trial."""
        now = clock(self.device)
        begin = now()
        self.advance(meta_iterations)
        return 1e3 * (now() - begin) / meta_iterations / self.trials

    def facts(self) -> dict[str, float]:
        """Return figures to print besides."""
        return {}

    def rest(self) -> None:
        """Give back memory that others on the device may need."""
