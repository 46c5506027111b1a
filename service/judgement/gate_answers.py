"""Answers of gates: on which side of its threshold a true value lies, as far as limits tell."""

from service.wire.spec.gates import Rule
from service.wire.views.gate_report import Answer, GateAnswer
from service.wire.views.judged import Estimate


def side(estimate: Estimate, threshold: float, *, above: bool, strictly: bool = False) -> Answer:
    """Return on which side of the threshold the truth lies, the right one being `above` or not."""
    worst, best, bound = estimate.low, estimate.high, threshold
    if not above:
        worst, best, bound = -estimate.high, -estimate.low, -threshold
    if worst > bound or (worst == bound and not strictly):
        return "pass"
    return "fail" if best < bound else "undecided"


def say(
    rule: Rule,
    answer: Answer,
    why: str,
    estimate: Estimate | None = None,
    threshold: float | None = None,
    more: tuple[int | None, int | None] = (None, None),
) -> GateAnswer:
    """Return an answer; `more` are the tasks, or else the trainings, that would decide it."""
    return GateAnswer(
        rule=rule.text,
        answer=answer,
        why=why,
        estimate=estimate,
        threshold=threshold,
        more_tasks=more[0],
        more_seeds=more[1],
    )
