"""Milliseconds per trial and meta-iteration: the plain loop over tasks against lanes.

    python benchmarks/lanes.py [--quick] [--json FILE]

One run, one process, one thread: the loop (one task at a time, `torch.autograd.grad`, the same
reference the tests prove the lanes against), one lane, and 8, 16, 32 lanes of one program, for
MAML on sinusoids (25 tasks, 10 + 10 points, MLP 40-40, second order, 1 and 5 inner steps) and on
Omniglot (conv4, 5-way 1-shot, 8 tasks, second order, 1 step).  Convolutions are also timed with 8
lanes strictly one by one and all stacked; a population chooses between by the number of filters.
Each figure is the median of repeats that alternate between the contenders; ratios are within the
run.  The process runs with the memory setting of the service's workers (`service.executors`).
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from service.executors.process import KEEP_MEMORY
from tests import reference

SINUSOID = {"kind": "sinusoid", "k_shot": 10, "q_query": 10}
MLP = {"kind": "mlp", "widths": [40, 40], "activation": "relu"}
OMNIGLOT = {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 1}


def population(work: dict[str, Any], lanes: int, lane_chunk: int | None = None) -> Population:
    """Return a population of `lanes` trials of the work item."""
    params = work["params"]
    signature = signature_of(
        tasks=work["tasks"], model=work["model"], algorithm="maml", params=params
    )
    made = Population(signature, lane_chunk=lane_chunk)
    for i in range(lanes):
        made.admit(f"lane{i}", {**params, "outer_lr": 1e-3 * (1 + i / lanes)}, seed=i, horizon=1)
    return made


def loop(work: dict[str, Any]) -> Callable[[], None]:
    """Return one meta-iteration of one trial by the loop over tasks, with torch's own Adam."""
    one = population(work, 1)
    weights = {name: value.clone().requires_grad_() for name, value in one.weights("lane0").items()}
    optimizer = torch.optim.Adam(weights.values(), lr=1e-3)
    apply = reference.conv4 if work["model"]["kind"] == "conv4" else reference.mlp
    shots = work["tasks"]["k_shot"], work["tasks"]["q_query"]
    keys = torch.arange(work["params"]["meta_batch"])

    def step() -> None:
        episodes = one.program.tasks.sample("train", keys, *shots)
        tasks = [tuple((e.x[t], e.y[t]) for e in episodes) for t in range(len(keys))]
        gradient, _ = reference.maml_gradient(
            apply, weights, tasks, inner_lr=0.01, steps=work["params"]["inner_steps"],
            first_order=False,
        )  # fmt: skip
        for name, value in weights.items():
            value.grad = gradient[name].to(value.dtype)
        optimizer.step()

    return step


def contenders(work: dict[str, Any]) -> dict[str, tuple[Callable[[], None], int]]:
    """Return what is timed, with the trials each call advances by one meta-iteration."""
    made: dict[str, tuple[Callable[[], None], int]] = {"loop": (loop(work), 1)}
    for lanes in (1, 8, 16, 32):
        lanes_of = population(work, lanes)
        made[f"lanes_{lanes}"] = (lambda p=lanes_of: p.advance(1), lanes)
    if work["model"]["kind"] == "conv4":
        for name, chunk in (("one_by_one_8", 1), ("stacked_8", 8)):
            lanes_of = population(work, 8, lane_chunk=chunk)
            made[name] = (lambda p=lanes_of: p.advance(1), 8)
    return made


def measure(work: dict[str, Any], repeats: int) -> dict[str, float]:
    """Return the median milliseconds per trial and meta-iteration of each contender."""
    timed = contenders(work)
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for repeat in range(repeats + 1):
        for name, (call, trials) in timed.items():
            begin = time.perf_counter()
            call()
            if repeat:  # the first round warms up
                seconds[name].append((time.perf_counter() - begin) / trials)
    return {name: 1e3 * statistics.median(values) for name, values in seconds.items()}


def _keep_memory() -> None:
    """Begin again with the allocator settings a worker has: libc reads them at start only."""
    if any(name not in os.environ for name in KEEP_MEMORY):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP_MEMORY})


def main() -> None:
    """Print the table, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, smaller network")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    _keep_memory()
    torch.set_num_threads(1)
    repeats, filters = (3, 8) if arguments.quick else (15, 32)
    conv = {"tasks": OMNIGLOT, "model": {"kind": "conv4", "filters": filters}}
    sinusoid = {"tasks": SINUSOID, "model": MLP}
    works = {
        "sinusoid_1": {**sinusoid, "params": {"inner_steps": 1, "meta_batch": 25}},
        "sinusoid_5": {**sinusoid, "params": {"inner_steps": 5, "meta_batch": 25}},
        f"conv4_{filters}": {**conv, "params": {"inner_steps": 1, "meta_batch": 8}},
    }
    machine = f"{platform.machine()}, torch {torch.__version__}, 1 thread"
    print(f"ms per trial and meta-iteration, median of {repeats}; {machine}")
    results = {name: measure(work, repeats) for name, work in works.items()}
    for name, figures in results.items():
        print(f"\n{name}")
        for contender, ms in figures.items():
            print(f"  {contender:<12}{ms:10.3f} ms   loop is {figures['loop'] / ms:6.2f}×")
    if arguments.json:
        document = {"machine": machine, "repeats": repeats, "milliseconds": results}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
