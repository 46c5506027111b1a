"""Metrics by name; no torch here."""

from metaopt.errors import InvalidTasks
from metaopt.metrics.metric import Metric
from metaopt.registry import Registry

METRICS: Registry[Metric] = Registry("metric", "metaopt.metrics.kinds", InvalidTasks)


_DEFAULTS = {"classes": "accuracy", "numbers": "mse", "actions": "return"}


def default_metric(target: str) -> str:
    """By what tasks are scored that name no metric.

    Args:
        target: What they ask for, as `Metric.target` has it.
    """
    return _DEFAULTS[target]
