"""Objectives and constraints of a study: what beside the score counts, and what it may cost.

Both name cost metrics (`metaopt.costs`): whatever is registered when a spec is read.
"""

import inspect
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, SerializeAsAny, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from metaopt.costs.metric import CostMetric
from metaopt.costs.registry import COSTS
from metaopt.goals import SCORE
from metaopt.search.pruning.registry import PRUNING_RULES
from metaopt.search.pruning.rule import Need, PruningRule
from metaopt.search.samplers.registry import SAMPLERS, objectives_refusal
from service.wire.base import Wire
from service.wire.one_of import OneOf


def objective_names() -> list[str]:
    """What `objectives` may name."""
    return [SCORE, *cost_names()]


def cost_names() -> list[str]:
    """What `verdict.cost` may name."""
    return [cost.name for cost in COSTS.kinds() if cost.objective]


def pruning_metrics() -> list[str]:
    """What `pruning.metric` may name."""
    return [SCORE, *COSTS.names()]


def measured_names(named: Collection[str]) -> list[str]:
    """Those of `named` that workers have to measure; others are known without that."""
    return [c.name for c in COSTS.kinds() if c.measure is not None and c.name in named]


Objectives = Annotated[
    list[Annotated[str, OneOf(objective_names)]], Field(min_length=1, max_length=3)
]
CostName = Annotated[str, OneOf(cost_names)]
PruningMetric = Annotated[str, OneOf(pruning_metrics)]


class Constraints(Wire):
    """Upper bounds; null is no bound.

    A trial that exceeds one is no finalist, and its sampler learns to avoid its like.
    """

    # A spec has an instance of `constraints_model()`: one field for each cost metric.

    def bounds(self) -> dict[str, float]:
        """The bounds that are given, by metric."""
        bounds = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: float(bound) for name, bound in bounds.items() if bound is not None}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """That of the model of this moment."""
        if cls is not Constraints:
            return super().__get_pydantic_json_schema__(schema, handler)
        return handler(constraints_model().__pydantic_core_schema__)


def constraints_model() -> type[Constraints]:
    """The model with a field for each cost metric that is registered now."""
    return _model(tuple(sorted(COSTS.kinds(), key=lambda cost: cost.order)))


def no_constraints() -> Constraints:
    """Constraints without a bound."""
    return constraints_model()()


@lru_cache
def _model(costs: tuple[CostMetric, ...]) -> type[Constraints]:
    fields: dict[str, Any] = {cost.name: (_bound(cost) | None, None) for cost in costs}
    described = "\n".join(f"    {cost.name}: {cost.doc}." for cost in costs)
    doc = f"{inspect.getdoc(Constraints)}\n\nArgs:\n{described}"
    return create_model("Constraints", __base__=Constraints, __doc__=doc, **fields)


def _bound(cost: CostMetric) -> Any:
    limits: dict[str, Any] = cost.bound.limits()
    return Annotated[cost.bound.number, Field(**limits)]


def _by_the_costs(value: Any) -> Constraints:
    if isinstance(value, Constraints):
        return value
    if isinstance(value, dict):
        # A stored spec has a null for each metric of its day; one that is gone bounds nothing.
        value = {k: bound for k, bound in value.items() if bound is not None or k in COSTS.names()}
    return constraints_model().model_validate(value)


def _default_of_today(schema: JsonSchemaValue) -> None:
    schema["default"] = no_constraints().model_dump()  # pydantic asks no factory


ConstraintsField = Annotated[
    SerializeAsAny[Constraints],
    BeforeValidator(_by_the_costs),
    Field(json_schema_extra=_default_of_today),
]
"""`Constraints` in a spec, read by the cost metrics that are registered at that moment."""


def check_objectives(objectives: Sequence[str], *, sampler: str, extra_finalists: int) -> None:
    """Check that these objectives fit the rest of a spec.

    Raises:
        ValueError: they do not; the message says what can be done.
    """
    listed = ", ".join(objectives)
    if objectives[0] != SCORE:
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
    if Need.TASK_LOSSES in rule.needs and metric != SCORE:
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
    names = [rule.name for rule in PRUNING_RULES.kinds() if rule.reads and need not in rule.needs]
    return f"{', '.join(names[:-1])} or {names[-1]}"
