"""Predictors that learn nothing but the support set: what meta-learning has to be better than.

    numbers     the mean of the support targets; ridge regression on the support examples
    classes     how frequent each class is in the support set; the class with the nearest mean;
                ridge regression on the support examples, a number for each class

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
from metaopt.tasks.scoring import scoring_of, target_of

Predict = Callable[[Examples, Tensor, int], Tensor]
"""(support, x (*B, Q, …), outputs C) -> outputs (*B, Q, C)."""


def support_mean(support: Examples, x: Tensor, outputs: int) -> Tensor:
    """The mean of the support targets, whatever the input; 0 of no support examples."""
    *_, count, _ = support.y.shape
    mean = support.y.sum(-2, keepdim=True) / max(1, count)
    return mean.expand(*x.shape[: mean.dim() - 1], outputs)


def ridge(support: Examples, x: Tensor, outputs: int, *, strength: float = 1.0) -> Tensor:
    """ȳ + (x − x̄)ᵀ w, where w minimises ‖y − ȳ − X w‖² + λ‖w‖², rows of X the inputs minus x̄.

    That is least squares on the support examples with a penalty and a free constant.  Of S examples
    with D features the smaller system is solved, in float64:

        w = (XᵀX + λI)⁻¹ Xᵀ (y − ȳ)  =  Xᵀ (XXᵀ + λI)⁻¹ (y − ȳ)

    Inputs that are not finite, or overflow, leave outputs that are not.

    Args:
        strength: λ > 0, for inputs of about unit variance.
    Reference:
        Hoerl & Kennard (1970), Technometrics 12(1); the dual form of Saunders, Gammerman & Vovk
        (1998), ICML.
    """
    axes = support.y.dim() - 1
    inputs, asked = _rows(support.x, axes), _rows(x, axes)
    y, count = support.y.double(), max(1, support.y.shape[-2])
    x_mean, y_mean = (part.sum(-2, keepdim=True) / count for part in (inputs, y))
    weights = _penalised(inputs - x_mean, y - y_mean, strength)
    answers: Tensor = y_mean + (asked - x_mean) @ weights
    return answers


def _penalised(x: Tensor, y: Tensor, strength: float) -> Tensor:
    """The weights (*B, D, C) of centred inputs (*B, S, D) and targets (*B, S, C)."""
    examples, features = x.shape[-2:]
    smaller = x.mT @ x if features < examples else x @ x.mT
    eye = torch.eye(smaller.shape[-1], dtype=x.dtype, device=x.device)
    system = smaller + strength * eye
    # Without its checks: a system with a number that is not finite has an answer that is not.
    if features < examples:
        weights: Tensor = torch.linalg.solve_ex(system, x.mT @ y).result
    else:
        weights = x.mT @ torch.linalg.solve_ex(system, y).result
    return weights


def class_frequencies(support: Examples, x: Tensor, outputs: int) -> Tensor:
    """The log of (n_c + 1) / (S + C), of n_c support examples of class c, whatever the input."""
    sizes = _members(support.y, outputs).sum(-2)
    logs = ((sizes + 1) / (support.y.shape[-1] + outputs)).log()
    axes = support.y.dim()
    return logs.unsqueeze(-2).expand(*x.shape[:axes], outputs)


def class_ridge(support: Examples, x: Tensor, outputs: int, *, strength: float = 1.0) -> Tensor:
    """Ridge regression on 1 for the class of a support example and 0 for all others.

    Args:
        strength: As of `ridge`.
    Reference:
        Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, section 4.2.
    """
    member = Examples(support.x, _members(support.y, outputs))
    return ridge(member, x, outputs, strength=strength)


def nearest_mean(support: Examples, x: Tensor, outputs: int) -> Tensor:
    """−‖x − x̄_c‖² for each class c with the mean x̄_c of its support inputs, in float64.

    It is that plus ‖x − o‖², the same for all classes, with o the mean of theirs.

    Reference:
        Snell, Swersky & Zemel (2017), arXiv:1703.05175, equation 2, on the inputs themselves.
    """
    axes = support.y.dim()
    inputs, asked = _rows(support.x, axes), _rows(x, axes)
    member = _members(support.y, outputs)
    sizes = member.sum(-2).clamp_min(1)[..., None]
    means = member.mT @ inputs / sizes
    origin = means.mean(-2, keepdim=True)  # far from 0 the squares would cancel
    means = means - origin
    products: Tensor = (asked - origin) @ means.mT
    return 2 * products - means.square().sum(-1).unsqueeze(-2)


def _rows(x: Tensor, axes: int) -> Tensor:
    """Inputs as rows of features, also of those that are one number each; in float64."""
    return (x.flatten(axes) if x.dim() > axes else x[..., None]).double()


def _members(y: Tensor, outputs: int) -> Tensor:
    """(*B, S, C): 1 where an example is of a class, in float64."""
    return torch.nn.functional.one_hot(y, outputs).double()


class Trivial(NamedTuple):
    """A predictor and the kind of its targets."""

    name: str
    target: str
    predict: Predict


TRIVIAL = (
    Trivial("support_mean", "numbers", support_mean),
    Trivial("ridge", "numbers", ridge),
    Trivial("class_frequencies", "classes", class_frequencies),
    Trivial("nearest_mean", "classes", nearest_mean),
    Trivial("ridge", "classes", class_ridge),
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
        {'support_mean': 3, 'ridge': 3}
    """
    if not isinstance(bank, BankSpec):
        raise InvalidTasks(f"bank must be a BankSpec, got {shown(bank)}")
    drawn = tasks_of(tasks, device=device, dtype=torch.float32)
    return scores_of(drawn, bank, bank.metric or metric_of(tasks), device=device)


@torch.no_grad()
def scores_of(
    tasks: Tasks,
    bank: BankSpec,
    metric: str | None,
    *,
    device: str | torch.device,
    between: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """What `trivial_scores` returns, of tasks that are loaded already.

    Args:
        tasks, bank: Which; the tasks are on `device`.
        metric: By what they are scored; None is accuracy, or squared error.
        between: Called after a few tasks; what it raises ends it.
    """
    scoring = scoring_of(tasks, metric)
    scoring.metric.check_queries(bank.q_query)
    fitting = [each for each in TRIVIAL if each.target == target_of(tasks)]
    scores: dict[str, list[float]] = {each.name: [] for each in fitting}
    for start in range(0, bank.tasks, TASK_CHUNK):
        support, query = draw(tasks, bank, device, start, TASK_CHUNK)
        dtype = query.x.dtype if query.x.is_floating_point() else torch.float32
        for each in fitting:
            outputs = each.predict(support, query.x, tasks.outputs).to(dtype)
            of_tasks = scoring.scores(outputs, query.y)
            kept = of_tasks.masked_fill(scoring.broken(of_tasks), scoring.diverged)
            scores[each.name] += kept.tolist()
        between()
    return scores
