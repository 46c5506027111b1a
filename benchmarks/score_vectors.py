"""Score vectors of real trials: what the simulations of `benchmarks` draw their noise from.

    python -m benchmarks.score_vectors [sinusoid | omniglot | edge] [--out FILE]

`sinusoid` and `omniglot` are MAML on a grid of inner and outer rates, each with some seeds, judged
at three rungs on one bank of tasks, by task: on sinusoids the MSE after one step, on Omniglot 5-way
1-shot the accuracy on 25 drawings after one step, of a conv4 of 8 filters.

`edge` is where tails are heavy: on the sinusoids of `examples/sinusoid.yaml`, MAML beside Reptile
whose rates are so high that adaptation explodes on about one task of a thousand, to at most 1e6
(`metaopt.metrics`): 87 of its 144,000 scores are above 1e5, 20 more above 100.

A file holds `scores` (configurations, seeds, rungs, tasks) with 11 significant bits (float16 where
that has the range), and what was trained.  On one core about two, ten and ten minutes; everything
else follows from seeds, so a file is made again by running this (up to rounding of the processor).
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


class Training(NamedTuple):
    """One configuration: an algorithm and what of its meta-parameters is not the default."""

    algorithm: str
    params: Json


class Edge(NamedTuple):
    """What was trained for the file of score vectors with heavy tails."""

    file: Path
    tasks: Json
    model: Json
    trainings: tuple[Training, ...]
    rungs: tuple[int, ...]
    seeds: int
    bank: BankSpec


EDGE = Edge(
    FOLDER / "score_vectors_edge.npz",
    SOURCES["sinusoid"].tasks,
    SOURCES["sinusoid"].model,
    (
        *(
            Training("maml", {"inner_lr": inner_lr, "outer_lr": 1e-3, "inner_steps": 1})
            for inner_lr in (0.01, 0.03)
        ),
        *(
            Training(
                "reptile",
                {"inner_lr": rate, "epsilon": epsilon, "inner_steps": steps, "test_steps": 10},
            )
            for rate, epsilon, steps in (
                (0.024, 0.3, 3),
                (0.024, 1.0, 3),
                (0.024, 1.0, 6),
                (0.034, 0.3, 3),
                (0.034, 1.0, 3),
                (0.05, 0.3, 3),
            )
        ),
    ),
    (600, 1800, 5000),
    6,
    BankSpec("test", 0, 1000, k_shot=5, q_query=50, steps=10),
)


def main() -> None:
    """Train, judge, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", choices=[*SOURCES, "edge"], default="sinusoid")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.name == "edge":
        out, columns = arguments.out or EDGE.file, edge_columns(EDGE)
    else:
        source = SOURCES[arguments.name]
        out, columns = arguments.out or source.file, grid_columns(source)
    np.savez_compressed(out, **columns)
    print(f"{out.name}: {columns['scores'].shape}, {out.stat().st_size / 1000:.0f} kB")


def grid_columns(source: Source) -> dict[str, np.ndarray]:
    """The columns of a file about MAML on a grid of rates."""
    grid = list(itertools.product(source.inner_lr, source.outer_lr))
    shots = source.tasks["k_shot"]
    bank = BankSpec("test", 0, BANK_TASKS, k_shot=shots, q_query=source.query, steps=1)
    scores = []
    for inner_lr, outer_lr in grid:
        params = {**source.fixed, "inner_lr": inner_lr, "outer_lr": outer_lr}
        scores.append(_trained(source, Training("maml", params), bank, SEEDS))
    return {
        "scores": np.stack(scores).astype(np.float16),
        "inner_lr": np.array([inner_lr for inner_lr, _ in grid]),
        "outer_lr": np.array([outer_lr for _, outer_lr in grid]),
        "rungs": np.array(source.rungs),
    }


def edge_columns(edge: Edge) -> dict[str, np.ndarray]:
    """The columns of the file with heavy tails; `outer_rate` is MAML's β or Reptile's ε."""
    scores = [_trained(edge, training, edge.bank, edge.seeds) for training in edge.trainings]
    params = [training.params for training in edge.trainings]
    return {
        "scores": _rounded(np.stack(scores)),
        "algorithm": np.array([training.algorithm for training in edge.trainings]),
        "inner_lr": np.array([one["inner_lr"] for one in params]),
        "outer_rate": np.array([one.get("outer_lr") or one["epsilon"] for one in params]),
        "inner_steps": np.array([one["inner_steps"] for one in params]),
        "rungs": np.array(edge.rungs),
    }


def _trained(source: Source | Edge, training: Training, bank: BankSpec, seeds: int) -> np.ndarray:
    """The scores of one configuration (seeds, rungs, tasks)."""
    program = signature_of(
        tasks=source.tasks,
        model=source.model,
        algorithm=training.algorithm,
        params=training.params,
    )
    population = Population(program)
    for seed in range(seeds):
        horizon = source.rungs[-1]
        population.admit(str(seed), training.params, seed=key("trial", seed), horizon=horizon)
    at_rungs = []
    for begin, end in zip((0, *source.rungs), source.rungs, strict=False):
        population.advance(end - begin)
        judged = population.evaluate(population.lanes, bank)
        at_rungs.append([judged[str(seed)].scores for seed in range(seeds)])
    return np.array(at_rungs).swapaxes(0, 1)


def _rounded(scores: np.ndarray) -> np.ndarray:
    """The scores as float32 with the 11 significant bits of a float16: zip packs them as well."""
    bits = scores.astype(np.float32).view(np.uint32)
    rounded: np.ndarray = ((bits + np.uint32(1 << 12)) & np.uint32(0xFFFFE000)).view(np.float32)
    return rounded


if __name__ == "__main__":
    main()
