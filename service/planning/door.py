"""Cost at the door: what a trial of a spec needs at most, and what its server allows.

From shapes alone, before anything is trained: bytes as `service.wire.spec.size` has it, and seconds
of one evaluation on one core by a rule that is right within a small factor for small networks,

    seconds = tasks · steps · (20 µs + examples · 2 · max(weights, 30 · activations) / 10¹⁰)
    examples = 3 · support + query

since a step goes forward and back through the support examples and forward through the queries, a
weight of a convolution is used at many places, and a core does some 10¹⁰ operations a second where
there is much to do.  It is for refusing what would own a machine, not for telling the time.
"""

from typing import NamedTuple

from service.errors import FieldError, InvalidSpec
from service.wire.spec.size import model_size
from service.wire.spec.space import largest
from service.wire.spec.study import StudySpec

STEP_SECONDS = 20e-6
OPERATIONS_PER_SECOND = 1e10
USES_OF_A_WEIGHT = 30
GIB = 2**30


class MostCost(NamedTuple):
    """What a server allows.

    Args:
        lane_bytes: Memory of one trial.
        evaluation_seconds: Of one evaluation of one trial, by the rule above.
    """

    lane_bytes: float
    evaluation_seconds: float


def evaluation_seconds(spec: StudySpec) -> dict[str, float]:
    """About how many seconds one evaluation of one trial takes, by what of the spec it is for."""
    tasks = {"evaluation": spec.evaluation.tasks, "verdict": spec.verdict.tasks}
    if spec.gate_tasks():
        tasks["gates"] = spec.gate_tasks()
    second = max(map(_step_seconds, [spec] * len(spec.branches), range(len(spec.branches))))
    return {part: count * second for part, count in tasks.items()}


def check_cost(spec: StudySpec, most: MostCost) -> None:
    """Refuse a spec whose trials need more than is allowed.

    Raises:
        InvalidSpec: Says what is needed, what is allowed, and the setting.
    """
    errors = []
    needed = spec.lane_bytes()
    if needed > most.lane_bytes:
        errors.append(
            FieldError(
                "model",
                f"one trial would need about {needed / GIB:.1f} GiB, the most here is "
                f"{most.lane_bytes / GIB:.1f} (METAOPT_LANE_BYTES): make the model, meta_batch, "
                "inner_steps or the numbers of examples smaller",
            )
        )
    for part, seconds in evaluation_seconds(spec).items():
        if seconds > most.evaluation_seconds:
            errors.append(
                FieldError(
                    f"{part}.tasks",
                    f"one evaluation of a trial would take about {seconds:.0f} s, the most here is "
                    f"{most.evaluation_seconds:.0f} (METAOPT_EVALUATION_SECONDS): take fewer "
                    "tasks, curve_steps or examples, or a smaller model",
                )
            )
    if errors:
        raise InvalidSpec(f"{errors[0].field}: {errors[0].message}", errors)


def _step_seconds(spec: StudySpec, position: int) -> float:
    """Of all steps on one task."""
    branch = spec.branches[position]
    size = model_size(spec.tasks, spec.model_of(branch))
    entries = {**branch.fixed(), **branch.distributions()}
    steps = max(spec.evaluation.curve_steps, largest(entries.get("inner_steps")) or 0, 1)
    k_shot, q_query = spec.evaluation_shots()
    examples = spec.tasks.classes * (3 * k_shot + q_query)
    forward = 2 * max(size.weights, USES_OF_A_WEIGHT * size.activations)
    return float(steps * (STEP_SECONDS + examples * forward / OPERATIONS_PER_SECOND))
