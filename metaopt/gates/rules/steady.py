"""`steady:MOST`: the candidate's trainings scatter by no more than MOST."""

from metaopt.gates.arguments import not_negative
from metaopt.gates.rule import GateRule, RuleAnswer
from metaopt.gates.threshold import side


def _answer(most, evidence):
    if evidence.candidate.seeds < 2:
        return RuleAnswer("undecided", "one training does not scatter")
    parts = [part.value for part in evidence.mean_loss().seeds]
    scatter = evidence.interval(sum(parts) ** 0.5, [])
    why = f"trainings scatter by {evidence.figures.number(scatter.value)}, to be {most:g} or less"
    return RuleAnswer(side(scatter, most), why, scatter, most)


KIND = GateRule("steady", "steady:MOST", _answer, read=not_negative, helped_by_tasks=False)
