"""What judgements are made of: estimates, and fresh trainings."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from metaopt.estimation.intervals import Interval


class ResultPart(BaseModel):
    """Base: finite numbers, fields unknown to an older client ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Estimate(ResultPart):
    """An estimate, its standard error and its 95 % interval."""

    value: float
    stderr: float
    low: float
    high: float

    @classmethod
    def of(cls, interval: Interval) -> "Estimate":
        """An interval as people read it, in the direction of the metric."""
        return cls(**interval._asdict())


class HeavyTask(ResultPart):
    """A sealed task by its place in the bank, and its score, the mean over fresh trainings."""

    task: int
    score: float


class HeavyTasks(ResultPart):
    """The few tasks that most of a score's uncertainty over tasks comes from.

    There are `count` of them, none better than `beyond`; `share_of_variance` is what they have of
    the variance over tasks, `without` the score of the others.  `tasks` are the worst of them.
    """

    count: int
    share_of_variance: float
    beyond: float
    without: float
    tasks: list[HeavyTask]


class Caution(ResultPart):
    """What an interval cannot hold, said beside it; of a trial, or without number of all.

    `unseen`: a rare bad training or task would hardly have been met.  `broken_trainings`: some did
    not reach the end.  `exploding_tasks`: adaptation diverges on some, or leaves a hundred times
    the loss of no adaptation.  `heavy_tasks`: few tasks make most of the uncertainty.
    `unsteady_training`: its trainings scatter far more than the others'.  `few_different`: sealed
    tasks are drawn more than once, with other examples.
    """

    code: Literal[
        "unseen",
        "broken_trainings",
        "exploding_tasks",
        "heavy_tasks",
        "unsteady_training",
        "few_different",
    ]
    text: str
    trial_number: int | None = None


class VerdictRun(ResultPart):
    """One fresh training of a finalist.

    `kept_at` is the meta-iteration of the model that was judged, where the best is kept.
    """

    trial_number: int
    status: Literal["completed", "diverged", "failed"]
    score: float | None
    cause: str | None
    kept_at: int | None = None

    @classmethod
    def of(cls, training: object) -> "VerdictRun":
        """A fresh training, its fields copied by name."""
        return cls.model_validate(training, from_attributes=True)
