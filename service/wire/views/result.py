"""The verdict of a study, as `GET /studies/{id}/result` returns it.

The search's own figure is the best of many noisy ones, so it flatters; the sealed figure comes
from training afresh with new seeds and from tasks that nothing was ever chosen by.
`optimism` is how much better the search's figure was, in the direction of the metric.
"""

from typing import Any, Literal

from metaopt.metaparams import Value
from service.wire.base import BranchAlgorithm
from service.wire.views.cost_front import CostFront
from service.wire.views.gate_report import GateReport
from service.wire.views.judged import Caution, Estimate, HeavyTasks, ResultPart, VerdictRun


class SearchScore(ResultPart):
    """What the search measured, with a 95 % interval over its tasks.

    `score` is the mean over `trainings` of the same point: its own, and its replicas that
    completed.  The interval is that of their mean.  `kept_at` has the meta-iteration of the model
    that was scored, one for each of them; it is empty where the last model counts.
    """

    score: float
    low: float
    high: float
    trainings: int = 1
    kept_at: list[int] = []


class SealedScore(ResultPart):
    """What the sealed tasks say, over all seeds that trained to the end.

    `score` is the mean over seeds of the study's statistic over tasks; `low` and `high` bound its
    truth with 95 % confidence.  `mean`, `median` and `trimmed_mean` are of each task's mean over
    seeds.  `curve` is the mean score after 0, 1, … inner steps.  `exploded` is the share of tasks
    on which adaptation diverges or ends a hundred times as bad as tasks are without any;
    `heavy_tasks` are those few, if any, that most of the uncertainty over tasks comes from.
    `chosen_among` is of how many finalists, itself included, the winner came out on top without
    being clearly better: its interval allows for that luck.  Of all others it is 1.
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
    chosen_among: int = 1
    # Verdicts of older versions lack what follows.
    stderr: float | None = None
    exploded: Estimate | None = None
    heavy_tasks: HeavyTasks | None = None


class StepsAtTest(ResultPart):
    """After how many inner steps to use a finalist, at no extra trial.

    `chosen` is where `search_curve`, the mean score on meta-validation tasks after 0, 1, … inner
    steps, is best; the sealed tasks have no say in it.  `own` is the trial's `test_steps`, after
    which the search and the verdict score it.  The sealed means at both are null where no fresh
    training reached the end.
    """

    own: int
    chosen: int
    search_curve: list[float]
    sealed_at_own: float | None
    sealed_at_chosen: float | None


class ConfigurationCost(ResultPart):
    """What the search's trial of a configuration (with replicas) and its fresh trainings cost."""

    search_device_seconds: float
    fresh_device_seconds: float
    search_meta_iterations: int
    fresh_meta_iterations: int


class Finalist(ResultPart):
    """A trial of the search and what became of it when it was trained afresh.

    `rank` is that of the sealed scores, `search_rank` that of the search's among the finalists.
    `optimism` is how much better the search's score was than the sealed one, `optimism_interval`
    with the noise of both banks' tasks and of training.  `to_best` is the sealed score minus the
    best finalist's, paired by task; `tied_with_best` that its interval includes 0 and that it
    is not known to explode on more tasks.

    `sealed`, `optimism` and what follows from them are null where no fresh training reached the
    end; `runs` says why.  `device_seconds` counts the search trial and its fresh trainings.

    `metrics` are what else the search measured of it, `sealed_metrics` the means of its fresh
    trainings that reached the end.

    `algorithm` and `model` are what its branch trains; no model is told by older verdicts.
    """

    rank: int
    trial_number: int
    branch: str
    algorithm: BranchAlgorithm
    params: dict[str, Value]
    search: SearchScore
    sealed: SealedScore | None
    optimism: float | None
    device_seconds: float
    tied_with_best: bool
    runs: list[VerdictRun]
    # Verdicts of older versions lack what follows.
    search_rank: int | None = None
    optimism_interval: Estimate | None = None
    to_best: Estimate | None = None
    steps: StepsAtTest | None = None
    cost: ConfigurationCost | None = None
    metrics: dict[str, float] = {}
    sealed_metrics: dict[str, float] = {}
    model: dict[str, Any] | None = None


class ParetoTrial(ResultPart):
    """A trial of the search that no other dominates, with its values of the objectives."""

    trial_number: int
    branch: str
    algorithm: BranchAlgorithm
    params: dict[str, Value]
    values: dict[str, float]


class Comparison(ResultPart):
    """What the spec gives without a search, trained and judged as the finalists were.

    `compared_with` is "default", or the name of a preset or of an algorithm that the spec's
    `verdict.compare` has.
    `difference` is the sealed score of the best finalist minus that of this configuration, paired
    by task; null where no fresh training of one of them reached the end.  `algorithm` and `model`
    are as a finalist's.
    """

    compared_with: str
    branch: str
    algorithm: BranchAlgorithm
    params: dict[str, Value]
    sealed: SealedScore | None
    difference: Estimate | None
    cost: ConfigurationCost
    runs: list[VerdictRun]
    model: dict[str, Any] | None = None


Standing = Literal["better", "not_told_apart", "worse"]
TrivialAnswer = Literal["better", "open", "useless"]


class TrivialPredictor(ResultPart):
    """A predictor that learns nothing but the support set, scored on the sealed tasks.

    Of numbers to predict: `support_mean`, the mean of the support targets; `ridge`, ridge
    regression on the support examples.  Of classes: `class_frequencies`, guessing by how frequent
    each class is in the support set; `nearest_mean`, the class with the nearest mean; `ridge`.

    `scores` has one for each task, `sealed` is the study's statistic of them.  `difference` is the
    sealed score of the best finalist minus that, paired by task, and `standing` what its interval
    says of the finalist.
    """

    name: str
    sealed: Estimate
    difference: Estimate
    standing: Standing
    scores: list[float]


class TrivialReference(ResultPart):
    """What meta-learning has to be better than, best first.

    `answer` is `better` if the best finalist is better than each of them beyond the interval,
    `open` if it is so by its score alone, else `useless`.
    """

    answer: TrivialAnswer
    predictors: list[TrivialPredictor]


class WayWithout(ResultPart):
    """A way without meta-learning that `verdict.compare` names, beside the best finalist.

    `trained` are algorithms, as often as a finalist (`comparisons` has more of them); others are
    trivial predictors.  `difference` is the sealed score of the best finalist minus that of this
    way, paired by task, and `standing` what its interval says of the finalist: what meta-learning
    was worth.  What follows from a score is null where no training reached the end.
    """

    name: str
    trained: bool
    sealed: Estimate | None
    difference: Estimate | None
    standing: Standing | None
    device_seconds: float


class BranchSummary(ResultPart):
    """What a branch of the search cost and reached; the score is null if no trial completed.

    `trials` are its points; the cost is that of their replicas too.  `algorithm` is what it
    trains, null in verdicts of older versions, where the branch is called so.
    """

    trials: int
    best_score: float | None
    device_seconds: float
    algorithm: str | None = None


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
    """The verdict: finalists, best first, what they are compared with, and what the study cost.

    `intervals_cover` says what the sealed intervals and ties allow for: with one seed each, the
    noise of training is unknown and they allow for the choice of tasks only.  `busy_share` is the
    share of the time of all slots that no other study had which went into its segments.
    `device_seconds` and `wall_seconds` are of search and verdict together, `search` says what
    the search had of them.  `trials` counts the points of the search by status, `replicas` the
    trainings with which it repeated its best.  Where it is not null, whatever has `order: second`
    was trained with first-order meta-gradients up to the meta-iteration `first_order_until`,
    afresh too.

    With several objectives `pareto` is the search's Pareto set, best score first, of those that
    keep the `constraints`; the finalists are some of it.  `infeasible` counts the trials that
    were judged and break a constraint: none of them is a finalist.

    `weights_sha256` names the model of one of the best finalist's fresh trainings, the first that
    reached its end.  `versions` are those of what trained and judged (`code` is a digest of the
    source of `metaopt`), `device` is where.  `gates` is null where nothing was asked.

    `trivial` is null in verdicts of older versions, and where trivial predictors could not be
    scored.  `comparison` is with the first of the spec's defaults and presets in `verdict.compare`,
    `comparisons` with all else that was trained beside the finalists, and `without_meta_learning`
    has a row for each way without it that is named there: what meta-learning was worth.
    `cost_front` is the sealed score against what an adaptation costs; null in verdicts of older
    versions, and where all that was judged costs the same.  `cautions` are what the intervals
    cannot hold.

    `keep` says which model of a training counts: the last, or the best of its rungs by its score on
    meta-validation tasks, where the sealed tasks have no say (`kept_at` of each training).  Of the
    best of several looks at the same tasks the search's score is the more optimistic.
    """

    metric: str
    maximize: bool
    finalists: list[Finalist]
    trials: dict[str, int]
    replicas: dict[str, int] = {}
    branches: dict[str, BranchSummary]
    device_seconds: float
    wall_seconds: float
    busy_share: float | None = None
    search: SearchCost | None = None
    transductive: bool
    intervals_cover: Literal["tasks", "tasks and seeds"] = "tasks"
    comparison: Comparison | None = None
    comparisons: list[Comparison] = []
    without_meta_learning: list[WayWithout] = []
    trivial: TrivialReference | None = None
    first_order_until: int | None = None
    keep: Literal["best", "last"] = "last"
    objectives: list[str] = ["score"]
    constraints: dict[str, float] = {}
    pareto: list[ParetoTrial] | None = None
    infeasible: int = 0
    weights_sha256: str | None = None
    versions: dict[str, str] = {}
    device: str = ""
    gates: GateReport | None = None
    cost_front: CostFront | None = None
    cautions: list[Caution] = []

    def every_comparison(self) -> list[Comparison]:
        """All that was trained beside the finalists, in the order of the spec but for the first."""
        return [*([self.comparison] if self.comparison else []), *self.comparisons]
