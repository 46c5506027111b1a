"""Many seeds, on several processes, for as long as there is time."""

import gc
import math
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.chaos.simulation.run import Outcome, Simulator

MOST_IN_CHUNK = 250  # of a simulator, whose database and queries take it a second to make


@dataclass
class Seeds:
    """What came of many seeds.

    Args:
        lives: How many dispatchers lived in all runs.
        red: The violations of each seed that has any.
    """

    seeds: int = 0
    lives: int = 0
    segments: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    red: dict[int, list[str]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.seeds += 1
        self.lives += outcome.lives
        self.segments += outcome.segments
        self.statuses[outcome.status] = self.statuses.get(outcome.status, 0) + 1
        if outcome.violations:
            self.red[outcome.seed] = outcome.violations[:5]


@contextmanager
def simulator() -> Iterator[Simulator]:
    """Yield a simulator in memory, where there is a disk in memory."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="metaopt-", dir=memory if memory.is_dir() else None))
    made = Simulator(folder)
    gc.freeze()  # modules and tables stay: to look through them for garbage is a tenth of a run
    try:
        yield made
    finally:
        gc.unfreeze()
        made.close()
        shutil.rmtree(folder)


def run_seeds(seeds: Iterable[int], *, jobs: int = 1, most_seconds: float = 1e9) -> Seeds:
    """Run seeds in their order; those not begun within `most_seconds` are left out."""
    every, deadline = list(seeds), time.time() + most_seconds
    size = max(1, min(MOST_IN_CHUNK, math.ceil(len(every) / jobs)))
    chunks = [every[i : i + size] for i in range(0, len(every), size)]
    found = Seeds()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for outcomes in pool.map(_run, chunks, [deadline] * len(chunks)):
            for outcome in outcomes:
                found.add(outcome)
    return found


def _run(seeds: list[int], deadline: float) -> list[Outcome]:
    outcomes: list[Outcome] = []
    if time.time() < deadline:
        with simulator() as one:
            for seed in seeds:
                if time.time() > deadline:
                    break
                outcomes.append(one.run(seed))
                outcomes[-1].told.clear()
    return outcomes
