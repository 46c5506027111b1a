"""How much memory one lane of a study needs, roughly: absurd sizes are refused at the door.

An estimate from shapes alone, within a small factor of what a worker measures: weights of every
adapted task at every inner step, and activations of support and query examples.
"""

from metaopt.evaluation.bank import TASK_CHUNK
from metaopt.models.kind import Size
from service.wire.spec.model import ModelSpec
from service.wire.spec.tasks import TasksSpec

MOST_LANE_BYTES = 64 * 2**30
_FLOAT_BYTES = 4
_KEPT = 3  # copies of an activation that forward, backward and second order keep


def lane_bytes(
    tasks: TasksSpec, model: ModelSpec, *, meta_batch: float, inner_steps: float, shots: float
) -> float:
    """The bytes one lane needs to train.

    Args:
        tasks, model: Of a study spec.
        meta_batch, inner_steps: The largest the trial may have.
        shots: Largest number of support examples per class (per task in regression).
    """
    weights, activations = model_size(tasks, model)
    examples = tasks.classes * (inner_steps * shots + tasks.q_query)
    per_task = weights * (inner_steps + 2) + examples * activations * _KEPT
    return float(meta_batch * per_task * _FLOAT_BYTES)


def bank_bytes(
    tasks: TasksSpec, model: ModelSpec, *, bank_tasks: int, k_shot: int, q_query: int
) -> float:
    """The bytes one lane needs to be evaluated on a bank."""
    weights, activations = model_size(tasks, model)
    examples = tasks.classes * (k_shot + q_query)
    return min(bank_tasks, TASK_CHUNK) * (3 * weights + 2 * examples * activations) * _FLOAT_BYTES


def model_size(tasks: TasksSpec, model: ModelSpec) -> Size:
    """How many weights the model has, and numbers for one example."""
    return model.record.size_of(model.chosen(), tasks.input_shape, tasks.outputs)
