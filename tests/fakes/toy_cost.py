"""A cost metric and an event that are not ours: added by tests, as anybody would add them."""

from metaopt.costs.metric import Bound, Clock, CostMetric, TrialAlone
from service.events import EventKind


def _state_bytes(trial: TrialAlone, clock: Clock) -> float:
    return float(sum(tensor.nbytes for tensor in trial.tensors()))


STATE_BYTES = CostMetric(
    "state_bytes",
    doc="bytes of a trial between two meta-iterations",
    bound=Bound(int, ge=1, le=2**53),
    measure=_state_bytes,
)

DEVICE_HOT = EventKind(
    "device_hot",
    "a device is about to throttle",
    {"slot": str, "celsius": float},
    lambda data, score: f"{data.get('slot')} has {data.get('celsius')} °C",
    notifies=True,
)
