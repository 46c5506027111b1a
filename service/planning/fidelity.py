"""Fidelity: what is cheaper at the rungs below the budget than at its end.

Besides shorter training, a trial may be scored on fewer tasks of the bank (`pruning.tasks`), and
may train with first-order meta-gradients to begin with (`pruning.first_order_until`).  Both follow
from the spec and a trial's meta-iteration alone, so nothing about them is stored.
"""

from collections.abc import Mapping

from metaopt.metaparams import Value
from service.wire.spec.study import StudySpec


def tasks_at_rungs(spec: StudySpec) -> dict[int, int]:
    """On how many tasks of the search's bank, its first ones, trials are scored below the budget,
    by rung; empty where that is all of them.
    """
    return dict(zip(spec.rungs(), spec.pruning.tasks or [], strict=False))


def trained_params(
    spec: StudySpec, params: Mapping[str, Value], meta_iteration: int
) -> dict[str, Value]:
    """The parameters that a trial of `params` trains by from `meta_iteration` on.

    They are its own, but for the order before `pruning.first_order_until`.  That holds for every
    trial of a study: of the search, a finalist trained afresh, the defaults it is compared with.
    """
    until = first_order_until(spec, params)
    if until is not None and meta_iteration < until:
        return {**params, "order": "first"}
    return dict(params)


def first_order_until(spec: StudySpec, params: Mapping[str, Value]) -> int | None:
    """Up to which meta-iteration a second-order trial takes first-order meta-gradients."""
    return spec.pruning.first_order_until if params.get("order") == "second" else None
