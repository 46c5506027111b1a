"""A segment: one order in, one report out."""

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.models.registry import MODELS
from metaopt.tasks.registry import TASKS
from service.executors.base import Admit, SegmentOrder
from service.executors.segment import Segments
from service.planning.signatures import task_bank, trial_signature
from service.wire.spec.study import StudySpec
from tests.fakes.specs import LEAST
from tests.fakes.toys import PARABOLA, PULLED, QUADRATIC


def test_a_study_of_toy_kinds_is_trained_and_judged(tmp_path):
    with TASKS.including(PARABOLA), MODELS.including(QUADRATIC), ALGORITHMS.including(PULLED):
        spec = StudySpec.model_validate(
            {
                **LEAST,
                "tasks": {"kind": "parabola"},
                "model": {"kind": "quadratic"},
                "branches": [{"algorithm": "pulled", "space": {"pull": 0.1}}],
            }
        )
        (branch,) = spec.branches
        params = branch.defaults()
        assert params["pull"] == 0.1
        signature = trial_signature(spec, branch, params)
        bank = task_bank(spec, "validation", signature.test_cap).to_json()
        order = SegmentOrder(
            signature=signature.to_json(),
            study_id="s",
            evict=[],
            admit=[Admit("a", params, seed=1, horizon=50)],
            iterations=50,
            evaluate=["a"],
            bank=bank,
            checkpoint_directory=str(tmp_path),
            measure=["peak_memory_bytes"],
            at_end="model",
        )
        (lane,) = Segments("cpu").run(order).lanes
    assert lane.meta_iteration == 50 and lane.diverged_at is None
    assert lane.curve is not None and lane.curve[-1] < lane.curve[0]
    assert lane.costs["peak_memory_bytes"] > 0 and list(tmp_path.iterdir())
