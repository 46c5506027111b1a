"""Cost metrics that are known of a trial without measuring (`metaopt.costs`)."""

from collections.abc import Mapping

from metaopt.costs.metric import Configuration
from metaopt.costs.registry import costs_of_configuration
from metaopt.metaparams import Value
from service.planning.signatures import own_test_steps
from service.wire.spec.study import StudySpec


def metrics_of_params(spec: StudySpec, params: Mapping[str, Value]) -> dict[str, float]:
    """What a trial's parameters say about its costs."""
    k_shot, _ = spec.evaluation_shots()
    return costs_of_configuration(
        Configuration(
            params=params,
            test_steps=own_test_steps(dict(params)),
            support_examples=k_shot * spec.tasks.classes,
            tasks=spec.tasks.model_dump(),
            model=spec.model.model_dump(),
        )
    )
