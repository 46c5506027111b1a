"""Compiled programs of a run of the tests: each is made once, by who first wants it."""

import fcntl
import os
from pathlib import Path

from metaopt.population.population import Population


def use_compiled(population: Population, directory: Path) -> None:
    """Train `population` by its program in `directory`, which other processes fill, too."""
    os.environ.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "1")  # as in executors.compiling
    path = population.program_path(directory)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        population.use_compiled(directory)
