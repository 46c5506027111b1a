"""Score vectors of real trials: what `benchmarks/verdict.py` draws its noise from.

    python -m benchmarks.score_vectors [--out benchmarks/score_vectors.npz]

Sinusoid MAML on a grid of inner and outer rates, each with some seeds, judged at three rungs on
one bank of tasks: MSE after one step, by task.  The file holds `scores` (configurations, seeds,
rungs, tasks) as float16, and the grid.  About two minutes on one core; everything else follows
from seeds, so the file is made again by running this (up to rounding of the processor).
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import torch

from metaopt.evaluation.bank import BankSpec
from metaopt.keys import key
from metaopt.population.population import Population
from metaopt.population.signature import signature_of

TASKS = {"kind": "sinusoid", "k_shot": 10, "q_query": 10}
MODEL = {"kind": "mlp", "widths": [40, 40]}
FIXED = {"inner_steps": 1, "meta_batch": 10, "order": "second"}
INNER_LR = (0.003, 0.01, 0.02, 0.04, 0.08)
OUTER_LR = (3e-4, 1e-3, 3e-3, 1e-2)
RUNGS = (80, 240, 720)
SEEDS = 12
BANK_TASKS = 400
FILE = Path(__file__).parent / "score_vectors.npz"


def main() -> None:
    """Train, judge, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    grid = list(itertools.product(INNER_LR, OUTER_LR))
    scores = np.stack([trained(inner_lr, outer_lr) for inner_lr, outer_lr in grid])
    np.savez_compressed(
        arguments.out,
        scores=scores.astype(np.float16),
        inner_lr=[inner_lr for inner_lr, _ in grid],
        outer_lr=[outer_lr for _, outer_lr in grid],
        rungs=RUNGS,
    )
    print(f"{arguments.out.name}: {scores.shape}, {arguments.out.stat().st_size / 1000:.0f} kB")


def trained(inner_lr: float, outer_lr: float) -> np.ndarray:
    """Return the scores of one configuration (seeds, rungs, tasks)."""
    params = {**FIXED, "inner_lr": inner_lr, "outer_lr": outer_lr}
    population = Population(signature_of(tasks=TASKS, model=MODEL, algorithm="maml", params=params))
    for seed in range(SEEDS):
        population.admit(str(seed), params, seed=key("trial", seed), horizon=RUNGS[-1])
    bank = BankSpec("test", seed=0, tasks=BANK_TASKS, k_shot=10, q_query=10, steps=1)
    at_rungs = []
    for begin, end in zip((0, *RUNGS), RUNGS, strict=False):
        population.advance(end - begin)
        judged = population.evaluate(population.lanes, bank)
        at_rungs.append([judged[str(seed)].scores for seed in range(SEEDS)])
    return np.array(at_rungs).swapaxes(0, 1)


if __name__ == "__main__":
    main()
