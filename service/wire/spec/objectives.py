"""Objectives and constraints of a study: what beside the score counts, and what it may cost.

adaptation_examples       inner steps at test × support examples of a task; exact
adaptation_milliseconds   adapting to one task, measured at each rung; noisy
peak_memory_bytes         of one trial's meta-iteration, counted by its tensors; exact
diverged_share            of the bank's tasks on which adaptation diverged; a constraint only
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from metaopt.search.pruning.registry import PRUNING_RULES
from metaopt.search.pruning.rule import Need, PruningRule
from metaopt.search.samplers.registry import SAMPLERS, objectives_refusal
from service.wire.base import Wire

Objective = Literal["score", "adaptation_examples", "adaptation_milliseconds", "peak_memory_bytes"]
Objectives = Annotated[list[Objective], Field(min_length=1, max_length=3)]
PruningMetric = Literal[
    "score",
    "adaptation_examples",
    "adaptation_milliseconds",
    "peak_memory_bytes",
    "diverged_share",
]

MEASURED = ("adaptation_milliseconds", "peak_memory_bytes")
"""What a worker measures only if the study asks for it."""


class Constraints(Wire):
    """Upper bounds; null is no bound.

    A trial that exceeds one is no finalist, and its sampler learns to avoid its like.

    Args:
        peak_memory_bytes: Of a meta-iteration of the trial alone.
        adaptation_milliseconds: Of adapting to one task.
        adaptation_examples: Inner steps at test times support examples of a task.
        diverged_share: Share of the bank's tasks on which adaptation diverged.
    """

    peak_memory_bytes: Annotated[int, Field(ge=1, le=2**53)] | None = None
    adaptation_milliseconds: Annotated[float, Field(gt=0, le=1e9)] | None = None
    adaptation_examples: Annotated[int, Field(ge=1, le=10**9)] | None = None
    diverged_share: Annotated[float, Field(ge=0, lt=1)] | None = None

    def bounds(self) -> dict[str, float]:
        """Return the bounds that are given, by metric."""
        given = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: float(bound) for name, bound in given if bound is not None}


def check_objectives(objectives: Sequence[str], *, sampler: str, extra_finalists: int) -> None:
    """Check that these objectives fit the rest of a spec.

    Raises:
        ValueError: they do not; the message says what can be done.
    """
    listed = ", ".join(objectives)
    if objectives[0] != "score":
        raise ValueError(f"objectives must begin with score, got {listed}: put score first")
    if len(set(objectives)) < len(objectives):
        raise ValueError(f"each objective may be named once, got {listed}")
    if len(objectives) == 1:
        return
    refusal = objectives_refusal(SAMPLERS.get(sampler), objectives)
    if refusal:
        raise ValueError(refusal)
    if extra_finalists:
        raise ValueError(
            "verdict.extra_finalists are tied by score with the last finalist, which with "
            f"several objectives ({listed}) means nothing: set it to 0 and raise verdict.finalists"
        )


def check_pruning(
    rule: PruningRule, metric: str, *, objectives: Sequence[str], bounds: Mapping[str, float]
) -> None:
    """Check that a pruning rule fits what a study is after.

    Args:
        metric: What trials are judged by at rungs.
        bounds: Of constraints, by metric.

    Raises:
        ValueError: it does not; the message says what can be done.
    """
    if Need.TASK_LOSSES in rule.needs and metric != "score":
        raise ValueError(
            f"pruning {rule.name} compares scores by task, {metric} has none: take pruning.metric "
            f"score, or pruning {_others(Need.TASK_LOSSES)}"
        )
    if not rule.several_objectives and len(objectives) > 1:
        raise ValueError(
            f"pruning {rule.name} knows one objective, got {', '.join(objectives)}: take another "
            "rule, or make one a constraint"
        )
    if not rule.constraints and bounds:
        raise ValueError(
            f"pruning {rule.name} knows no constraints, got {', '.join(bounds)}: take another "
            "rule, or none of them"
        )


def _others(need: Need) -> str:
    names = [rule.name for rule in PRUNING_RULES.kinds() if rule.needs and need not in rule.needs]
    return f"{', '.join(names[:-1])} or {names[-1]}"
