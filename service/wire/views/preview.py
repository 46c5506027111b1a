"""What a study would do, before it is submitted: `POST /studies/preview`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from service.wire.spec.pruning import Keep
from service.wire.spec.warm_start import WarmTrial
from service.wire.views.studies import View


class DimensionView(View):
    """A searched parameter as the sampler sees it: a range, or `choices` without an order."""

    name: str
    kind: Literal["float", "int", "choice"]
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: list[float | int | str] | None = None


class BranchPlan(View):
    """A branch: its share of the trials, what is searched, and the value of everything else.

    `branch` is its name, `device_seconds` the most that its search trials may take.  `model` is its
    own, null where it trains the study's.  `lane_by_lane` says whether its trials are known to be
    trained one after the other; null where no worker has trained such programs yet.
    `lane_by_lane_from` says why, or what it is known from.
    """

    algorithm: str
    branch: Annotated[str, Field(default_factory=lambda fields: fields["algorithm"])]
    model: dict[str, Any] | None = None
    trials: int
    device_seconds: float | None = None
    searched: list[DimensionView]
    fixed: dict[str, float | int | str]
    warm_start: list[WarmTrial]
    lane_by_lane: bool | None = None
    lane_by_lane_from: str = ""


class ExpectedCost(View):
    """What a part of a study costs; seconds are null where nothing like it was ever run.

    `device_seconds_from` says what the estimate stands on, or why there is none.
    """

    trials: int
    meta_iterations_at_most: int
    meta_iterations_expected: int
    device_seconds: float | None
    device_seconds_from: str


class Preview(View):
    """What a spec would do.

    `rungs` are the meta-iterations at which trials are judged, `bank_tasks` on how many tasks, and
    `keep` says which of the models that were judged there counts.
    Second-order trials take first-order meta-gradients up to `first_order_until`, if there is one;
    those meta-iterations cost less, and are counted as any others.  `expected` counts with the
    share of trials that the pruning keeps at each rung; budgets of time, score and stagnation may
    end the search earlier.  The verdict comes on top, and the gates, null where there are none;
    stored scores of a baseline may save half of them.  `search` counts `replicas_at_most` trials
    that train the search's best again, each to the end; the branches' trials are without them.
    `lane_bytes` and `evaluation_seconds` are about what one trial needs at most, by shapes alone,
    and how long its largest evaluation takes on a slot: `evaluation_seconds_from` says whether that
    was measured on segments with the same programs, or is by rule, on one core.  `slots` are those
    that can train it, of those that work now, and `slots_from` says why there are none, or what of
    it stands on.  `warnings` say what of the spec has no effect, or may not be meant so.
    """

    branches: list[BranchPlan]
    rungs: list[int]
    bank_tasks: list[int]
    keep: Keep = "last"
    first_order_until: int | None
    search: ExpectedCost
    verdict: ExpectedCost
    gates: ExpectedCost | None = None
    replicas_at_most: int = 0
    lane_bytes: float | None = None
    evaluation_seconds: float | None = None
    evaluation_seconds_from: str | None = None
    slots: list[str] = []
    slots_from: str = ""
    warnings: list[str] = []
