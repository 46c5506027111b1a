"""`no-worse:DELTA`: the candidate's score is not worse than the baseline's by more than DELTA."""

from metaopt.gates.arguments import not_negative
from metaopt.gates.evidence import Evidence
from metaopt.gates.rule import GateRule, RuleAnswer
from metaopt.gates.scores import answer_difference


def _answer(delta: float, evidence: Evidence) -> RuleAnswer:
    return answer_difference(evidence, delta)


KIND = GateRule(
    name="no-worse",
    form="no-worse:DELTA",
    answer=_answer,
    read=not_negative,
    compares=lambda delta: True,
    compares_scores=True,
    place=2,
)
