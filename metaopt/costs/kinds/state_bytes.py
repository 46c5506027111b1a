"""Bytes of a trial's state."""

from metaopt.costs.metric import Bound, CostMetric

KIND = CostMetric(
    "state_bytes",
    doc="bytes of a trial between two meta-iterations",
    bound=Bound(int, ge=1, le=2**53),
    measure=lambda trial, clock: float(sum(tensor.nbytes for tensor in trial.tensors())),
)
