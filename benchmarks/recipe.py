"""A recipe: what is trained, for how long, how it is judged; its seeds are lanes of one program."""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from metaopt.estimation.intervals import EVERYWHERE, Bounds, Interval, error_of_trainings
from metaopt.estimation.limits import error_of_mean, interval_of
from metaopt.evaluation.bank import BankSpec
from metaopt.population.population import Population
from metaopt.population.signature import signature_of

SHARE = Bounds(0.0, 1.0)
"""Of accuracies."""


@dataclass(frozen=True)
class Recipe:
    """What is trained and how it is judged.

    Args:
        tasks, model: As in a study spec.
        algorithm, params: Its name and meta-parameters; those not given have their defaults.
        meta_iterations: Of each training.
        bank: Tasks that it is judged on.
    """

    tasks: dict[str, Any]
    model: dict[str, Any]
    algorithm: str
    params: dict[str, Any]
    meta_iterations: int
    bank: BankSpec


@dataclass(frozen=True)
class Machine:
    """Where trainings run.

    Args:
        device: "cpu" or "cuda".
        seeds: Trainings of each recipe, with seeds 0, 1, …: the same seed is the same first weights
            and the same tasks for all algorithms of one model.
        programs: Train by compiled programs, made here; None is eager.
    """

    device: str
    seeds: int
    programs: Path | None = None


class Judged(NamedTuple):
    """What became of a recipe by some meta-iteration.

    Args:
        meta_iterations: By then.
        scores: Of each seed on each task (S, T).
        seconds: Of a meta-iteration of one seed, the median over parts of the training.  On a CPU
            they are this process's, so others who use the machine count for little.
        diverged: Seeds that diverged.
    """

    meta_iterations: int
    scores: np.ndarray
    seconds: float
    diverged: int

    @property
    def mean(self) -> Interval:
        """The mean score, sure to other tasks and to other seeds."""
        high = 1.0 if self.scores.max() <= 1.0 else float("inf")
        return mean(self.scores, Bounds(0.0, high))


def mean(scores: np.ndarray, bounds: Bounds = EVERYWHERE) -> Interval:
    """The mean of scores (S, T), or of paired differences, with a 95 % interval.

    Tasks and seeds are samples both: the error has a part of each (`service.judgement.estimates`).
    One that is not finite makes an interval of nothing known.
    """
    if not np.isfinite(scores).all():
        return Interval(float(scores.mean()), float("inf"), -float("inf"), float("inf"))
    errors = [error_of_mean(scores.mean(0)), error_of_trainings(scores.mean(1).tolist())]
    return interval_of(float(scores.mean()), errors, bounds=bounds)


def population(recipe: Recipe, machine: Machine) -> Population:
    """The recipe's trainings, not yet begun."""
    signature = signature_of(
        tasks=recipe.tasks,
        model=recipe.model,
        algorithm=recipe.algorithm,
        params=recipe.params,
        test_cap=max(1, recipe.bank.steps),
    )
    made = Population(signature, device=machine.device)
    for seed in range(machine.seeds):
        made.admit(f"seed {seed}", recipe.params, seed=seed, horizon=recipe.meta_iterations)
    if machine.programs is not None:
        made.use_compiled(machine.programs)
    return made


def trained(recipe: Recipe, machine: Machine, at: Sequence[int] = ()) -> Iterator[Judged]:
    """Train, and judge after each of these numbers of meta-iterations and at the end."""
    lanes, age, seconds = population(recipe, machine), 0, list[float]()
    for end in sorted({*at, recipe.meta_iterations}):
        while age < end:
            part = min(max(1, recipe.meta_iterations // 20), end - age)
            seconds.append(took(lanes, part, machine.device) / part / machine.seeds)
            age += part
        judged = list(lanes.evaluate(lanes.lanes, recipe.bank).values())
        diverged = [lanes.state(lane).diverged_at is not None for lane in lanes.lanes]
        scores = np.array([of_lane.scores for of_lane in judged])
        yield Judged(age, scores, statistics.median(seconds), sum(diverged))


def took(lanes: Population, meta_iterations: int, device: str) -> float:
    """Train, and return the seconds: of this process on a CPU, that passed on a GPU."""
    if device == "cpu":
        begin = time.process_time()
        lanes.advance(meta_iterations)
        return time.process_time() - begin
    torch.cuda.synchronize()
    begin = time.perf_counter()
    lanes.advance(meta_iterations)
    torch.cuda.synchronize()
    return time.perf_counter() - begin


def words(interval: Interval, unit: str = "%") -> str:
    """An interval of accuracies in percent, or of errors as they are."""
    if unit != "%":
        return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
    value, low, high = (100 * part for part in (interval.value, interval.low, interval.high))
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"
