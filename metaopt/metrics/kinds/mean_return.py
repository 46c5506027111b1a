"""The return: what a policy's trajectories earned, of tasks that are acted in."""

import math
from typing import TYPE_CHECKING

from metaopt.metrics.metric import Metric

if TYPE_CHECKING:
    from torch import Tensor

WORST = -1e6


def mean_return(outputs: "Tensor", y: "Tensor") -> "Tensor":
    """(1/N) Σ_n o_n, where o_n (*B, N, 1) is the sum of a trajectory's rewards, undiscounted.

    It has a floor, as errors have a ceiling, so that one task cannot carry a mean away.
    """
    return outputs.mean((-2, -1)).clamp(min=WORST)


KIND = Metric(
    name="return",
    doc="The mean over a task's trajectories of the sum of their rewards, undiscounted.",
    scores=mean_return,
    classification=False,
    acts=True,
    maximize=True,
    possible=(WORST, math.inf),
    diverged=WORST,
)
