"""Adaptation curves: the score of every task after 0…K inner steps, from one pass."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms.inner import InnerState, for_tasks
from metaopt.algorithms.inner_step import InnerStep, gradient_step
from metaopt.algorithms.learner import Learner
from metaopt.evaluation.bank import BankSpec
from metaopt.models.base import Params
from metaopt.tasks.base import Episodes, Examples, Tasks
from metaopt.tasks.scoring import Scoring

_BANK = 7_000_001  # salt: bank tasks are not the tasks any trial trains on


class Curves(NamedTuple):
    """Scores (H, T, steps + 1), and which tasks diverged (H, T, steps + 1)."""

    scores: Tensor
    diverged: Tensor


class Adaptation(NamedTuple):
    """How the inner loops of H lanes run.

    Args:
        numbers: Lane numbers (H,) by name, the rate `inner_lr` among them.
        state: Inner Adam's memory, v with leading axis H, or None for SGD; it is not changed.
        step: The algorithm's inner step; None where it has no inner loop.
    """

    numbers: Mapping[str, Tensor]
    state: InnerState | None = None
    step: InnerStep | None = gradient_step

    def lanes(self, part: slice) -> "Adaptation":
        """That of some lanes."""
        state = self.state
        if state is not None:
            state = InnerState({n: v[part] for n, v in state.v.items()}, state.steps[part])
        return self._replace(numbers={n: v[part] for n, v in self.numbers.items()}, state=state)

    def begun(self, tasks: int) -> "Adaptation":
        """That of each lane on as many tasks: numbers (H, 1), v (H, T, …)."""
        state = self.state
        if state is not None:
            state = InnerState(for_tasks(state.v, tasks), state.steps[:, None])
        numbers = {name: number[:, None] for name, number in self.numbers.items()}
        return self._replace(numbers=numbers, state=state)


def draw(
    tasks: Tasks, bank: BankSpec, device: str | torch.device, start: int = 0, count: int = 2**62
) -> Episodes:
    """Return `count` of the bank's episodes from task `start` on, by default all; axis T."""
    index = torch.arange(start, min(bank.tasks, start + count), device=device)
    return tasks.sample(bank.split, task_keys(bank, index), bank.k_shot, bank.q_query)


def task_keys(bank: BankSpec, index: Tensor) -> Tensor:
    """The keys of the bank's tasks at these indices, int64 of any shape."""
    return seeding.fold_in(seeding.fold_in(torch.full_like(index, bank.seed), _BANK), index)


def adaptation_curves(
    learner: Learner,
    phi: Tensor,
    episodes: Episodes,
    adaptation: Adaptation,
    scoring: Scoring,
    *,
    steps: int,
    transductive: bool,
    between: Callable[[], object] = lambda: None,
) -> Curves:
    """Every lane's scores on every task at steps 0…`steps`; no graph is kept.

    A task whose scores or weights stop being finite counts as diverged from there on, and where
    less is better also one with a score beyond all reason; its score is `Scoring.diverged`, so that
    no NaN leaves here.

    Args:
        phi: Meta-parameters (H, P).
        episodes: The bank's tasks, leading axis T.
        adaptation: Of the lanes.
        scoring: By what they are scored.
        steps: Largest number of inner steps.
        transductive: See `BankSpec`.
        between: Called after each step; what it raises ends it.
    """
    columns = [
        _scores(learner, theta, episodes, scoring, transductive)
        for theta in _course(learner, phi, episodes.support, adaptation, steps, between)
    ]
    if adaptation.step is None:
        columns *= steps + 1
    return _finite(torch.stack(columns, dim=-1), scoring)


def adapt(
    learner: Learner,
    phi: Tensor,
    support: Examples,
    adaptation: Adaptation,
    *,
    steps: int,
    between: Callable[[], object] = lambda: None,
) -> Params:
    """Every lane's weights after `steps` inner steps on every task, without scoring any.

    The arguments are those of `adaptation_curves`; leading axes of the weights are (H, T).
    """
    for theta in _course(learner, phi, support, adaptation, steps, between):
        last = theta
    return last


def _course(
    learner: Learner,
    phi: Tensor,
    support: Examples,
    adaptation: Adaptation,
    steps: int,
    between: Callable[[], object],
) -> Iterator[Params]:
    """The weights before the first inner step and after each; those before it without a loop."""
    count = support.y.shape[0]
    with torch.no_grad():
        theta = learner.begin(learner.layout.unflatten(phi.detach()), support, count)
    yield theta
    numbers, state, step = adaptation.begun(count)
    if step is None:
        return
    for number in range(steps):
        theta, state = step(learner, theta, support, numbers=numbers, state=state, step=number)
        yield theta
        between()


@torch.no_grad()
def _scores(
    learner: Learner, theta: Params, episodes: Episodes, scoring: Scoring, transductive: bool
) -> Tensor:
    support, query = episodes
    scores = learner.scores(theta, support, query, scoring=scoring, transductive=transductive)
    for p in theta.values():
        scores = torch.where(p.isfinite().flatten(2).all(-1), scores, torch.nan)
    return scores


def _finite(scores: Tensor, scoring: Scoring) -> Curves:
    diverged = scoring.broken(scores).cumsum(-1) > 0
    return Curves(scores.masked_fill(diverged, scoring.diverged), diverged)
