"""Scores of trained meta-parameters on a task bank."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from metaopt.algorithms.learner import Learner
from metaopt.errors import InvalidMetaParameter, InvalidPopulation, InvalidTasks
from metaopt.evaluation.bank import TASK_CHUNK, BankSpec
from metaopt.evaluation.curve import Adaptation, Curves, adaptation_curves, draw
from metaopt.messages import shown
from metaopt.models.base import Params
from metaopt.options import Options
from metaopt.plain import whole
from metaopt.tasks.base import Interactive, Tasks
from metaopt.tasks.kind import TaskKind
from metaopt.tasks.make import metric_of, tasks_of
from metaopt.tasks.scoring import Scoring, scoring_of


class Trained(NamedTuple):
    """Meta-parameters of H trials and how their inner loops run.

    Args:
        tasks: Distribution they were trained on; the bank is drawn from it.
        learner: Model and loss.
        phi: Meta-parameters (H, P).
        test_steps: Inner steps after which each trial is scored (H,).
        adaptation: How the inner loops run.
        metric: What they are scored by; None is accuracy, or squared error.
    """

    tasks: Tasks
    learner: Learner
    phi: Tensor
    test_steps: Tensor
    adaptation: Adaptation
    metric: str | None = None

    def weights(self, trial: int) -> Params:
        """The meta-parameters of the trial at this place, by name.

        Those of a `torch.nn.Module` have the names of its `state_dict`.
        """
        return {n: p.clone() for n, p in self.learner.layout.unflatten(self.phi[trial]).items()}


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
    trained: Trained,
    bank: BankSpec,
    *,
    tasks: Tasks | TaskKind | Options | None = None,
    lane_chunk: int | None = None,
    between: Callable[[], object] = lambda: None,
) -> list[LaneScores]:
    """The scores of every trial on the bank's tasks; nothing is trained by it.

    Args:
        trained: What `metaopt.population.train.train` returned.
        bank: Which tasks, and for how many inner steps; at least the trials' test steps.
        tasks: Where the bank is drawn from, as `metaopt.population.train.train` takes it; None is
            what was trained on.
        lane_chunk: Trials adapted at once; None takes all.
        between: Called after each inner step of a few tasks; what it raises ends it.

    Returns:
        Of each trial, in their order: a score for each task, and the curve over 0…steps.  Scores
        are those of the bank's metric, or else of `tasks`; without any, accuracies in [0, 1] or
        mean squared errors.  Errors are in the unit of the data, normalised or not.

    Raises:
        InvalidTasks: `bank` or `tasks` are none, or the data have too few examples.
        InvalidPopulation: `trained` is none, or `lane_chunk` < 1.
        InvalidMetaParameter: a trial's test steps are beyond the bank's curve.

    Example:
        >>> from metaopt import BankSpec, train
        >>> trained = train("maml", tasks={"kind": "sinusoid"}, meta_iterations=2)
        >>> bank = BankSpec("test", seed=0, tasks=3, k_shot=5, q_query=5, steps=1)
        >>> [len(scores.scores) for scores in evaluate(trained, bank)]
        [3]

    Reference:
        Finn, Abbeel & Levine (2017), arXiv:1703.03400, section 5 (adaptation at meta-test time).
    """
    if not isinstance(trained, Trained):
        raise InvalidPopulation(f"trained must be what train returned, got {shown(trained)}")
    if not isinstance(bank, BankSpec):
        raise InvalidTasks(f"bank must be a BankSpec, got {shown(bank)}")
    if lane_chunk is not None:
        lane_chunk = whole("lane_chunk", lane_chunk, 1, error=InvalidPopulation)
    if tasks is not None:
        metric = metric_of(tasks) or trained.metric
        trained = _on(_other(tasks, trained), trained)._replace(metric=metric)
    scoring = scoring_of(trained.tasks, bank.metric or trained.metric)
    scoring.metric.check_queries(bank.q_query)
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
        curves = _curves(trained, part, bank, scoring, between)
        steps = test_steps[part]
        results += [_lane_scores(curves, i, step) for i, step in enumerate(steps)]
    return results


def _other(tasks: Tasks | TaskKind | Options, trained: Trained) -> Tasks:
    """Return tasks that the model of `trained` can be judged on."""
    device, dtype = trained.phi.device, trained.phi.dtype
    other = tasks_of(tasks, device=device, dtype=dtype)
    learner, own = trained.learner, trained.tasks
    for name, wanted, got in (
        ("classification", learner.classification, other.classification),
        ("acts", learner.environment is not None, isinstance(other, Interactive)),
        ("inputs", tuple(own.input_shape), tuple(other.input_shape)),
        ("outputs", own.outputs, other.outputs),
    ):
        if wanted != got:
            raise InvalidTasks(f"the model was trained with {name} = {wanted}, these have {got}")
    return other


def _on(tasks: Tasks, trained: Trained) -> Trained:
    """The same trials on other tasks; a policy then acts in those."""
    if not isinstance(tasks, Interactive):
        return trained._replace(tasks=tasks)
    return trained._replace(tasks=tasks, learner=replace(trained.learner, environment=tasks))


def _curves(
    trained: Trained, part: slice, bank: BankSpec, scoring: Scoring, between: Callable[[], object]
) -> Curves:
    pieces = []
    for start in range(0, bank.tasks, TASK_CHUNK):
        piece = adaptation_curves(
            trained.learner,
            trained.phi[part],
            draw(trained.tasks, bank, trained.phi.device, start, TASK_CHUNK),
            trained.adaptation.lanes(part),
            scoring,
            steps=bank.steps,
            transductive=bank.transductive,
            between=between,
        )
        pieces.append(piece)
        between()
    return Curves(*(torch.cat(both, dim=1) for both in zip(*pieces, strict=True)))


def _lane_scores(curves: Curves, index: int, test_steps: int) -> LaneScores:
    scores, diverged = curves.scores[index], curves.diverged[index]
    return LaneScores(
        scores=scores[:, test_steps].tolist(),
        diverged_share=float(diverged[:, test_steps].double().mean()),
        curve=scores.double().mean(0).tolist(),
        curve_median=scores.double().quantile(0.5, dim=0).tolist(),
    )
