"""How much memory one lane of a study needs, roughly: absurd sizes are refused at the door.

An estimate from shapes alone, within a small factor of what a worker measures: weights of every
adapted task at every inner step, and activations of support and query examples.
"""

import math
from itertools import pairwise
from typing import Any

MOST_LANE_BYTES = 64 * 2**30
_FLOAT_BYTES = 4
_KEPT = 3  # copies of an activation that forward, backward and second order keep
_TASK_CHUNK = 100  # tasks of a bank adapted at once (metaopt.evaluation.evaluate)


def lane_bytes(
    tasks: Any, model: Any, *, meta_batch: float, inner_steps: float, shots: float
) -> float:
    """Return the bytes one lane needs to train.

    Args:
        tasks, model: Of a study spec.
        meta_batch, inner_steps: The largest the trial may have.
        shots: Largest number of support examples per class (per task in regression).
    """
    weights, activations = _model_size(tasks, model)
    ways = getattr(tasks, "n_way", 1)
    examples = ways * (inner_steps * shots + tasks.q_query)
    per_task = weights * (inner_steps + 2) + examples * activations * _KEPT
    return float(meta_batch * per_task * _FLOAT_BYTES)


def bank_bytes(tasks: Any, model: Any, *, bank_tasks: int, k_shot: int, q_query: int) -> float:
    """Return the bytes one lane needs to be evaluated on a bank."""
    weights, activations = _model_size(tasks, model)
    examples = getattr(tasks, "n_way", 1) * (k_shot + q_query)
    return min(bank_tasks, _TASK_CHUNK) * (3 * weights + 2 * examples * activations) * _FLOAT_BYTES


def _model_size(tasks: Any, model: Any) -> tuple[float, float]:
    """Return weights, and activations per example."""
    inputs = {"omniglot": 784, "linear": getattr(tasks, "features", 1)}.get(tasks.kind, 1)
    outputs = getattr(tasks, "n_way", 1)
    if model.kind == "conv4":
        sides = [14, 7, 4, 2] if model.pooling == "stride" else [28, 14, 7, 3]
        pixels = sum(side * side for side in sides)
        weights = 9 * model.filters * (1 + 3 * model.filters) + 4 * model.filters * outputs
        return weights, model.filters * pixels
    layers = [inputs, *getattr(model, "widths", []), outputs]
    return sum(math.prod(pair) for pair in pairwise(layers)), sum(layers)
