"""Tables of true scores, which searches can be tried on without training anything.

    python benchmarks/search_table.py [--table sinusoid | omniglot] [--out DIR] [--quick]

Trains every point of a grid once, as lanes, and scores it on a bank of meta-validation tasks at
every rung: `benchmarks/tables/NAME.npz` holds, for each branch, the points, the score of every task
at every rung (float16), and where a point diverged.  Twice: two seeds of training for every point,
so that the noise of training is in it too.  About 25 minutes on one core for sinusoids, 20 for
Omniglot (a conv4 of 8 filters, so that a thousand trainings are affordable).
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
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
SEEDS = 2
TOGETHER = 32  # points in a population

Json = dict[str, Any]


def logs(low: float, high: float, count: int) -> list[float]:
    """Return `count` numbers from low to high, evenly apart in their logarithm."""
    return [float(f"{value:.4g}") for value in np.geomspace(low, high, count)]


SPECS: dict[str, Json] = {
    "sinusoid": {
        "tasks": {"kind": "sinusoid", "k_shot": 10, "q_query": 10},
        "model": {"kind": "mlp", "widths": [40, 40]},
        "bank": {"tasks": 100, "k_shot": 5, "q_query": 20},
        "rungs": [50, 100, 200, 400, 800, 1600],
        "branches": {
            "maml": {
                "grid": {
                    "inner_lr": logs(1e-3, 0.3, 12),
                    "outer_lr": logs(1e-4, 3e-2, 11),
                    "inner_steps": [1, 2, 3, 5],
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
        "rungs": [10, 20, 40, 80, 160, 320],
        "branches": {
            "maml": {
                "grid": {
                    "inner_lr": logs(1e-2, 1.0, 8),
                    "outer_lr": logs(3e-4, 3e-2, 7),
                    "inner_steps": [1, 2, 3],
                },
                "fixed": {"meta_batch": 4},
            },
        },
    },
}


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
        diverged = np.full(shape[:2], -1, np.int32)
        begun = time.monotonic()
        steps = sorted({point["inner_steps"] for point in points})
        for cap in steps:
            of_cap = [i for i, point in enumerate(points) if point["inner_steps"] == cap]
            lanes = [(seed, i) for i in of_cap for seed in range(SEEDS)]
            for start in range(0, len(lanes), TOGETHER):
                _train(
                    spec,
                    algorithm,
                    points,
                    lanes[start : start + TOGETHER],
                    cap,
                    directory,
                    scores,
                    diverged,
                )
            print(
                f"{name} {algorithm}: {cap} inner steps, {len(lanes)} trainings, "
                f"{time.monotonic() - begun:.0f} s",
                file=sys.stderr, flush=True,
            )  # fmt: skip
        for parameter in branch["grid"]:
            arrays[f"{algorithm}/{parameter}"] = np.array([point[parameter] for point in points])
        arrays[f"{algorithm}/scores"] = scores
        arrays[f"{algorithm}/diverged_at"] = diverged
    return arrays


def _train(
    spec: Json,
    algorithm: str,
    points: list[Json],
    lanes: list[tuple[int, int]],
    cap: int,
    directory: Path,
    scores: np.ndarray,
    diverged: np.ndarray,
) -> None:
    fixed = spec["branches"][algorithm]["fixed"]
    test_cap = max(cap, fixed.get("test_steps", 0))
    signature = signature_of(
        tasks=spec["tasks"], model=spec["model"], algorithm=algorithm, params=fixed,
        step_cap=cap, test_cap=test_cap,
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
    age = 0
    for place, rung in enumerate(spec["rungs"]):
        population.advance(rung - age)
        age = rung
        found = population.evaluate(population.lanes, bank)
        for seed, i in lanes:
            state = population.state(f"{seed}/{i}")
            if state.diverged_at is None:
                scores[seed, i, place] = np.minimum(found[f"{seed}/{i}"].scores, 6e4)
            elif diverged[seed, i] < 0:
                diverged[seed, i] = state.diverged_at


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
        spec = {k: v for k, v in SPECS[name].items()}
        path = options.out / f"{name}.npz"
        np.savez_compressed(path, spec=np.array(json.dumps(spec)), **arrays)
        print(f"{path.name}: {path.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
