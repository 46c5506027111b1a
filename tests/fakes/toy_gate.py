"""A gate's rule as somebody else would write it, in this one file: `steady:MOST`.

The fresh trainings of the candidate scatter by no more than MOST: the standard error that their
noise leaves in its mean score.
"""

from metaopt.gates.arguments import not_negative
from metaopt.gates.evidence import Evidence
from metaopt.gates.rule import GateRule, RuleAnswer
from metaopt.gates.threshold import side


def _answer(most: float, evidence: Evidence) -> RuleAnswer:
    if evidence.candidate.seeds < 2:
        return RuleAnswer("undecided", "one training does not scatter")
    parts = [part.variance for part in evidence.mean_loss().seeds]
    scatter = evidence.interval(sum(parts) ** 0.5, [])
    why = f"trainings scatter by {evidence.figures.number(scatter.value)}, to be {most:g} or less"
    return RuleAnswer(side(scatter, most), why, scatter, most)


STEADY = GateRule("steady", "steady:MOST", _answer, read=not_negative, helped_by_tasks=False)
