"""Cost at the door: what a trial of a spec needs at most, and what its server allows.

From shapes alone, before anything is trained: bytes as `service.wire.spec.size` has it, and seconds
of one evaluation on one core by a rule that is right within a small factor for small networks,

    seconds = tasks · steps · (20 µs + examples · 2 · max(weights, 30 · activations) / 10¹⁰)
    examples = 3 · support + query

since a step goes forward and back through the support examples and forward through the queries, a
weight of a convolution is used at many places, and a core does some 10¹⁰ operations a second where
there is much to do.  Where segments with the same programs were measured on this service, the rule
is corrected by what they took,

    seconds = rule · Σ measured / Σ rule                                       over these segments

and each cost says which it is.  It is for refusing what would own a machine.
"""

from collections.abc import Mapping
from typing import NamedTuple

from metaopt.algorithms.registry import ALGORITHMS
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
        evaluation_seconds: Of one evaluation of one trial, as above.
        worker_bytes: What a worker on a core may take, which a trial trains in; None is no limit.
        by_default: Whether nobody has set `lane_bytes`: then what a worker may take counts, too.
    """

    lane_bytes: float
    evaluation_seconds: float
    worker_bytes: float | None = None
    by_default: bool = False

    def of_trial(self) -> tuple[float, str]:
        """The most memory of a trial, and the setting that raises it."""
        worker = self.worker_bytes
        if self.by_default and worker is not None and worker < self.lane_bytes:
            return worker, "a worker's, METAOPT_WORKER_BYTES"
        return self.lane_bytes, "METAOPT_LANE_BYTES"


class Measured(NamedTuple):
    """What segments with the programs of a branch took, over what the rule says of them."""

    ratio: float
    segments: int


class Cost(NamedTuple):
    """About how many seconds something takes, and how that is known."""

    seconds: float
    ground: str


BY_RULE = "by rule"
NOT_MEASURED: Mapping[str, Measured] = {}


def evaluation_costs(
    spec: StudySpec, measured: Mapping[str, Measured] = NOT_MEASURED
) -> dict[str, Cost]:
    """What one evaluation of one trial costs, by what of the spec it is for.

    Args:
        measured: By the name of a branch.
    """
    tasks = {"evaluation": spec.evaluation.tasks, "verdict": spec.verdict.tasks}
    if spec.gate_tasks():
        tasks["gates"] = spec.gate_tasks()
    costs = {}
    for part, count in tasks.items():
        branches = spec.every_branch() if part == "verdict" else spec.branches
        score = max(_score_cost(spec, branch.name, measured) for branch in branches)
        costs[part] = Cost(count * score.seconds, score.ground)
    return costs


def _score_cost(spec: StudySpec, branch: str, measured: Mapping[str, Measured]) -> Cost:
    rule, found = score_seconds(spec, branch), measured.get(branch)
    if found is None:
        return Cost(rule, BY_RULE)
    noun = "segment" if found.segments == 1 else "segments"
    return Cost(rule * found.ratio, f"measured on {found.segments} {noun}")


def check_cost(
    spec: StudySpec, most: MostCost, measured: Mapping[str, Measured] = NOT_MEASURED
) -> None:
    """Refuse a spec whose trials need more than is allowed.

    Raises:
        InvalidSpec: Says what is needed, what is allowed, and the setting.
    """
    errors = []
    needed, (allowed, setting) = spec.lane_bytes(), most.of_trial()
    if needed > allowed:
        errors.append(
            FieldError(
                "model",
                f"one trial would need about {needed / GIB:.1f} GiB, the most here is "
                f"{allowed / GIB:.1f} ({setting}): make the model, meta_batch, "
                "inner_steps or the numbers of examples smaller",
            )
        )
    for part, (seconds, ground) in evaluation_costs(spec, measured).items():
        if seconds > most.evaluation_seconds:
            errors.append(
                FieldError(
                    f"{part}.tasks",
                    f"one evaluation of a trial would take about {seconds:.0f} s ({ground}), the "
                    f"most here is {most.evaluation_seconds:.0f} (METAOPT_EVALUATION_SECONDS): "
                    "take fewer tasks, curve_steps or examples, or a smaller model",
                )
            )
    if errors:
        raise InvalidSpec(f"{errors[0].field}: {errors[0].message}", errors)


def score_seconds(spec: StudySpec, name: str) -> float:
    """About how many seconds a trial of a branch is adapted to one task and scored, by rule."""
    branch = spec.branch(name)
    entries = {**branch.fixed(), **branch.distributions()}
    most = {name: largest(entry) or 0 for name, entry in entries.items()}
    algorithm = ALGORITHMS.get(branch.algorithm)
    size = model_size(spec.tasks, spec.model_of(branch), algorithm, most)
    curve = spec.evaluation.curve_steps if algorithm.has_inner_loop else 0
    steps = max(curve, *(int(most.get(name, 0)) for name in ("inner_steps", "test_steps")), 1)
    k_shot, q_query = spec.evaluation_shots()
    examples = spec.tasks.inputs_of_classes * (3 * k_shot + q_query)
    forward = 2 * max(size.weights, USES_OF_A_WEIGHT * size.activations)
    return float(steps * (STEP_SECONDS + examples * forward / OPERATIONS_PER_SECOND))
