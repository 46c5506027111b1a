"""Support examples that adapting to one task looks at, each step counted."""

from metaopt.costs.metric import Bound, Configuration, CostMetric


def _examples(trial: Configuration) -> float:
    return float(trial.test_steps * trial.support_examples)


KIND = CostMetric(
    "adaptation_examples",
    doc="inner steps at test × support examples of a task (all classes)",
    bound=Bound(int, ge=1, le=10**9),
    of_configuration=_examples,
    order=2,
)
