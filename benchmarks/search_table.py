"""Tables of true scores, which searches can be tried on without training anything.

    python benchmarks/search_table.py [--table sinusoid | omniglot] [--out DIR] [--quick]

Trains every point of a grid as lanes, with three seeds, so that the noise of training is in it, and
scores it on a bank of meta-validation tasks at every rung: `benchmarks/tables/NAME.npz` holds, for
each branch, the points, the score of every task at every rung (float16), where a point diverged,
and what no search sees: the mean score over many meta-test tasks after the last rung ("truth").
About half an hour on one core for each table (Omniglot with a conv4 of 8 filters).
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.suite.process import keep_memory
from metaopt.evaluation.bank import BankSpec
from metaopt.keys import key
from metaopt.population.population import Population
from metaopt.population.signature import signature_of

TABLES = Path(__file__).parent / "tables"
SEEDS = 3
TOGETHER = 32  # points in a population

Json = dict[str, Any]


def logs(low: float, high: float, count: int) -> list[float]:
    """Return `count` numbers from low to high, evenly apart in their logarithm."""
    return [float(f"{value:.4g}") for value in np.geomspace(low, high, count)]


# Rungs: the whole divided by powers of two, three and four.
SPECS: dict[str, Json] = {
    "sinusoid": {
        "tasks": {"kind": "sinusoid", "k_shot": 10, "q_query": 10},
        "model": {"kind": "mlp", "widths": [40, 40]},
        "bank": {"tasks": 100, "k_shot": 5, "q_query": 20},
        "truth_tasks": 1000,
        "rungs": [60, 101, 180, 405, 540, 810, 1620],
        "branches": {
            "maml": {
                "grid": {
                    "inner_lr": logs(1e-3, 0.3, 10),
                    "outer_lr": logs(1e-4, 3e-2, 9),
                    "inner_steps": [1, 2, 3, 5],
                    "order": ["first", "second"],
                },
                "fixed": {},
            },
            "reptile": {
                "grid": {
                    "inner_lr": logs(2e-3, 0.1, 9),
                    "epsilon": logs(0.03, 1.0, 8),
                    "inner_steps": [3, 5, 8],
                },
                "fixed": {"test_steps": 10},
            },
        },
    },
    "omniglot": {
        "tasks": {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 3},
        "model": {"kind": "conv4", "filters": 8},
        "bank": {"tasks": 100, "k_shot": 1, "q_query": 5},
        "truth_tasks": 400,
        "rungs": [6, 10, 18, 40, 54, 81, 162],
        "branches": {
            "maml": {
                "grid": {
                    "inner_lr": logs(1e-2, 1.0, 10),
                    "outer_lr": logs(3e-4, 3e-2, 9),
                    "inner_steps": [1, 2],
                },
                "fixed": {"meta_batch": 2},
            },
        },
    },
}


@dataclass(frozen=True)
class Found:
    """What the points of a branch came to.

    Args:
        scores: (seeds, points, rungs, tasks) on the bank; NaN once diverged.
        diverged_at: (seeds, points), meta-iteration; -1 if not.
        truth: (seeds, points), mean score over meta-test tasks after the last rung; NaN if
            diverged.
    """

    scores: np.ndarray
    diverged_at: np.ndarray
    truth: np.ndarray


def points_of(branch: Json) -> list[Json]:
    """Return every point of a branch's grid."""
    names = list(branch["grid"])
    return [
        dict(zip(names, values, strict=True))
        for values in itertools.product(*branch["grid"].values())
    ]


def score(name: str, directory: Path, quick: bool) -> dict[str, np.ndarray]:
    """Train and score every point of a table; return its arrays."""
    spec = SPECS[name]
    arrays: dict[str, np.ndarray] = {"rungs": np.array(spec["rungs"])}
    for algorithm, branch in spec["branches"].items():
        points = points_of(branch)[: 4 if quick else None]
        shape = (SEEDS, len(points), len(spec["rungs"]), spec["bank"]["tasks"])
        scores = np.full(shape, np.nan, np.float16)
        found = Found(
            scores, np.full(shape[:2], -1, np.int32), np.full(shape[:2], np.nan, np.float32)
        )
        begun = time.monotonic()
        for cap, order in sorted({(p["inner_steps"], p.get("order", "")) for p in points}):
            alike = [
                i
                for i, point in enumerate(points)
                if point["inner_steps"] == cap and point.get("order", "") == order
            ]
            lanes = [(seed, i) for i in alike for seed in range(SEEDS)]
            for start in range(0, len(lanes), TOGETHER):
                together = lanes[start : start + TOGETHER]
                _train(spec, algorithm, points, together, directory, found)
            print(
                f"{name} {algorithm} {order}: {cap} inner steps, {len(lanes)} trainings, "
                f"{time.monotonic() - begun:.0f} s",
                file=sys.stderr, flush=True,
            )  # fmt: skip
        for parameter in branch["grid"]:
            arrays[f"{algorithm}/{parameter}"] = np.array([point[parameter] for point in points])
        arrays[f"{algorithm}/scores"] = found.scores
        arrays[f"{algorithm}/diverged_at"] = found.diverged_at
        arrays[f"{algorithm}/truth"] = found.truth
    return arrays


def _train(
    spec: Json,
    algorithm: str,
    points: list[Json],
    lanes: list[tuple[int, int]],
    directory: Path,
    found: Found,
) -> None:
    """Train lanes (seed, point) of one number of inner steps and one order together."""
    fixed, cap = spec["branches"][algorithm]["fixed"], points[lanes[0][1]]["inner_steps"]
    test_cap = max(cap, fixed.get("test_steps", 0))
    signature = signature_of(
        tasks=spec["tasks"], model=spec["model"], algorithm=algorithm,
        params={**fixed, **points[lanes[0][1]]}, step_cap=cap, test_cap=test_cap,
    )  # fmt: skip
    population = Population(signature)
    for seed, i in lanes:
        population.admit(
            f"{seed}/{i}",
            {**fixed, **points[i]},
            seed=key(seed, "table", algorithm, i),
            horizon=spec["rungs"][-1],
        )
    population.use_compiled(directory)
    bank = BankSpec(split="validation", seed=0, steps=test_cap, **spec["bank"])
    sealed = BankSpec(
        split="test", seed=1, steps=test_cap, **{**spec["bank"], "tasks": spec["truth_tasks"]}
    )
    age = 0
    for place, rung in enumerate(spec["rungs"]):
        population.advance(rung - age)
        age = rung
        scores = population.evaluate(population.lanes, bank)
        for seed, i in lanes:
            state = population.state(f"{seed}/{i}")
            if state.diverged_at is None:
                found.scores[seed, i, place] = np.minimum(scores[f"{seed}/{i}"].scores, 6e4)
            elif found.diverged_at[seed, i] < 0:
                found.diverged_at[seed, i] = state.diverged_at
    scores = population.evaluate(population.lanes, sealed)
    for seed, i in lanes:
        if found.diverged_at[seed, i] < 0:
            found.truth[seed, i] = np.mean(scores[f"{seed}/{i}"].scores)


def main() -> None:
    """Make the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", choices=list(SPECS), nargs="+", default=list(SPECS))
    parser.add_argument("--out", type=Path, default=TABLES)
    parser.add_argument("--quick", action="store_true", help="four points of each branch")
    options = parser.parse_args()
    keep_memory()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.table:
        with tempfile.TemporaryDirectory() as directory:
            arrays = score(name, Path(directory), options.quick)
        spec = SPECS[name]
        path = options.out / f"{name}.npz"
        np.savez_compressed(path, spec=np.array(json.dumps(spec)), **arrays)
        print(f"{path.name}: {path.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
