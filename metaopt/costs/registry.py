"""Cost metrics by name."""

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TypeVar

from metaopt.costs.metric import BankScores, Clock, Configuration, CostMetric, TrialAlone
from metaopt.errors import InvalidCost
from metaopt.registry import Registry

COSTS: Registry[CostMetric] = Registry("cost metric", "metaopt.costs.kinds", InvalidCost)

Given = TypeVar("Given")


def costs_of_configuration(configuration: Configuration) -> dict[str, float]:
    """All that a trial's configuration says about its costs, by name.

    A metric that fails, or gives no finite number, is left out: it may be anybody's, and trials
    of studies that do not name it are none of its business.
    """
    return _finite({cost.name: cost.of_configuration for cost in COSTS.kinds()}, configuration)


def costs_of_scores(scores: BankScores) -> dict[str, float]:
    """All that a trial's scores say about its costs, by name; as `costs_of_configuration`."""
    return _finite({cost.name: cost.of_scores for cost in COSTS.kinds()}, scores)


def measured_costs(trial: TrialAlone, names: Collection[str], clock: Clock) -> dict[str, float]:
    """The costs `names` of a trial, measured now.

    Raises:
        InvalidCost: One of them is no cost metric, or none that is measured.
    """
    return {name: _measured(COSTS.get(name), trial, clock) for name in names}


def _finite(
    metrics: Mapping[str, Callable[[Given], float] | None], given: Given
) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, metric in metrics.items():
        with suppress(Exception):
            value = math.nan if metric is None else float(metric(given))
            if math.isfinite(value):
                found[name] = value
    return found


def _measured(cost: CostMetric, trial: TrialAlone, clock: Clock) -> float:
    if cost.measure is None:
        raise InvalidCost(f"cost metric {cost.name!r} follows from parameters or scores")
    return float(cost.measure(trial, clock))
