"""Cost metrics that follow from a trial's configuration."""

from service.planning.cost_metrics import costing, metrics_of_params
from tests.fakes.specs import small_spec


def test_examples_are_inner_steps_at_test_times_support_examples() -> None:
    params = {"inner_steps": 3, "test_steps": 0}
    assert metrics_of_params(costing(small_spec()), params) == {"adaptation_examples": 15.0}
    params["test_steps"] = 2
    spec = small_spec(evaluation={"k_shot": 4})
    assert metrics_of_params(costing(spec), params) == {"adaptation_examples": 8.0}
    omniglot = small_spec(
        tasks={"kind": "omniglot", "n_way": 5, "k_shot": 1}, model={"kind": "conv4"}
    )
    assert metrics_of_params(costing(omniglot), params) == {"adaptation_examples": 10.0}
