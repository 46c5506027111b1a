"""Most bytes of tensors alive at once in a meta-iteration of a trial, eager.

Counted from the tensors' sizes, its own state and its tasks included, the data set not: the same on
every device and for every neighbour.  An allocator takes somewhat more, a compiled program may take
less.
"""

from metaopt.costs.metric import Bound, Clock, CostMetric, TrialAlone


def _bytes(trial: TrialAlone, clock: Clock) -> float:
    from metaopt.costs.live_bytes import LiveBytes

    live = LiveBytes(trial.tensors())
    with live:
        trial.meta_iteration()
    return float(live.peak)


KIND = CostMetric(
    "peak_memory_bytes",
    doc="most bytes of tensors alive in a meta-iteration of the trial alone",
    bound=Bound(int, ge=1, le=2**53),
    measure=_bytes,
    order=0,
)
