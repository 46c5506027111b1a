"""The report of a study as data, as `GET /studies/{id}/report` returns it.

Every part stands by itself and is null where there is nothing to show; `absent` then says why,
by the part's name.  A study that runs, failed or was cancelled has a report like any other.
`learning_curves` come best first: so far, while the search goes on.
"""

from typing import Literal

from metaopt.evaluation.hard_tasks import HardClass, HardTask
from metaopt.metaparams import Value
from service.wire.base import Instant
from service.wire.views.cost_front import CostFront
from service.wire.views.result import StudyResult
from service.wire.views.studies import StudyView, TrialStatus, View
from service.wire.views.timeline import Timeline

REPORT_VERSION: Literal[1] = 1


class RungPoint(View):
    """A trial's score at a rung, with a 95 % interval over so many tasks of the bank."""

    meta_iteration: int
    tasks: int
    score: float
    low: float
    high: float


class LearningCurve(View):
    """A search trial's scores, rung by rung."""

    trial_number: int
    branch: str
    status: TrialStatus
    points: list[RungPoint]


class SlicePoint(View):
    """A trial's value of one parameter, and its last score."""

    trial_number: int
    value: Value
    score: float
    meta_iteration: int
    status: TrialStatus


class Slice(View):
    """One searched parameter of a branch against the score."""

    branch: str
    parameter: str
    log: bool
    points: list[SlicePoint]


class Importance(View):
    """A parameter's share in the variation of the trials' places, with a 95 % interval.

    It holds what goes with the parameter alone, and half of what goes with each pair that it is in
    and that is more than chance; chance's part is taken off, so shares do not add up to 1.

    `chance` is what a share alone must exceed to be more than chance, `more_than_chance` whether
    it does or a pair does; both are null in a report from before that was tested.
    """

    parameter: str
    share: float
    low: float
    high: float
    chance: float | None = None
    more_than_chance: bool | None = None


class PairImportance(View):
    """The share of two parameters together, beyond what goes with either alone.

    Only pairs that are more than chance are listed: their shares exceed `chance`.
    """

    parameters: tuple[str, str]
    share: float
    low: float
    high: float
    chance: float


class BranchImportances(View):
    """Importances of a branch's searched parameters and of pairs of them.

    Those that are more than chance come first, then the greatest share.  `trials` is how many ended
    trials they are from, `resamples` how many bootstrap samples of them the intervals,
    `permutations` how many permutations what chance would have it.  A branch that has too few
    trials to tell, or searches nothing, has a `reason` instead of parameters.
    """

    branch: str
    trials: int
    resamples: int
    permutations: int = 0
    parameters: list[Importance]
    pairs: list[PairImportance] = []
    reason: str | None = None


class StabilityPoint(View):
    """A trial on the map of inner rate and inner steps: trained to its end, or diverged."""

    trial_number: int
    inner_lr: float
    inner_steps: int
    diverged: bool
    diverged_at: int | None
    cause: str | None


class FrontierPoint(View):
    """The inner rate that best separates trained from diverged trials of so many inner steps.

    `low` is the greatest rate below it that was tried, `high` the smallest above.  `misplaced`
    counts the trials on the wrong side: rates alone do not decide (the outer rate has a say).
    """

    inner_steps: int
    inner_lr: float
    low: float
    high: float
    misplaced: int


class StabilityMap(View):
    """Where trials of a branch trained, where they diverged, and the frontier between."""

    branch: str
    points: list[StabilityPoint]
    frontier: list[FrontierPoint]


class AdaptationCurve(View):
    """A trial's mean score after 0, 1, … inner steps: on the search's bank, and sealed.

    `rank` is a finalist's; before a verdict there is none.
    """

    rank: int | None
    trial_number: int
    branch: str
    search: list[float] | None
    sealed: list[float] | None


class ParetoPoint(View):
    """A completed trial: its score and costs, and which bounds it breaks."""

    trial_number: int
    branch: str
    params: dict[str, Value]
    values: dict[str, float]
    broken: list[str]
    on_front: bool


class Pareto(View):
    """What trials score beside what they cost; with one objective nothing is on a front."""

    objectives: list[str]
    bounds: dict[str, float]
    points: list[ParetoPoint]


class BranchCost(View):
    """What a branch cost: its search trials, and the fresh trainings of its finalists."""

    branch: str
    trials: int
    search_seconds: float
    verdict_seconds: float
    meta_iterations: int


class StudyCost(View):
    """What the study cost: seconds of devices, seconds on the clock, meta-iterations of lanes.

    `busy_share` is the share of the time of all slots that no other study had which went into
    the study's segments.
    """

    device_seconds: float
    wall_seconds: float | None
    busy_share: float | None
    meta_iterations: int
    branches: list[BranchCost]


class HardestReport(View):
    """What was hardest for the winner: sealed tasks and classes, first the hardest.

    Found out by a worker, of the training whose model is kept, when it was judged; `judged` is how
    many tasks that was, the first ones of the bank.  Tasks have the numbers that `metaopt task`
    takes.  A class counts in each task that it was in, so its numbers are of few examples often.
    """

    judged: int
    tasks: list[HardTask]
    classes: list[HardClass]
    known: int


class StudyReport(View):
    """A study, its verdict, and what was seen on the way."""

    schema_version: Literal[1] = REPORT_VERSION
    made_at: Instant
    study: StudyView
    verdict: StudyResult | None
    learning_curves: list[LearningCurve] | None
    slices: list[Slice] | None
    importances: list[BranchImportances] | None
    stability: list[StabilityMap] | None
    adaptation: list[AdaptationCurve] | None
    cost: StudyCost | None
    pareto: Pareto | None = None
    cost_front: CostFront | None = None
    hardest: HardestReport | None = None
    timeline: Timeline | None = None
    absent: dict[str, str]
