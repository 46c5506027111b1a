"""Operations with which a trial gets from a support set to its first answers.

Multiplications and additions of matrix products and convolutions, forward and back, counted from
their shapes: the same on every device and for every neighbour.  What is elementwise is not counted,
nor is a linear system (R2D2's is as large as the support set).
"""

from metaopt.costs.metric import Bound, Clock, CostMetric, TrialAlone


def _flops(trial: TrialAlone, clock: Clock) -> float:
    from metaopt.costs.operations import Operations

    adapt = trial.adaptation()
    with Operations() as counted:
        adapt()
    return float(counted.count)


KIND = CostMetric(
    "adaptation_flops",
    doc="operations of matrix products in which the trial adapts to one task",
    bound=Bound(int, ge=1, le=2**53),
    measure=_flops,
    order=4,
)
