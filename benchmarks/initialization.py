"""Which initial weights should searches start from?

    python -m benchmarks.initialization [--tasks sinusoid|omniglot] [--seeds 8] [--shots 5]
                                        [--inner RATE …] [--outer RATE …]

Each rule of `model.init` trains MAML with one inner step at a small grid of rates, every seed at
every point as a lane of one population.  `sinusoid`: MLP 40-40, meta batch 25, 5,000
meta-iterations, 1,000 test tasks with 5 shots, squared error.  `omniglot`: 5-way 1-shot, conv4 with
8 filters, meta batch 8, 300 meta-iterations, 1,000 test tasks, accuracy, transductive.

Printed are means over seeds with their standard errors: at each point, and of each rule at the
point that is best for it.  The seeds are the same for all rules, and a trial's tasks are a function
of its seed, so a rule's difference from glorot is taken seed by seed.
"""

import argparse
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from metaopt.evaluation.bank import BankSpec
from metaopt.metaparams import Value
from metaopt.models.kind import INIT
from metaopt.population.population import Population
from metaopt.population.signature import signature_of

Scores = dict[tuple[float, float], list[float]]
"""Mean test score of each seed, by (inner rate, outer rate)."""


class Experiment(NamedTuple):
    """What is trained, and on which rates."""

    tasks: dict[str, Any]
    model: dict[str, Any]
    meta_batch: int
    meta_iterations: int
    inner: tuple[float, ...]
    outer: tuple[float, ...]
    bank: BankSpec
    better: str  # "lower" or "higher"


EXPERIMENTS = {
    "sinusoid": Experiment(
        {"kind": "sinusoid", "k_shot": 5, "q_query": 10},
        {"kind": "mlp", "widths": [40, 40]},
        meta_batch=25,
        meta_iterations=5_000,
        inner=(0.003, 0.01, 0.03, 0.1),
        outer=(1e-3, 3e-3, 1e-2),
        bank=BankSpec("test", seed=0, tasks=1_000, k_shot=5, q_query=10, steps=1),
        better="lower",
    ),
    "omniglot": Experiment(
        {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 5},
        {"kind": "conv4", "filters": 8},
        meta_batch=8,
        meta_iterations=300,
        inner=(0.1, 0.4),
        outer=(3e-3, 1e-2),
        bank=BankSpec("test", seed=0, tasks=1_000, k_shot=1, q_query=5, steps=1),
        better="higher",
    ),
}


def scores(experiment: Experiment, init: str, seeds: int, *, compiled: bool = True) -> Scores:
    """Train every seed at every point from the initial weights `init`, and score it."""
    fixed: dict[str, Value] = {"inner_steps": 1, "meta_batch": experiment.meta_batch}
    points = [(inner, outer) for inner in experiment.inner for outer in experiment.outer]
    population = Population(
        signature_of(
            tasks=experiment.tasks,
            model={**experiment.model, "init": init},
            algorithm="maml",
            params=fixed,
        )
    )
    for inner, outer in points:
        for seed in range(seeds):
            params = {**fixed, "inner_lr": inner, "outer_lr": outer}
            population.admit(
                f"{inner} {outer} {seed}", params, seed=seed, horizon=experiment.meta_iterations
            )
    with tempfile.TemporaryDirectory() as directory:
        if compiled:
            population.use_compiled(Path(directory))
        population.advance(experiment.meta_iterations)
    lanes = iter(population.evaluate(population.lanes, experiment.bank).values())
    return {point: [statistics.fmean(next(lanes).scores) for _ in range(seeds)] for point in points}


def mean(values: list[float]) -> str:
    """Return mean ± standard error."""
    stderr = statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.fmean(values):.3f} ± {stderr:.3f}"


def best(by_point: Scores, better: str) -> tuple[float, float]:
    """Return the point with the best mean."""
    choose = min if better == "lower" else max
    return choose(by_point, key=lambda point: statistics.fmean(by_point[point]))


def main() -> None:
    """Print a table for each rule, then the rules at their best points."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", choices=sorted(EXPERIMENTS), default="sinusoid")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--shots", type=int, help="in training; tests stay as they are")
    parser.add_argument("--inner", type=float, nargs="+", help="rates, in place of the grid's")
    parser.add_argument("--outer", type=float, nargs="+", help="likewise")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    experiment = EXPERIMENTS[arguments.tasks]
    experiment = experiment._replace(
        inner=tuple(arguments.inner or experiment.inner),
        outer=tuple(arguments.outer or experiment.outer),
    )
    if arguments.shots:
        experiment = experiment._replace(tasks={**experiment.tasks, "k_shot": arguments.shots})
    shots = experiment.tasks["k_shot"]
    print(f"torch {torch.__version__}, {arguments.tasks}, {arguments.seeds} seeds, {shots} shots")
    results: dict[str, Scores] = {}
    for init in INIT.choices:
        begun = time.perf_counter()
        results[init] = scores(experiment, init, arguments.seeds)
        print(f"\n{init} ({time.perf_counter() - begun:.0f} s); rows inner rate, columns outer")
        print(" " * 8 + "".join(f"{outer:>18g}" for outer in experiment.outer))
        for inner in experiment.inner:
            cells = [mean(results[init][inner, outer]) for outer in experiment.outer]
            print(f"{inner:>8g}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
    print(f"\nat the point where each is best ({experiment.better} is better), and minus glorot's")
    baseline = results["glorot"]
    reference = baseline[best(baseline, experiment.better)]
    for init, by_point in results.items():
        point = best(by_point, experiment.better)
        differences = [a - b for a, b in zip(by_point[point], reference, strict=True)]
        print(
            f"  {init:<18}{mean(by_point[point])}   {mean(differences):>17}   "
            f"inner {point[0]:g}, outer {point[1]:g}"
        )


if __name__ == "__main__":
    main()
