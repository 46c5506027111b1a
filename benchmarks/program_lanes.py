"""How many lanes a compiled program should have on a CPU core.

    python benchmarks/program_lanes.py [--quick] [--json FILE]

More lanes share the cost of a call; but what a meta-iteration keeps must fit the core's cache, and
a segment with fewer trials pays for the unused ones.  Prints the ms per trial and meta-iteration of
16 trials (sinusoid, MLP 40-40, one thread) trained by programs of 1 to 16 lanes, and marks what
`metaopt.population.sizes.default_program_lanes` chooses.  Compiling takes some minutes.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from service.output_file import write_output

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.suite.process import keep_memory
from metaopt.population.population import Population
from metaopt.population.signature import Signature, signature_of
from metaopt.population.sizes import default_program_lanes

SINUSOID = {"kind": "sinusoid", "k_shot": 10, "q_query": 10}
MLP = {"kind": "mlp", "widths": [40, 40]}
TRIALS = 16
LANES = (1, 2, 4, 8, 16)
WORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "maml, 25 tasks, 1 step": ("maml", {"inner_steps": 1}),
    "maml, 25 tasks, 5 steps": ("maml", {"inner_steps": 5}),
    "maml, 4 tasks, 5 steps": ("maml", {"inner_steps": 5, "meta_batch": 4}),
    "first order, 25 tasks, 5 steps": ("maml", {"inner_steps": 5, "order": "first"}),
    "reptile, 1 task, 5 steps": ("reptile", {"inner_steps": 5, "meta_batch": 1}),
    "reptile, 5 tasks, 5 steps": ("reptile", {"inner_steps": 5, "meta_batch": 5}),
}


def signature(name: str) -> Signature:
    """Return the signature of a work item."""
    algorithm, params = WORKS[name]
    return signature_of(tasks=SINUSOID, model=MLP, algorithm=algorithm, params=params)


def population(name: str, lanes: int, directory: Path) -> Population:
    """Return the trials of a work item, trained by a program of so many lanes."""
    made = Population(signature(name), program_lanes=lanes)
    for i in range(TRIALS):
        made.admit(str(i), WORKS[name][1], seed=i, horizon=10**6)
    made.use_compiled(directory)
    return made


def milliseconds(name: str, directory: Path, lanes: tuple[int, ...], repeats: int) -> list[float]:
    """Return the median ms per trial and meta-iteration for each number of lanes, in turns."""
    timed = [population(name, count, directory) for count in lanes]
    seconds: list[list[float]] = [[] for _ in lanes]
    for repeat in range(repeats + 1):
        for made, taken in zip(timed, seconds, strict=True):
            begun = time.perf_counter()
            made.advance(20)
            if repeat:
                taken.append((time.perf_counter() - begun) / 20 / TRIALS)
    return [1e3 * statistics.median(taken) for taken in seconds]


def main() -> None:
    """Print the table, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one work item, two programs")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    keep_memory()
    torch.set_num_threads(1)
    lanes, repeats = (LANES[:2], 2) if arguments.quick else (LANES, 15)
    print(f"{platform.machine()}, torch {torch.__version__}, one thread, median of {repeats}")
    print("ms per trial and meta-iteration by lanes of the program; * is what a worker takes")
    print(f"  {'':<32}" + "".join(f"{count:>9}" for count in lanes))
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        for name in list(WORKS)[: 1 if arguments.quick else None]:
            found = milliseconds(name, Path(directory), lanes, repeats)
            results[name] = dict(zip(map(str, lanes), found, strict=True))
            chosen = default_program_lanes(signature(name))
            cells = (
                f"{ms:8.3f}{'*' if n == chosen else ' '}"
                for n, ms in zip(lanes, found, strict=True)
            )
            print(f"  {name:<32}" + "".join(cells), flush=True)
    if arguments.json:
        write_output(arguments.json, json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
