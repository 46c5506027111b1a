"""Cost metrics that are known of a trial without measuring (`metaopt.costs`)."""

from collections.abc import Mapping

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.costs.metric import Configuration
from metaopt.costs.registry import costs_of_configuration
from metaopt.metaparams import Value
from service.planning.signatures import own_test_steps
from service.wire.spec.space import Branch
from service.wire.spec.study import StudySpec


def costing(spec: StudySpec, branch: Branch) -> Configuration:
    """What the costs of a branch's trials follow from, but for their parameters."""
    k_shot, _ = spec.evaluation_shots()
    return Configuration(
        params={},
        test_steps=0,
        support_examples=k_shot * spec.tasks.classes,
        tasks=spec.tasks.model_dump(),
        model=spec.model_of(branch).model_dump(),
        algorithm=branch.algorithm,
        support_passes=0,
    )


def metrics_of_params(of_branch: Configuration, params: Mapping[str, Value]) -> dict[str, float]:
    """What a trial's parameters say about its costs.

    Args:
        of_branch: Its branch's `costing`.
    """
    trial = of_branch._replace(
        params=params,
        test_steps=own_test_steps(dict(params)),
        support_passes=ALGORITHMS.get(of_branch.algorithm).support_passes(params),
    )
    return costs_of_configuration(trial)
