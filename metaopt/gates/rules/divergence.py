"""`divergence:SHARE`: the candidate diverges on no more than that share of tasks.

The limits of a share are exact, binomial.  It is that of these trainings: for what another one
would do on the same tasks, tasks cannot tell.
"""

from metaopt.errors import InvalidGate
from metaopt.gates.arguments import after_colon, number
from metaopt.gates.evidence import Evidence
from metaopt.gates.rule import GateRule, RuleAnswer
from metaopt.gates.threshold import MOST_TASKS, side


def _read(text: str) -> float:
    share = number(text, after_colon(text), least=0.0, most=1.0)
    if share == 0.0:
        raise InvalidGate(
            f"a share of 0 cannot be shown by any number of tasks, got {text!r}: take a small one, "
            "as divergence:0.01"
        )
    return share


def _answer(bound: float, evidence: Evidence) -> RuleAnswer:
    candidate, shown = evidence.candidate, evidence.figures.share
    if "failed" in candidate.statuses:
        return RuleAnswer("undecided", "a fresh training of the candidate failed")
    share = candidate.diverged_share
    estimate = evidence.share_interval(share, candidate.tasks)
    answer = side(estimate, bound)
    why = (
        f"diverges on {shown(share)} of tasks, at most {shown(estimate.high)}, "
        f"to be {100 * bound:g} % or less"
    )
    more_tasks = _more_tasks(bound, evidence) if answer == "undecided" else None
    return RuleAnswer(answer, why, estimate, bound, more_tasks)


def _more_tasks(bound: float, evidence: Evidence) -> int | None:
    """About how many more tasks would decide if the share stays what it is."""
    candidate = evidence.candidate
    total = candidate.tasks
    while 0 < total <= MOST_TASKS:
        total *= 2
        if side(evidence.share_interval(candidate.diverged_share, total), bound) != "undecided":
            return total - candidate.tasks
    return None


KIND = GateRule(
    name="divergence",
    form="divergence:SHARE",
    answer=_answer,
    read=_read,
    whole_only=False,
    place=5,
)
