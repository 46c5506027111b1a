"""Support examples that adapting to one task passes through a network, each pass counted.

An inner step is a pass.  An algorithm without them makes one: it embeds the support set.  Passes
are not alike: ANIL's go back through the last layer alone, those of a prototype not at all.
`adaptation_flops` counts what they compute.
"""

from metaopt.costs.metric import Bound, Configuration, CostMetric


def _examples(trial: Configuration) -> float:
    return float(trial.support_passes * trial.support_examples)


KIND = CostMetric(
    "adaptation_examples",
    doc="passes of the support set through a network × its examples (all classes)",
    bound=Bound(int, ge=1, le=10**9),
    of_configuration=_examples,
    order=2,
)
