"""Time from the support set of one task to the first answers, eager.

The least of a few repeats: what else the machine does can only add to it.
"""

from metaopt.costs.metric import Bound, Clock, CostMetric, TrialAlone

REPEATS = 5


def _milliseconds(trial: TrialAlone, clock: Clock) -> float:
    adapt = trial.adaptation()
    seconds = []
    for _ in range(REPEATS):
        begun = clock()
        adapt()
        seconds.append(clock() - begun)
    return 1000.0 * min(seconds)


KIND = CostMetric(
    "adaptation_milliseconds",
    doc="time in which the trial alone adapts to one task",
    bound=Bound(float, gt=0, le=1e9),
    measure=_milliseconds,
    exact=False,
    order=1,
)
