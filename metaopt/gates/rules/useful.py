"""`useful`: the candidate's score is better than that of every trivial predictor.

Trivial predictors learn nothing but the support set (`metaopt.evaluation.trivial`).  Of m of them
each has limits with an m-th of the error rate, so that one of several is wrong no more often.
"""

from metaopt.estimation.intervals import Interval, Measured
from metaopt.gates.evidence import Evidence
from metaopt.gates.rule import GateRule, RuleAnswer
from metaopt.gates.threshold import more_needed, side


def _answer(argument: None, evidence: Evidence) -> RuleAnswer:
    excess = evidence.excess_over_trivial()
    if not excess:
        return RuleAnswer("undecided", "no trivial predictor could be scored")
    limits = {name: evidence.interval_of(loss, among=len(excess)) for name, loss in excess.items()}
    hardest = max(limits, key=lambda name: (limits[name].high, name))
    sides = {name: side(own, 0.0, strictly=True) for name, own in limits.items()}
    if lost := [name for name, own in sides.items() if own == "fail"]:
        best = max(lost, key=lambda name: (limits[name].low, name))
        return _beside(best, limits[best], evidence)._replace(answer="fail")
    found = _beside(hardest, limits[hardest], evidence)._replace(answer=sides[hardest])
    if sides[hardest] == "pass":
        return found
    return _with_advice(found, excess[hardest], limits[hardest], evidence)


def _beside(name: str, limits: Interval, evidence: Evidence) -> RuleAnswer:
    scores, figures = limits.scores(evidence.goals), evidence.figures
    why = (
        f"candidate minus {figures.predictor(name)} {figures.difference(scores.value)} "
        f"{figures.limits(scores)}, to be {figures.better_side} {figures.difference(0.0)}"
    )
    return RuleAnswer("undecided", why, scores, 0.0)


def _with_advice(
    answer: RuleAnswer, measured: Measured, limits: Interval, evidence: Evidence
) -> RuleAnswer:
    tasks, seeds = more_needed(evidence.candidate, measured, limits, 0.0)
    return answer._replace(more_tasks=tasks, more_seeds=seeds)


KIND = GateRule(name="useful", form="useful", answer=_answer, trivial=True, place=6)
