"""The budget of a study: what its search may spend.  Whatever is spent first ends the search.

The verdict comes on top: it is never cut short, and what it cost is counted apart.
"""

from typing import Annotated

from pydantic import Field

from metaopt.options import META_ITERATIONS
from service.wire.base import Wire

LENGTH = Field(ge=int(META_ITERATIONS.minimum), le=int(META_ITERATIONS.maximum))
MOST_TRIALS = 10_000
"""Of a study that is submitted or extended; one that was stored before this rule may have more."""

_MOST_STORED = 100_000
Trials = Annotated[int, Field(ge=1, le=_MOST_STORED, json_schema_extra={"maximum": MOST_TRIALS})]
Seconds = Annotated[float, Field(gt=0, le=1e9)]


class Budget(Wire):
    """How much a search may spend; null is no limit.

    Args:
        trials: Trials in all, `search.replicates` of them kept to train the best again.
        meta_iterations: Of a trial that is not pruned; fixed once the study is submitted.
        wall_seconds: Time while the study runs, without pauses.
        device_seconds: Of all segments together.
        total_meta_iterations: Of all trials together.
        target_score: A completed trial that reaches it ends the search.
        stagnation: Trials that may end one after another without a better completed score.
    """

    trials: Trials = 24
    meta_iterations: Annotated[int, LENGTH] = META_ITERATIONS.default
    wall_seconds: Seconds | None = None
    device_seconds: Seconds | None = None
    total_meta_iterations: Annotated[int, Field(ge=1, le=10**12)] | None = None
    target_score: float | None = None
    stagnation: Trials | None = None


def too_many_trials(trials: int) -> str | None:
    """The rule that so many trials break, in words, or None."""
    if trials <= MOST_TRIALS:
        return None
    return (
        f"must be less than or equal to {MOST_TRIALS}, got {trials}: submit another study whose "
        "warm_start names this one to go on from its best"
    )


CHANGEABLE = tuple(name for name in Budget.model_fields if name != "meta_iterations")
"""What `PATCH /studies/{id}` may change."""
