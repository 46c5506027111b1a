"""The verdict of a study, as `GET /studies/{id}/result` returns it.

The search's own figure is the best of many noisy ones, so it flatters; the sealed figure comes
from training afresh with new seeds and from tasks that nothing was ever chosen by.
`optimism` is how much better the search's figure was, in the direction of the metric.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from metaopt.metaparams import Value


class ResultPart(BaseModel):
    """Base: finite numbers, fields unknown to an older client ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class SearchScore(ResultPart):
    """What the search measured, with a 95 % interval over its tasks."""

    score: float
    low: float
    high: float


class SealedScore(ResultPart):
    """What the sealed tasks say, over all seeds that trained to the end.

    `score` is the study's statistic over tasks of the mean over seeds; `low` and `high` bound
    the mean with 95 % confidence.  `curve` is the mean score after 0, 1, … inner steps.
    """

    score: float
    low: float
    high: float
    mean: float
    median: float
    trimmed_mean: float
    diverged_share: float
    curve: list[float]
    tasks: int
    seeds: int


class VerdictRun(ResultPart):
    """One fresh training of a finalist."""

    trial_number: int
    status: Literal["completed", "diverged", "failed"]
    score: float | None
    cause: str | None


class Finalist(ResultPart):
    """A trial of the search and what became of it when it was trained afresh.

    `sealed` and `optimism` are null where no fresh training reached the end; `runs` says why.
    `device_seconds` counts the search trial and its fresh trainings.
    """

    rank: int
    trial_number: int
    branch: str
    params: dict[str, Value]
    search: SearchScore
    sealed: SealedScore | None
    optimism: float | None
    device_seconds: float
    tied_with_best: bool
    runs: list[VerdictRun]


class BranchSummary(ResultPart):
    """What a branch of the search cost and reached; the score is null if no trial completed."""

    trials: int
    best_score: float | None
    device_seconds: float


class SearchCost(ResultPart):
    """What the search spent and which budget ended it; the verdict came on top.

    `judged_at` is the meta-iteration whose scores chose the finalists: the end of a trial, or
    where no trial completed, the highest rung that enough of them had in common.
    """

    ended_by: str
    wall_seconds: float
    device_seconds: float
    meta_iterations: int
    judged_at: int


class StudyResult(ResultPart):
    """The verdict: finalists, best first, and what the study cost.

    `intervals_cover` says what the sealed intervals and ties allow for: with one seed each, the
    noise of training is unknown and they allow for the choice of tasks only.  `busy_share` is the
    share of the time of all slots that no other study had which went into its segments.
    `device_seconds` and `wall_seconds` are of search and verdict together, `search` says what
    the search had of them.
    """

    metric: Literal["accuracy", "mse"]
    maximize: bool
    finalists: list[Finalist]
    trials: dict[str, int]
    branches: dict[str, BranchSummary]
    device_seconds: float
    wall_seconds: float
    busy_share: float | None = None
    search: SearchCost | None = None
    transductive: bool
    intervals_cover: Literal["tasks", "tasks and seeds"] = "tasks"
