"""Ours: a `Population` that advances, as a worker runs it."""

from pathlib import Path

import numpy as np
import torch

from benchmarks.suite import networks
from benchmarks.suite.contender import Contender, Example, Setting, Unavailable, Work
from benchmarks.suite.tasks import Batch
from metaopt import seeding
from metaopt.algorithms import reptile
from metaopt.algorithms.outer import BETA1
from metaopt.population.population import Population
from metaopt.population.signature import signature_of

HORIZON = 10**6
AWAY = 0.03
"""Standard deviation by which the weights of the example are away from fresh ones."""


def versions() -> dict[str, str]:
    """Return versions of what this contender is made of."""
    return {"torch": torch.__version__}


def make(work: Work, setting: Setting, lanes: int, compiled: bool) -> Contender:
    """Return a population of `lanes` trials of a work item."""
    return Ours(work, setting, lanes, compiled)


def make_population(
    work: Work, lanes: int, device: str, programs: Path | None = None
) -> Population:
    """Return trials of the work item that differ in seed and outer rate; the first has its own.

    Args:
        programs: Train by a compiled program, made there if it is not; None is eager.
    """
    signature = signature_of(
        tasks=work.tasks, model=work.model, algorithm=work.algorithm, params=work.params
    )
    population = Population(signature, device=device)
    rate = work.params[work.outer_rate]
    for i in range(lanes):
        params = {**work.params, work.outer_rate: rate * (1 + i / lanes)}
        population.admit(f"lane{i}", params, seed=i, horizon=HORIZON)
    if programs is not None:
        try:
            population.use_compiled(programs)
        except Exception as error:
            raise Unavailable(f"does not compile: {type(error).__name__}: {error}") from error
    return population


class Ours(Contender):
    """Lanes of one program: tasks, meta-gradient, outer step and divergence check for all."""

    def __init__(self, work: Work, setting: Setting, lanes: int, compiled: bool) -> None:
        self.work, self.device = work, setting.device
        self.trials = lanes
        self._programs = setting.drawings.parent / "programs" if compiled else None
        self.population = make_population(work, lanes, self.device, self._programs)

    def gradient(self, example: Example) -> dict[str, np.ndarray]:
        """Return the meta-gradient of the first lane, read from what a meta-iteration changed.

        Its tasks are those of `example`, which came from the same seed; its weights are put there.
        """
        population = make_population(self.work, self.trials, self.device, self._programs)
        lanes = population._stacked()
        weights = {n: torch.tensor(w, device=self.device) for n, w in example.weights.items()}
        before, phi = population.program.learner.layout.flatten(weights), lanes.phi.clone()
        phi[0] = before
        population._lanes = lanes.replace(phi=phi)
        with networks.exact(self.device):
            population.advance(1)
        after = population._stacked()
        if not after.m.shape[1]:  # SGD
            gradient = (before - after.phi[0]) / self.work.params[self.work.outer_rate]
        else:
            gradient = after.m[0] / (1 - BETA1)
        named = population.program.learner.layout.unflatten(gradient)
        return {name: value.cpu().numpy() for name, value in named.items()}

    def advance(self, meta_iterations: int) -> None:
        """Train every lane."""
        self.population.advance(meta_iterations)
        networks.finish(self.device)

    def rest(self) -> None:
        """Give cached device memory back."""
        networks.release(self.device)


def example(work: Work, device: str) -> Example:
    """Return the tasks of the first lane's first meta-iteration, and weights.

    These are a little away from fresh ones, among which an algorithm may have zeros, so that no
    part of φ has a gradient of nothing.
    """
    population = make_population(work, 1, device)
    tasks, params = population.program.tasks, work.params
    lane = seeding.fold_in(torch.zeros(1, dtype=torch.int64, device=device), 0)  # seed 0, age 0
    keys = seeding.fold_in(lane[:, None], torch.arange(work.meta_batch, device=device))
    noise = torch.Generator().manual_seed(0)
    weights = {
        name: (w.cpu() + AWAY * torch.randn(w.shape, generator=noise)).numpy()
        for name, w in population.weights("lane0").items()
    }
    if work.mini_batches:
        shots = params["train_shots"]
        examples = tasks.sample("train", keys, shots, 0).support
        order = reptile.mini_batches(keys, shots, params["inner_batch"], work.steps)
        parts = [examples.x, examples.y, None, None, order]
    else:
        shots, queries = work.tasks["k_shot"], work.tasks["q_query"]
        episodes = tasks.sample("train", keys, shots, queries)
        parts = [*episodes.support, *episodes.query, None]
    arrays = [part if part is None else part[0].cpu().numpy() for part in parts]
    return Example(Batch(*arrays), weights)


def training_drawings(work: Work) -> np.ndarray:
    """Return the drawings that the training tasks use: uint8 (characters, drawings, 28, 28)."""
    tasks = make_population(work, 1, "cpu").program.tasks
    return tasks.greys[tasks.members["train"]].unflatten(-1, (28, 28)).numpy()
