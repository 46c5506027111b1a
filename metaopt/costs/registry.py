"""Cost metrics by name."""

from collections.abc import Collection

from metaopt.costs.metric import BankScores, Clock, Configuration, CostMetric, TrialAlone
from metaopt.errors import InvalidCost
from metaopt.plugins import Registry

COSTS: Registry[CostMetric] = Registry("cost metric", "metaopt.costs.kinds", InvalidCost)


def costs_of_configuration(configuration: Configuration) -> dict[str, float]:
    """All that a trial's configuration says about its costs, by name."""
    return {
        cost.name: cost.of_configuration(configuration)
        for cost in COSTS.kinds()
        if cost.of_configuration is not None
    }


def costs_of_scores(scores: BankScores) -> dict[str, float]:
    """All that a trial's scores say about its costs, by name."""
    return {
        cost.name: cost.of_scores(scores) for cost in COSTS.kinds() if cost.of_scores is not None
    }


def measured_costs(trial: TrialAlone, names: Collection[str], clock: Clock) -> dict[str, float]:
    """The costs `names` of a trial, measured now.

    Raises:
        InvalidCost: One of them is no cost metric, or none that is measured.
    """
    return {name: _measured(COSTS.get(name), trial, clock) for name in names}


def _measured(cost: CostMetric, trial: TrialAlone, clock: Clock) -> float:
    if cost.measure is None:
        raise InvalidCost(f"cost metric {cost.name!r} follows from parameters or scores")
    return float(cost.measure(trial, clock))
