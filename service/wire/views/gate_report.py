"""The report of a study's gates."""

from typing import Literal

from metaopt.gates.rule import Answer, RuleAnswer
from metaopt.metaparams import Value
from service.wire.base import BranchAlgorithm
from service.wire.views.judged import Estimate, ResultPart, VerdictRun


class GateAnswer(ResultPart):
    """What one rule was answered, and why.

    The rule asks on which side of `threshold` the true value of `estimate` lies: of `no-worse` and
    `better` the candidate's mean score minus the baseline's, of `at-least` its mean score, of
    `cost` the cost, of `divergence` the share of tasks.  `low` and `high` of the estimate bound it
    one-sided, each with the confidence that is this look's share of 95 %.

    Of an undecided rule `more_tasks` is about how many more tasks would decide it if the estimate
    stays where it is; null where training's own noise is too large for that, then `more_seeds` are
    about as many more trainings of each as would, or null if that is not to be had either.
    """

    rule: str
    answer: Answer
    why: str
    estimate: Estimate | None = None
    threshold: float | None = None
    more_tasks: int | None = None
    more_seeds: int | None = None

    @classmethod
    def of(cls, rule: str, answer: RuleAnswer) -> "GateAnswer":
        """The answer to a rule, by its text."""
        estimate = answer.estimate and Estimate.of(answer.estimate)
        return cls.model_validate({"rule": rule, **answer._asdict(), "estimate": estimate})


class GateContender(ResultPart):
    """A configuration on the gate bank: its mean score over tasks and fresh trainings.

    The score is null where no fresh training reached the end.  `stored` says that scores of an
    earlier study stand in for fresh trainings (same tasks, versions and device).  `branch` is that
    of the study that found it, `algorithm` what that trains.
    """

    branch: str
    algorithm: BranchAlgorithm
    params: dict[str, Value]
    score: Estimate | None
    diverged_share: float
    metrics: dict[str, float]
    runs: list[VerdictRun]
    stored: bool = False


class BaselineName(ResultPart):
    """A baseline's name and version."""

    name: str
    version: int

    def __str__(self) -> str:
        """Return `name@version`."""
        return f"{self.name}@{self.version}"


class GateReport(ResultPart):
    """The gates of a study: whether its best finalist passes, and what each rule says.

    `tasks` are those of the last of `looks` looks; `bank` names the gate bank they are the first
    of, `bank_looks` how often a trained trial has been scored on tasks of it, here and in other
    studies.  `baseline` is null where there was none of that name yet, `promoted` the version of it
    that the candidate has become, `not_promoted` why it has become none though it was to.
    """

    passed: bool
    answers: list[GateAnswer]
    undecided: Literal["fail", "pass"]
    trial_number: int
    candidate: GateContender
    baseline_name: BaselineName | None
    baseline: GateContender | None
    tasks: int
    seeds: int
    looks: int
    bank: str
    bank_looks: int
    promoted: BaselineName | None = None
    not_promoted: str | None = None
