"""How people read a metric; of one that is not known less is better, and it is a plain number."""

from metaopt.metrics.registry import METRICS


def in_percent(metric: str) -> bool:
    """Whether scores are shares that people read as per cent."""
    return any(kind.percent for kind in METRICS if kind.name == metric)


def maximized(metric: str) -> bool:
    """Whether a higher score is better."""
    return any(kind.maximize for kind in METRICS if kind.name == metric)
