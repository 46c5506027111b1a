"""A gate's rule: how it is written, what it needs, and what it answers.

GateRule     a kind of rule, one record a file (`metaopt.gates.rules`)
Rule         one that a spec has: `no-worse:0.02` is kind `no-worse`, argument 0.02
RuleAnswer   pass, fail or undecided, and why
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from metaopt.estimation.intervals import Interval
from metaopt.gates.evidence import Evidence, Trainings

Answer = Literal["pass", "fail", "undecided"]


class RuleAnswer(NamedTuple):
    """What one rule says of a candidate.

    Args:
        why: A sentence without a full stop.
        estimate: In the unit of people: scores, costs or shares.
        threshold: Beside which the estimate stands, in the same unit.
        more_tasks, more_seeds: Of an undecided one about what would decide it, tasks or else
            trainings; None where it is not to be had.
    """

    answer: Answer
    why: str
    estimate: Interval | None = None
    threshold: float | None = None
    more_tasks: int | None = None
    more_seeds: int | None = None


def _no(argument: Any) -> bool:
    return False


def _no_costs(argument: Any) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class GateRule:
    """A kind of rule.

    Args:
        name: As it is written, before any colon.
        form: As messages show it: `no-worse:DELTA`; without a colon it takes no argument.
        answer: (argument, evidence) -> what it says.
        read: Text of a rule -> its argument; ValueError names what could be written.
        compares: Argument -> whether it needs a baseline.
        costs: Argument -> metrics that have to be measured for it.
        compares_scores: Whether its estimate is the candidate's score minus the baseline's.
        whole_only: Whether a candidate of which a training broke off has lost already; else the
            rule itself counts those.
        trivial: Whether it needs the scores of trivial predictors.
        helped_by_tasks: Whether it can be decided by an interim analysis of more tasks.
        place: Where it stands in lists for people; those of one place by name.
    """

    name: str
    form: str
    answer: Callable[[Any, Evidence], RuleAnswer]
    read: Callable[[str], Any] | None = None
    compares: Callable[[Any], bool] = _no
    costs: Callable[[Any], tuple[str, ...]] = _no_costs
    compares_scores: bool = False
    whole_only: bool = True
    trivial: bool = False
    helped_by_tasks: bool = True
    place: int = 100


@dataclass(frozen=True)
class Rule:
    """A rule as a spec has it, its argument read."""

    text: str
    kind: GateRule
    argument: Any = None

    @property
    def compares(self) -> bool:
        """Whether it needs a baseline."""
        return self.kind.compares(self.argument)

    @property
    def costs(self) -> tuple[str, ...]:
        """Metrics that have to be measured for it."""
        return self.kind.costs(self.argument)

    def answer(self, evidence: Evidence) -> RuleAnswer:
        """What it says, also where there is nothing to judge or nothing to compare with."""
        settled = self._broken_off(evidence) if self.kind.whole_only else None
        return settled or self.kind.answer(self.argument, evidence)

    def _broken_off(self, evidence: Evidence) -> RuleAnswer | None:
        broken = _broken_candidate(evidence.candidate)
        if broken is None and self.compares:
            return _nothing_to_compare(evidence.baseline)
        return broken


def _broken_candidate(candidate: Trainings) -> RuleAnswer | None:
    statuses = candidate.statuses
    of_all = f"of {len(statuses)} fresh trainings of the candidate"
    if count := statuses.count("diverged"):
        return RuleAnswer("fail", f"{count} {of_all} diverged")
    if count := statuses.count("failed"):
        return RuleAnswer("undecided", f"{count} {of_all} failed")
    return None


def _nothing_to_compare(baseline: Trainings | None) -> RuleAnswer | None:
    if baseline is None:
        return RuleAnswer("pass", "there is no such baseline yet: nothing to compare with")
    if baseline.seeds:
        return None
    if baseline.statuses and all(status == "diverged" for status in baseline.statuses):
        why = "every fresh training of the baseline diverged, none of these did"
        return RuleAnswer("pass", why)
    return RuleAnswer("undecided", "no fresh training of the baseline reached its end")
