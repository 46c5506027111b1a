"""Scores of trained meta-parameters on a task bank."""

from typing import NamedTuple

import torch
from torch import Tensor

from metaopt.algorithms.inner import InnerState
from metaopt.algorithms.learner import Learner
from metaopt.errors import InvalidMetaParameter
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.curve import Curves, adaptation_curves, draw
from metaopt.tasks.base import Tasks

TASK_CHUNK = 100  # tasks drawn and adapted at once: bounds memory, changes no task's score


class Trained(NamedTuple):
    """Meta-parameters of H trials and how their inner loops run.

    Args:
        tasks: Distribution they were trained on; the bank is drawn from it.
        learner: Model and loss.
        phi: Meta-parameters (H, P).
        inner_lr: Inner rates (H,).
        test_steps: Inner steps after which each trial is scored (H,).
        state: Inner Adam's memory, or None for SGD.
    """

    tasks: Tasks
    learner: Learner
    phi: Tensor
    inner_lr: Tensor
    test_steps: Tensor
    state: InnerState | None


class LaneScores(NamedTuple):
    """Scores of one trial on a task bank.

    Args:
        scores: Per task, after the trial's test steps.
        diverged_share: Share of tasks that diverged by then.
        curve, curve_median: Mean and median over tasks after 0…steps inner steps.
    """

    scores: list[float]
    diverged_share: float
    curve: list[float]
    curve_median: list[float]


def evaluate(
    trained: Trained, bank: BankSpec, *, lane_chunk: int | None = None
) -> list[LaneScores]:
    """Return the scores of every trial on the bank's tasks; nothing is trained by it.

    Args:
        trained: What `metaopt.population.train.train` returned.
        bank: Which tasks, and for how many inner steps; at least the trials' test steps.
        lane_chunk: Trials adapted at once; None takes all.

    Raises:
        InvalidTasks: the data have no such split or too few examples.
        InvalidMetaParameter: a trial's test steps are beyond the bank's curve.
    """
    count = trained.phi.shape[0]
    test_steps = trained.test_steps.tolist()
    if test_steps and max(test_steps) > bank.steps:
        raise InvalidMetaParameter(
            f"a trial is scored after {max(test_steps)} steps, the bank's curve has {bank.steps}: "
            "give the bank at least as many"
        )
    results = []
    for start in range(0, count, lane_chunk or count or 1):
        part = slice(start, start + (lane_chunk or count))
        curves = _curves(trained, part, bank)
        steps = test_steps[part]
        results += [_lane_scores(curves, i, step) for i, step in enumerate(steps)]
    return results


def _curves(trained: Trained, part: slice, bank: BankSpec) -> Curves:
    state = trained.state
    pieces = []
    for start in range(0, bank.tasks, TASK_CHUNK):
        piece = adaptation_curves(
            trained.learner,
            trained.phi[part],
            draw(trained.tasks, bank, trained.phi.device, start, TASK_CHUNK),
            inner_lr=trained.inner_lr[part],
            steps=bank.steps,
            transductive=bank.transductive,
            state=None if state is None else _part(state, part),
        )
        pieces.append(piece)
    return Curves(*(torch.cat(both, dim=1) for both in zip(*pieces, strict=True)))


def _part(state: InnerState, part: slice) -> InnerState:
    return InnerState({name: v[part] for name, v in state.v.items()}, state.steps[part])


def _lane_scores(curves: Curves, index: int, test_steps: int) -> LaneScores:
    scores, diverged = curves.scores[index], curves.diverged[index]
    return LaneScores(
        scores=scores[:, test_steps].tolist(),
        diverged_share=float(diverged[:, test_steps].double().mean()),
        curve=scores.double().mean(0).tolist(),
        curve_median=scores.double().quantile(0.5, dim=0).tolist(),
    )
