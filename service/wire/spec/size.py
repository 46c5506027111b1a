"""How much memory one lane of a study needs, roughly: absurd sizes are refused at the door.

An estimate from shapes alone, within a small factor of what a worker measures: weights of every
adapted task at every inner step, and activations of support and query examples.
"""

import math

from metaopt.algorithms.algorithm import Algorithm, Around, Values
from metaopt.evaluation.bank import TASK_CHUNK
from metaopt.models.kind import Size
from service.wire.spec.model import ModelSpec
from service.wire.spec.tasks import TasksSpec

MOST_LANE_BYTES = 64 * 2**30
_FLOAT_BYTES = 4
_KEPT = 3  # copies of an activation that forward, backward and second order keep


def lane_bytes(
    tasks: TasksSpec,
    size: Size,
    *,
    classes: float,
    meta_batch: float,
    inner_steps: float,
    shots: float,
) -> float:
    """The bytes one lane needs to train.

    Args:
        tasks: Of a study spec.
        size: Of the model that it trains.
        classes: Of a task, the most the trial may train with; 1 in regression.
        meta_batch, inner_steps: The largest the trial may have; no steps without an inner loop.
        shots: Largest number of support examples per class (per task in regression).
    """
    weights, activations = size
    each = tasks.inputs_of_classes / tasks.classes
    examples = each * classes * (max(inner_steps, 1) * shots + tasks.q_query)
    per_task = weights * (inner_steps + 2) + examples * activations * _KEPT
    return float(meta_batch * per_task * _FLOAT_BYTES)


def bank_bytes(
    tasks: TasksSpec, size: Size, *, bank_tasks: int, k_shot: int, q_query: int
) -> float:
    """The bytes one lane needs to be evaluated on a bank."""
    weights, activations = size
    examples = tasks.inputs_of_classes * (k_shot + q_query)
    return min(bank_tasks, TASK_CHUNK) * (3 * weights + 2 * examples * activations) * _FLOAT_BYTES


def model_size(tasks: TasksSpec, model: ModelSpec, algorithm: Algorithm, options: Values) -> Size:
    """How many weights the model that an algorithm trains has, and numbers for one example.

    Args:
        options: Structural values of the algorithm: the largest the trial may have.
    """
    shapes = algorithm.model_shapes(options, tasks.input_shape, tasks.outputs)
    return model.record.size_of(model.chosen(), *shapes)


def trained_size(tasks: TasksSpec, model: ModelSpec, algorithm: Algorithm, options: Values) -> Size:
    """The size of that model with what the algorithm itself has beside it for each task."""
    size = model_size(tasks, model, algorithm, options)
    around = Around(size.weights, math.prod(tasks.input_shape), tasks.outputs)
    return size._replace(weights=size.weights + algorithm.adds(options, around))
