"""Cost metrics that are known of a trial without measuring (`metaopt.costs`)."""

from collections.abc import Mapping

from metaopt.costs.metric import Configuration
from metaopt.costs.registry import costs_of_configuration
from metaopt.metaparams import Value
from service.planning.signatures import own_test_steps
from service.wire.spec.study import StudySpec


def costing(spec: StudySpec) -> Configuration:
    """What the costs of a study's trials follow from, but for their parameters."""
    k_shot, _ = spec.evaluation_shots()
    return Configuration(
        params={},
        test_steps=0,
        support_examples=k_shot * spec.tasks.classes,
        tasks=spec.tasks.model_dump(),
        model=spec.model.model_dump(),
    )


def metrics_of_params(of_study: Configuration, params: Mapping[str, Value]) -> dict[str, float]:
    """What a trial's parameters say about its costs.

    Args:
        of_study: Its study's `costing`.
    """
    own_steps = own_test_steps(dict(params))
    return costs_of_configuration(of_study._replace(params=params, test_steps=own_steps))
