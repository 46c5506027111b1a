"""Cost at the door: the rule beside what workers took, and which of the two is told."""

import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from service.db.engine import reading, transaction
from service.errors import InvalidSpec
from service.executors.base import Admit, SegmentOrder
from service.executors.segment import Segments
from service.operations.preview import preview_study
from service.operations.specs.cost import check_measured_cost, measured
from service.planning.door import MostCost, evaluation_costs, score_seconds
from service.planning.preview import signatures
from service.planning.signatures import task_bank, trial_signature
from service.wire.spec.study import StudySpec
from tests.fakes.rows import add_segment, add_study
from tests.fakes.specs import SPEC

SINUSOID = {
    "name": "rule",
    "tasks": {"kind": "sinusoid"},
    "model": {"kind": "mlp"},
    "branches": [{"algorithm": "maml", "space": {"inner_lr": 0.01, "meta_batch": 2}}],
    "evaluation": {"tasks": 100},
}
OMNIGLOT = {
    **SINUSOID,
    "tasks": {"kind": "omniglot", "n_way": 5, "k_shot": 1},
    "model": {"kind": "conv4"},
    "evaluation": {"tasks": 20, "curve_steps": 3},
}
# By rule over measured: 1.1 for the MLP, 0.4 for the convolutions.  A rule for refusing may be
# wrong by this much, and no more.
WITHIN = 5.0


@pytest.mark.parametrize("document", [SINUSOID, OMNIGLOT], ids=["sinusoid-mlp", "omniglot-conv4"])
def test_the_rule_is_right_within_a_factor_of_what_a_worker_takes(
    document: dict[str, Any], record_property: Any
) -> None:
    spec = StudySpec.model_validate(document)
    (branch,) = spec.branches
    params = branch.defaults()
    signature = trial_signature(spec, branch, params)
    bank = task_bank(spec, "validation", signature.test_cap)
    order = SegmentOrder(
        signature=signature.to_json(),
        study_id="s",
        evict=[],
        admit=[Admit(f"{n}", params, seed=n, horizon=2) for n in range(4)],
        iterations=1,
        evaluate=[f"{n}" for n in range(4)],
        bank=bank.to_json(),
        checkpoint_directory=None,
    )
    worker = Segments("cpu")
    worker.run(order)  # the first time also loads and plans
    begun = time.process_time()  # of this core, whatever else runs on it
    report = worker.run(replace(order, admit=[]))
    seconds = time.process_time() - begun
    scored = sum(len(lane.scores or ()) for lane in report.lanes)
    assert scored == 4 * bank.tasks
    ratio = score_seconds(spec, "maml") * scored / seconds
    record_property("by_rule_over_measured", ratio)
    print(f"{document['tasks']['kind']}: by rule over measured {ratio:.2f}")
    assert 1 / WITHIN < ratio < WITHIN


def test_what_segments_took_is_told_and_refuses(engine: Engine) -> None:
    spec = StudySpec.model_validate({**SPEC, "evaluation": {"tasks": 1000, "curve_steps": 20}})
    rule = evaluation_costs(spec)["evaluation"].seconds
    allowed = MostCost(float("inf"), 3 * rule)
    with transaction(engine) as session:
        assert measured(session, spec) == {}
        assert preview_study(session, spec).evaluation_seconds_from == "by rule"
        check_measured_cost(session, spec, allowed)
        add_study(session, spec=spec.model_dump(mode="json"), project="another")
        for branch in spec.branches:
            signature = min(signatures(spec, branch) or ())
            took = 5 * score_seconds(spec, branch.name) * 200
            for scored in (200, 200, 0, None):  # the last two evaluated nothing, or do not say
                add_segment(
                    session,
                    branch=branch.name,
                    signature=signature,
                    evaluate_seconds=took,
                    scored=scored,
                )
    with reading(engine) as session:
        found = measured(session, spec)
        assert {name: one.segments for name, one in found.items()} == {"maml": 2, "reptile": 2}
        assert [one.ratio for one in found.values()] == pytest.approx([5.0, 5.0])
        shown = preview_study(session, spec)
        most = max(cost.seconds for cost in evaluation_costs(spec).values())
        assert shown.evaluation_seconds == pytest.approx(5 * most)
        assert shown.evaluation_seconds_from == "measured on 2 segments"
        with pytest.raises(InvalidSpec, match="measured on 2 segments"):
            check_measured_cost(session, spec, allowed)
        far = MostCost(float("inf"), 100 * most)
        check_measured_cost(session, spec, far)
