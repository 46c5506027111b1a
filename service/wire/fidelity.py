"""Fidelity: what is cheaper at the rungs below the budget than at its end.

Besides shorter training, a trial may be scored on fewer tasks of the bank (`pruning.tasks`), and
may train with first-order meta-gradients to begin with (`pruning.first_order_until`).  Both follow
from the spec and a trial's meta-iteration alone, so nothing about them is stored.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from metaopt.metaparams import Value
from service.wire.spec.space import Branch, Choices

if TYPE_CHECKING:
    from service.wire.spec.study import Pruning, StudySpec


def bank_tasks(spec: "StudySpec", meta_iteration: int) -> int:
    """Return on how many tasks of the search's bank a trial is scored at a rung: its first ones."""
    at_rungs = dict(zip(spec.rungs(), spec.pruning.tasks or [], strict=False))
    return at_rungs.get(meta_iteration, spec.evaluation.tasks)


def trained_params(
    spec: "StudySpec", params: Mapping[str, Value], meta_iteration: int
) -> dict[str, Value]:
    """Return the parameters that a trial of `params` trains by from `meta_iteration` on.

    They are its own, but for the order before `pruning.first_order_until`.  That holds for every
    trial of a study: of the search, a finalist trained afresh, the defaults it is compared with.
    """
    until = first_order_until(spec, params)
    if until is not None and meta_iteration < until:
        return {**params, "order": "first"}
    return dict(params)


def first_order_until(spec: "StudySpec", params: Mapping[str, Value]) -> int | None:
    """Return up to which meta-iteration a second-order trial takes first-order meta-gradients."""
    return spec.pruning.first_order_until if params.get("order") == "second" else None


def may_be_second_order(branch: Branch) -> bool:
    """Return whether trials of `branch` may have second-order meta-gradients."""
    searched = branch.distributions().get("order")
    if isinstance(searched, Choices):
        return "second" in searched.choices
    return branch.fixed().get("order") == "second"


def check_fidelity(
    pruning: "Pruning", below: Sequence[int], *, tasks: int, branches: Sequence[Branch]
) -> None:
    """Check `pruning.tasks` and `pruning.first_order_until`.

    Args:
        pruning: Of the spec.
        below: The rungs below the budget.
        tasks: `evaluation.tasks`.
        branches: Of the spec.

    Raises:
        ValueError: they do not fit the rest; the message says what can be done.
    """
    if pruning.tasks is not None:
        _check_tasks(pruning.tasks, below, tasks)
    if pruning.first_order_until is not None:
        _check_order(pruning.first_order_until, below, branches)


def _check_tasks(at_rungs: Sequence[int], below: Sequence[int], most: int) -> None:
    if not below:
        raise ValueError(
            f"pruning.tasks = {list(at_rungs)} needs rungs below the budget and there are none: "
            "give pruning.rungs, or leave pruning.tasks out"
        )
    if len(at_rungs) != len(below):
        raise ValueError(
            f"pruning.tasks must have one number for each rung below the budget, {list(below)}, "
            f"got {list(at_rungs)}; at the budget it is always evaluation.tasks"
        )
    if any(b < a for a, b in zip(at_rungs, at_rungs[1:], strict=False)):
        raise ValueError(f"pruning.tasks must not fall from rung to rung, got {list(at_rungs)}")
    if at_rungs[-1] > most:
        raise ValueError(
            f"pruning.tasks must be at most evaluation.tasks = {most}, the tasks of the bank, "
            f"got {at_rungs[-1]}"
        )


def _check_order(until: int, below: Sequence[int], branches: Sequence[Branch]) -> None:
    if until not in below:
        listed = ", ".join(map(str, below)) or "none: give pruning.rungs"
        raise ValueError(
            f"pruning.first_order_until must be one of the rungs below the budget ({listed}), "
            f"got {until}"
        )
    if not any(may_be_second_order(branch) for branch in branches):
        names = ", ".join(branch.algorithm for branch in branches)
        raise ValueError(
            f"pruning.first_order_until = {until} needs a branch whose trials may have "
            f"order: second, {names} has none: leave it out, or let maml have that order"
        )
