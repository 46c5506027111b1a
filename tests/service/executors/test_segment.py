"""A segment: one order in, one report out."""

import json
from dataclasses import replace
from typing import Any

import pytest
from safetensors import safe_open

from metaopt import trivial_scores
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.evaluation.bank import BankSpec
from metaopt.models.registry import MODELS
from metaopt.tasks.registry import TASKS
from metaopt.tasks.regression import Linear
from service.executors.base import Admit, SegmentOrder
from service.executors.segment import Segments
from service.planning.signatures import task_bank, trial_signature
from service.wire.spec.study import StudySpec
from tests.fakes.specs import LEAST
from tests.fakes.toys import PARABOLA, PULLED, QUADRATIC, Parabola


def order_of(spec: StudySpec, **changes) -> SegmentOrder:
    (branch,) = spec.branches
    params = branch.defaults()
    signature = trial_signature(spec, branch, params)
    fields = {
        "signature": signature.to_json(),
        "study_id": "s",
        "evict": [],
        "admit": [Admit("a", params, seed=1, horizon=2)],
        "iterations": 2,
        "evaluate": ["a"],
        "bank": task_bank(spec, "sealed", signature.test_cap).to_json(),
        "checkpoint_directory": None,
    }
    return SegmentOrder(**{**fields, **changes})


@pytest.mark.parametrize("metric", ["mse", "mae"])
def test_trivial_predictors_are_scored_on_the_order_s_tasks_by_its_metric(metric):
    tasks = {"kind": "linear", "metric": metric}
    branches = [{"algorithm": "maml", "space": {"inner_lr": 0.1}}]
    spec = StudySpec.model_validate({**LEAST, "tasks": tasks, "branches": branches})
    order = order_of(spec, trivial_tasks=7)
    report = Segments("cpu").run(order)
    bank = replace(BankSpec.from_json(order.bank), tasks=7)
    assert report.trivial == trivial_scores(tasks, bank)
    assert report.trivial_failure is None
    nothing = Segments("cpu").run(replace(order, trivial_tasks=0))
    assert nothing.trivial is None and nothing.trivial_failure is None


class Fickle(Linear):
    """Linear tasks that cannot be drawn seven at a time."""

    def sample(self, split, keys, k_shot, q_query):
        if keys.shape == (7,):
            raise RuntimeError("seven is too many")
        return super().sample(split, keys, k_shot, q_query)


def test_a_failure_to_score_trivial_predictors_costs_no_lane():
    linear = TASKS.get("linear")
    with TASKS.including(replace(linear, name="fickle", make=lambda *_: Fickle(1))):
        spec = StudySpec.model_validate({**LEAST, "tasks": {"kind": "fickle"}})
        report = Segments("cpu").run(order_of(spec, trivial_tasks=7))
    assert (report.trivial, report.trivial_failure) == (None, "RuntimeError: seven is too many")
    assert report.lanes[0].scores is not None


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
    assert lane.costs["peak_memory_bytes"] > 0 and lane.checkpoint is not None
    found = hardest_in(lane.checkpoint)
    assert found["judged"] == BankSpec.from_json(bank).tasks and found["classes"] == []
    worst = max(lane.scores or [])
    assert found["tasks"][0]["score"] == pytest.approx(worst, rel=1e-5)
    assert found["tasks"][0]["predicted"]["curve"] is not None


def test_what_was_hardest_cannot_cost_a_verdict(tmp_path) -> None:
    class Mute(Parabola):
        def describe(self, split, key, k_shot, q_query):
            raise RuntimeError("nobody knows")

    with TASKS.including(replace(PARABOLA, name="mute", make=lambda *_: Mute())):
        spec = StudySpec.model_validate({**LEAST, "tasks": {"kind": "mute"}})
        (branch,) = spec.branches
        params = branch.defaults()
        signature = trial_signature(spec, branch, params)
        order = SegmentOrder(
            signature=signature.to_json(),
            study_id="s",
            evict=[],
            admit=[Admit("a", params, seed=1, horizon=2)],
            iterations=2,
            evaluate=["a"],
            bank=task_bank(spec, "sealed", signature.test_cap).to_json(),
            checkpoint_directory=str(tmp_path),
            at_end="model",
        )
        (lane,) = Segments("cpu").run(order).lanes
    assert lane.scores and lane.checkpoint is not None
    assert hardest_in(lane.checkpoint) == {"failed": "RuntimeError: nobody knows"}


def hardest_in(path: str) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()["metaopt_hardest"])
    return found
