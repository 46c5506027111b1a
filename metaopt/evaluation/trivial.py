"""Predictors that learn nothing but the support set: what meta-learning has to be better than.

    numbers     the mean of the support targets; ridge regression on the support examples
    classes     the class with the nearest mean

They are scored on the very tasks of a bank, by its metric and in the same unit.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from metaopt.errors import InvalidTasks
from metaopt.evaluation.bank import TASK_CHUNK, BankSpec
from metaopt.evaluation.curve import draw
from metaopt.messages import shown
from metaopt.options import Options
from metaopt.tasks.base import Examples, Tasks
from metaopt.tasks.kind import TaskKind
from metaopt.tasks.make import metric_of, tasks_of
from metaopt.tasks.scoring import scoring_of

Predict = Callable[[Examples, Tensor, int], Tensor]
"""(support, x (*B, Q, …), outputs C) -> outputs (*B, Q, C)."""


def support_mean(support: Examples, x: Tensor, outputs: int) -> Tensor:
    """The mean of the support targets, whatever the input; 0 of no support examples."""
    *_, count, _ = support.y.shape
    mean = support.y.sum(-2, keepdim=True) / max(1, count)
    return mean.expand(*x.shape[: mean.dim() - 1], outputs)


def ridge(support: Examples, x: Tensor, outputs: int, *, strength: float = 1.0) -> Tensor:
    """ȳ + (x − x̄)ᵀ Xᵀ (X Xᵀ + λI)⁻¹ (y − ȳ), with rows of X the support inputs minus x̄.

    That is least squares on the support examples with the penalty λ‖w‖² and a free constant, in
    the form whose system has S equations, however many features there are.  Computed in float64.

    Args:
        strength: λ > 0, for inputs of about unit variance.
    Reference:
        Hoerl & Kennard (1970), Technometrics 12(1); the dual form of Saunders, Gammerman & Vovk
        (1998), ICML.
    """
    axes = support.y.dim() - 1
    inputs, asked = (rows.flatten(axes).double() for rows in (support.x, x))
    y, count = support.y.double(), max(1, support.y.shape[-2])
    x_mean, y_mean = (part.sum(-2, keepdim=True) / count for part in (inputs, y))
    centred = inputs - x_mean
    eye = torch.eye(inputs.shape[-2], dtype=torch.float64, device=x.device)
    weights = torch.linalg.solve(centred @ centred.mT + strength * eye, y - y_mean)
    answers: Tensor = y_mean + (asked - x_mean) @ centred.mT @ weights
    return answers.to(support.y.dtype)


def nearest_mean(support: Examples, x: Tensor, outputs: int) -> Tensor:
    """−‖x − x̄_c‖² for each class c with the mean x̄_c of its support inputs.

    Reference:
        Snell, Swersky & Zemel (2017), arXiv:1703.05175, equation 2, on the inputs themselves.
    """
    axes = support.y.dim()
    inputs, asked = (rows.flatten(axes) for rows in (support.x, x))
    member = torch.nn.functional.one_hot(support.y, outputs).to(inputs.dtype)
    sizes = member.sum(-2).clamp_min(1)[..., None]
    means = member.mT @ inputs / sizes
    return -torch.cdist(asked, means).square()


class Trivial(NamedTuple):
    """A predictor and the kind of its targets."""

    name: str
    classification: bool
    predict: Predict


TRIVIAL = (
    Trivial("support mean", False, support_mean),
    Trivial("ridge", False, ridge),
    Trivial("nearest mean", True, nearest_mean),
)


def trivial_scores(
    tasks: Tasks | TaskKind | Options, bank: BankSpec, *, device: str | torch.device = "cpu"
) -> dict[str, list[float]]:
    """The scores of trivial predictors on the bank's tasks, by name: a score for each task.

    Args:
        tasks: Where the bank is drawn from, as `metaopt.evaluation.evaluate.evaluate` takes it; an
            object of your own on `device`.
        bank: Which tasks; its `steps` have no meaning here.

    Raises:
        InvalidTasks: `bank` or `tasks` are none, or the data have too few examples.

    Example:
        >>> bank = BankSpec("test", seed=0, tasks=3, k_shot=5, q_query=5, steps=0)
        >>> {name: len(scores) for name, scores in trivial_scores({"kind": "linear"}, bank).items()}
        {'support mean': 3, 'ridge': 3}
    """
    if not isinstance(bank, BankSpec):
        raise InvalidTasks(f"bank must be a BankSpec, got {shown(bank)}")
    drawn = tasks_of(tasks, device=device, dtype=torch.float32)
    scoring = scoring_of(drawn, bank.metric or metric_of(tasks))
    scoring.metric.check_queries(bank.q_query)
    fitting = [each for each in TRIVIAL if each.classification == drawn.classification]
    scores: dict[str, list[float]] = {each.name: [] for each in fitting}
    for start in range(0, bank.tasks, TASK_CHUNK):
        support, query = draw(drawn, bank, device, start, TASK_CHUNK)
        for each in fitting:
            of_tasks = scoring.scores(each.predict(support, query.x, drawn.outputs), query.y)
            kept = of_tasks.masked_fill(scoring.broken(of_tasks), scoring.diverged)
            scores[each.name] += kept.tolist()
    return scores
