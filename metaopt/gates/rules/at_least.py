"""`at-least:VALUE`: the candidate's mean score is VALUE or better (of errors: VALUE or less)."""

from metaopt.gates.arguments import finite
from metaopt.gates.evidence import Evidence
from metaopt.gates.rule import GateRule, RuleAnswer
from metaopt.gates.scores import answer_mean


def _answer(score: float, evidence: Evidence) -> RuleAnswer:
    return answer_mean(evidence, evidence.goals.loss(score))


KIND = GateRule(name="at-least", form="at-least:VALUE", answer=_answer, read=finite, place=3)
