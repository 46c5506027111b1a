"""Gates: the rules of a study answered at an interim analysis; pure functions.

Candidate and baseline have been trained afresh r times and scored on the same T tasks.  A rule
(`metaopt.gates.rules`) asks on which side of a threshold a true value lies, and answers by
one-sided limits of its estimate, each of which the truth exceeds with a probability of at most ε:

    pass        the limit towards the wrong side is on the right one
    fail        the limit towards the right side is on the wrong one
    undecided   neither

So a candidate at the threshold passes with a probability of at most ε, and fails with as little.
With K interim analyses, each at twice the tasks of the one before, analysis k has

    ε_k = 0.05 · 2^k / (2^K − 1),   k = 0 … K − 1,

whose sum is 0.05: whatever they have in common, all together stay within it (Boole).  The last one,
which has the most tasks, has more than half of it.  (α-spending of a group-sequential test.)
"""

from collections.abc import Sequence

from metaopt.errors import in_words
from metaopt.gates.rule import Rule, RuleAnswer
from service.judgement.evidence import Evidence
from service.wire.views.gate_report import GateAnswer

ALPHA = 0.05


def error_rate(analysis: int, analyses: int) -> float:
    """ε of an interim analysis, counted from 0."""
    return float(ALPHA * 2**analysis / (2**analyses - 1))


def judge(evidence: Evidence, rules: Sequence[Rule]) -> list[GateAnswer]:
    """The answer to each rule; one that fails to answer is not passed."""
    return [GateAnswer.of(rule.text, _answer(rule, evidence)) for rule in rules]


def _answer(rule: Rule, evidence: Evidence) -> RuleAnswer:
    try:
        return rule.answer(evidence)
    except Exception as error:  # a rule may be anybody's; the verdict stands without it
        return RuleAnswer("fail", f"the rule failed to answer ({in_words(error)})")


def passes(answers: Sequence[GateAnswer], undecided: str) -> bool:
    """Whether all pass, with what is undecided counted as `undecided` says."""
    allowed = {"pass", "undecided"} if undecided == "pass" else {"pass"}
    return all(answer.answer in allowed for answer in answers)


def more_tasks_help(answers: Sequence[GateAnswer], rules: Sequence[Rule]) -> bool:
    """Whether an interim analysis of more tasks may change what the gates say.

    Where a rule fails, the gates fail already.
    """
    if any(answer.answer == "fail" for answer in answers):
        return False
    return any(
        answer.answer == "undecided" and answer.estimate is not None and rule.kind.helped_by_tasks
        for answer, rule in zip(answers, rules, strict=True)
    )
