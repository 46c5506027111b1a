"""Does it help a Gaussian process to be given each score's standard error?

    python -m benchmarks.noise [--seeds 12] [--trials 24] [--table PATH] [--json FILE]

Optuna's GPSampler fits one noise variance to all scores.  Here its regressor is given a known
variance for each point as well, on the diagonal of the covariance, in three ways:

    as it is             one fitted variance (what the service does)
    errors, fitted too   standard errors, and the fitted variance on top
    errors alone         standard errors and nothing else (fixed noise)

on two problems.  `synthetic`: a bowl in two parameters whose noise differs 20-fold over the space
and is independent between points, as a process assumes.  `bank`: the bowl is a difficulty that all
points share by task, as scores on one bank of tasks do: the standard error over tasks is large, but
nearly all of it is common to all points and moves none of their differences.  With `--table`, real
scores from a table of `benchmarks/search_table.py`.

Printed is the true regret of the point with the best score, mean over seeds.  Everything follows
from seeds.
"""

import argparse
import json
import math
import statistics
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
import torch
from optuna._gp import gp as optuna_gp
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from service.output_file import write_output

STARTUP = 8
SPACE = {"x": FloatDistribution(0.0, 1.0), "y": FloatDistribution(0.0, 1.0)}
TASKS = 100

Rng = np.random.Generator


class Seen(NamedTuple):
    """A score and its standard error over tasks, and how much worse than the best it truly is."""

    score: float
    stderr: float
    regret: float


Problem = Callable[[float, float, Rng], Seen]


def bowl(x: float, y: float) -> float:
    """Return the regret at a point: a skewed bowl with its best at (0.7, 0.4)."""
    return float((x - 0.7) ** 2 + 0.5 * (y - 0.4) ** 2 + 0.6 * (x - 0.7) * (y - 0.4))


def synthetic(x: float, y: float, rng: Rng) -> Seen:
    """Noise of each point for itself, 20 times as large at one side as at the other."""
    stderr = 0.005 * 20**y
    return Seen(bowl(x, y) + rng.normal(0.0, stderr), stderr, bowl(x, y))


def bank(x: float, y: float, rng: Rng) -> Seen:
    """Tasks of one bank, harder or easier for all points alike, and the luck of training."""
    level = 0.3 + bowl(x, y)
    common = np.random.default_rng(0).lognormal(0.0, 0.8, TASKS)  # the same bank for every trial
    common /= common.mean()
    scores = level * common + rng.normal(0.0, 0.02, TASKS) + rng.normal(0.0, 0.02)
    return Seen(float(scores.mean()), float(scores.std(ddof=1) / math.sqrt(TASKS)), bowl(x, y))


def table_problem(path: Path, branch: str = "maml") -> Problem:
    """Return a problem that looks scores up in a table: nearest point, one of its trainings.

    The two parameters are the first two of the branch; the others stay at their middle value.
    """
    with np.load(path) as arrays:
        names = list(json.loads(str(arrays["spec"]))["branches"][branch]["grid"])
        columns = [arrays[f"{branch}/{name}"] for name in names]
        scores = arrays[f"{branch}/scores"][:, :, -1].astype(np.float64)
    kept = np.ones(len(columns[0]), bool)
    for column in columns[2:]:
        kept &= column == sorted(set(column.tolist()))[len(set(column.tolist())) // 2]
    logs = [np.log(column[kept].astype(np.float64)) for column in columns[:2]]
    unit = np.stack([(one - one.min()) / (one.max() - one.min()) for one in logs], 1)
    kept_scores = scores[:, kept]
    means = kept_scores.mean((0, 2))
    worst = float(np.nanmax(means))
    truths = np.where(np.isnan(means), worst, means)
    middle = float(np.median(truths))

    def look(x: float, y: float, rng: Rng) -> Seen:
        point = int(((unit - (x, y)) ** 2).sum(1).argmin())
        own = kept_scores[rng.integers(len(kept_scores)), point]
        regret = float(truths[point] - truths.min())
        if np.isnan(own).any():  # as the service tells it: no worse than the ceiling
            return Seen(middle, 0.0, regret)
        stderr = float(own.std(ddof=1) / math.sqrt(own.size))
        return Seen(min(float(own.mean()), middle), stderr, regret)

    return look


class WithErrors(optuna_gp.GPRegressor):
    """Optuna's regressor with a known variance of each training point on top of its own."""

    known: np.ndarray = np.zeros(0)

    def kernel(
        self, X1: torch.Tensor | None = None, X2: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the kernel; of the training points, with their known variances."""
        found = super().kernel(X1, X2)
        return found if X1 is not None else found + torch.diag(torch.from_numpy(type(self).known))


@contextmanager
def given(variances: np.ndarray) -> Iterator[None]:
    """Let Optuna fit with these variances of its training points, standardized as its scores."""
    before = optuna_gp.GPRegressor
    optuna_gp.GPRegressor = type("Given", (WithErrors,), {"known": variances})  # type: ignore[misc]
    try:
        yield
    finally:
        optuna_gp.GPRegressor = before  # type: ignore[misc]


def suggest(points: list[dict[str, float]], seen: list[Seen], how: str, seed: int) -> Any:
    """Return the point that a process fitted in this way tries next."""
    sampler = optuna.samplers.GPSampler(
        seed=seed, n_startup_trials=1, deterministic_objective=how == "errors alone"
    )
    study = optuna.create_study(sampler=sampler)
    for params, one in zip(points, seen, strict=True):
        study.add_trial(create_trial(params=params, distributions=SPACE, value=one.score))
    if how == "as it is":
        return study.ask(fixed_distributions=SPACE).params
    spread = statistics.pstdev(one.score for one in seen) or 1.0
    with given(np.array([(one.stderr / spread) ** 2 for one in seen])):
        return study.ask(fixed_distributions=SPACE).params


def regret(problem: Problem, how: str, seed: int, trials: int) -> float:
    """Return the regret of the point with the best score in the end."""
    rng, start = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    points: list[dict[str, float]] = []
    seen: list[Seen] = []
    for number in range(trials):
        if number < STARTUP:
            params = {name: float(start.uniform()) for name in SPACE}
        else:
            params = suggest(points, seen, how, 1000 * seed + number)
        points.append(params)
        seen.append(problem(params["x"], params["y"], rng))
    return min(seen, key=lambda one: one.score).regret


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--table", type=Path, default=Path(__file__).parent / "tables/sinusoid.npz")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    problems: dict[str, Problem] = {"synthetic": synthetic, "bank": bank}
    if arguments.table.exists():
        problems["table"] = table_problem(arguments.table)
    results: dict[str, list[float]] = {}
    for name, problem in problems.items():
        for how in ("as it is", "errors, fitted too", "errors alone"):
            found = [
                regret(problem, how, seed, arguments.trials) for seed in range(arguments.seeds)
            ]
            results[f"{name}: {how}"] = found
            error = statistics.stdev(found) / math.sqrt(len(found)) if len(found) > 1 else 0.0
            print(f"{name:10} {how:20} {statistics.fmean(found):.4f} ± {error:.4f}", flush=True)
    if arguments.json:
        write_output(arguments.json, json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
