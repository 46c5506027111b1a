"""`better`: the candidate's score is better than the baseline's."""

from metaopt.gates.evidence import Evidence
from metaopt.gates.rule import GateRule, RuleAnswer
from metaopt.gates.scores import answer_difference


def _answer(argument: None, evidence: Evidence) -> RuleAnswer:
    return answer_difference(evidence, 0.0, strictly=True)


KIND = GateRule(
    name="better",
    form="better",
    answer=_answer,
    compares=lambda argument: True,
    compares_scores=True,
    place=1,
)
