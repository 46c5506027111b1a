"""Cost metrics that follow from a trial's configuration."""

import pytest

from metaopt.costs.metric import Configuration
from service.planning.cost_metrics import costing, metrics_of_params
from service.wire.spec.study import StudySpec
from tests.fakes.specs import NAMED, small_spec


def of(spec: StudySpec) -> Configuration:
    return costing(spec, spec.branches[0])


@pytest.mark.parametrize(
    ("algorithm", "examples"),
    [
        ("protonet", 5.0),  # embeds the support set
        ("r2d2", 5.0),
        ("maml", 10.0),  # two inner steps
        ("anil", 10.0),
        ("proto_maml", 15.0),  # prototypes, then two inner steps
    ],
)
def test_what_has_no_inner_loop_passes_the_support_set_once(algorithm, examples) -> None:
    spec = small_spec(
        tasks={"kind": "omniglot", "n_way": 5, "k_shot": 1},
        model={"kind": "conv4"},
        branches=[{"algorithm": algorithm, "space": {}}],
    )
    params = spec.branches[0].defaults()
    params |= {"test_steps": 2} if "test_steps" in params else {}
    assert metrics_of_params(of(spec), params) == {"adaptation_examples": examples}


def test_examples_are_inner_steps_at_test_times_support_examples() -> None:
    params = {"inner_steps": 3, "test_steps": 0}
    assert metrics_of_params(of(small_spec()), params) == {"adaptation_examples": 15.0}
    params["test_steps"] = 2
    spec = small_spec(evaluation={"k_shot": 4})
    assert metrics_of_params(of(spec), params) == {"adaptation_examples": 8.0}
    omniglot = small_spec(
        tasks={"kind": "omniglot", "n_way": 5, "k_shot": 1}, model={"kind": "conv4"}
    )
    assert metrics_of_params(of(omniglot), params) == {"adaptation_examples": 10.0}


def test_a_trial_costs_what_the_model_of_its_branch_costs() -> None:
    spec = small_spec(**NAMED)
    models = [costing(spec, branch).model["widths"] for branch in spec.branches]
    assert models == [[16, 16], [16, 16], [24]]
