"""Score vectors of real trials: what `benchmarks/verdict.py` draws its noise from.

    python -m benchmarks.score_vectors [sinusoid | omniglot] [--out FILE]

MAML on a grid of inner and outer rates, each with some seeds, judged at three rungs on one bank of
tasks, by task: on sinusoids the MSE after one step, on Omniglot 5-way 1-shot the accuracy on 25
drawings after one step, of a conv4 of 8 filters.  A file holds `scores` (configurations, seeds,
rungs, tasks) as float16, and the grid.  On one core about two minutes and ten; everything else
follows from seeds, so a file is made again by running this (up to rounding of the processor).
"""

import argparse
import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from metaopt.evaluation.bank import BankSpec
from metaopt.keys import key
from metaopt.population.population import Population
from metaopt.population.signature import signature_of

SEEDS = 12
BANK_TASKS = 400
FOLDER = Path(__file__).parent
Json = dict[str, Any]


class Source(NamedTuple):
    """What was trained for a file of score vectors."""

    file: Path
    tasks: Json
    model: Json
    fixed: Json
    inner_lr: tuple[float, ...]
    outer_lr: tuple[float, ...]
    rungs: tuple[int, ...]
    query: int  # examples per class, or per sinusoid, that a score is over


SOURCES = {
    "sinusoid": Source(
        FOLDER / "score_vectors.npz",
        {"kind": "sinusoid", "k_shot": 10, "q_query": 10},
        {"kind": "mlp", "widths": [40, 40]},
        {"inner_steps": 1, "meta_batch": 10, "order": "second"},
        (0.003, 0.01, 0.02, 0.04, 0.08),
        (3e-4, 1e-3, 3e-3, 1e-2),
        (80, 240, 720),
        10,
    ),
    "omniglot": Source(
        FOLDER / "score_vectors_omniglot.npz",
        {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 3},
        {"kind": "conv4", "filters": 8},
        {"inner_steps": 1, "meta_batch": 4, "order": "second"},
        (0.1, 0.3, 1.0),
        (3e-3, 1e-2, 3e-2),
        (30, 90, 270),
        5,
    ),
}


def main() -> None:
    """Train, judge, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", choices=SOURCES, default="sinusoid")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    source = SOURCES[arguments.name]
    out = arguments.out or source.file
    torch.set_num_threads(1)
    grid = list(itertools.product(source.inner_lr, source.outer_lr))
    scores = np.stack([trained(source, inner_lr, outer_lr) for inner_lr, outer_lr in grid])
    np.savez_compressed(
        out,
        scores=scores.astype(np.float16),
        inner_lr=[inner_lr for inner_lr, _ in grid],
        outer_lr=[outer_lr for _, outer_lr in grid],
        rungs=source.rungs,
    )
    print(f"{out.name}: {scores.shape}, {out.stat().st_size / 1000:.0f} kB")


def trained(source: Source, inner_lr: float, outer_lr: float) -> np.ndarray:
    """Return the scores of one configuration (seeds, rungs, tasks)."""
    params = {**source.fixed, "inner_lr": inner_lr, "outer_lr": outer_lr}
    program = signature_of(tasks=source.tasks, model=source.model, algorithm="maml", params=params)
    population = Population(program)
    for seed in range(SEEDS):
        population.admit(str(seed), params, seed=key("trial", seed), horizon=source.rungs[-1])
    shots = source.tasks["k_shot"]
    bank = BankSpec("test", 0, BANK_TASKS, k_shot=shots, q_query=source.query, steps=1)
    at_rungs = []
    for begin, end in zip((0, *source.rungs), source.rungs, strict=False):
        population.advance(end - begin)
        judged = population.evaluate(population.lanes, bank)
        at_rungs.append([judged[str(seed)].scores for seed in range(SEEDS)])
    return np.array(at_rungs).swapaxes(0, 1)


if __name__ == "__main__":
    main()
