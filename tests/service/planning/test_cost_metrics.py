"""Cost metrics that follow from a trial's configuration."""

from metaopt.costs.metric import Configuration
from service.planning.cost_metrics import costing, metrics_of_params
from service.wire.spec.study import StudySpec
from tests.fakes.specs import NAMED, small_spec


def of(spec: StudySpec) -> Configuration:
    return costing(spec, spec.branches[0])


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
