"""Metrics by name; no torch here."""

from metaopt.errors import InvalidTasks
from metaopt.metrics.metric import Metric
from metaopt.registry import Registry

METRICS: Registry[Metric] = Registry("metric", "metaopt.metrics.kinds", InvalidTasks)


def default_metric(classification: bool) -> str:
    """By what tasks are scored that name no metric."""
    return "accuracy" if classification else "mse"
