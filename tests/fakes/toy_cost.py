"""A cost metric that is not ours: added by a test, as anybody would add one."""

from metaopt.costs.metric import Bound, Clock, CostMetric, TrialAlone


def _state_bytes(trial: TrialAlone, clock: Clock) -> float:
    return float(sum(tensor.nbytes for tensor in trial.tensors()))


STATE_BYTES = CostMetric(
    "state_bytes",
    doc="bytes of a trial between two meta-iterations",
    bound=Bound(int, ge=1, le=2**53),
    measure=_state_bytes,
)
