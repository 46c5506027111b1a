"""Gates: what a rule says of a candidate beside a baseline; pure functions.

Both have been trained afresh r times and scored on the same T tasks.  A rule asks on which side of
a threshold a true value lies, and answers by one-sided limits of its estimate, each of which the
truth exceeds with a chance of at most ε:

    pass        the limit towards the wrong side is on the right one
    fail        the limit towards the right side is on the wrong one
    undecided   neither

    no-worse:Δ     candidate minus baseline, paired by task, beside −Δ (of errors +Δ)
    better         the same beside 0
    at-least:V     the candidate's mean beside V
    cost:C<=B      exact, or a mean over trainings, beside B (times the baseline's)
    divergence:S   the share of tasks on which it diverges, exact binomial limits (Clopper and
                   Pearson), beside S

So a candidate at the threshold passes with a chance of at most ε, and fails with as little.  With K
looks, each at twice the tasks of the one before, look k has

    ε_k = 0.05 · 2^k / (2^K − 1),   k = 0 … K − 1,

whose sum is 0.05: whatever the looks have in common, all together stay within it (Boole).  The last
look, which has the most tasks, has more than half of it.

The standard error holds the noise of tasks and that of training (`service.judgement.estimates`),
each configuration's own: candidate and baseline may differ in model and length, and one scatter
more than the other.  Degrees of freedom are those of Welch and Satterthwaite.  More tasks reduce
the noise of tasks only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from service.judgement.estimates import (
    Contender,
    Measured,
    SealedRun,
    Tails,
    contender,
    difference_of,
    mean_of,
    seed_noise,
    with_pooled_noise,
)
from service.judgement.gate_answers import say, side
from service.judgement.gate_costs import MOST_TASKS, answer_cost, answer_divergence
from service.wire.spec.gates import Rule
from service.wire.views.gate_report import GateAnswer
from service.wire.views.judged import Estimate
from service.wire.words import numbers

ALPHA = 0.05
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Case:
    """What is to be judged.

    Args:
        candidate, baseline: Each with the noise of its trainings; the baseline is None where there
            is none of that name yet.
        maximize: Whether a higher score is better.
        metric: Name of the score.
        chance: ε of this look.
    """

    candidate: Contender
    baseline: Contender | None
    maximize: bool
    metric: str
    chance: float


def chance_of_look(look: int, looks: int) -> float:
    """Return ε of a look, counted from 0."""
    return float(ALPHA * 2**look / (2**looks - 1))


def with_noise(
    candidate: Sequence[SealedRun], baseline: Sequence[SealedRun] | None
) -> tuple[Contender, Contender | None]:
    """Return both with the noise of their own trainings.

    Of a single training nothing is known about that: then it is taken to be the other's.
    """
    both = [contender(candidate), *([] if baseline is None else [contender(baseline)])]
    if all(len(one.completed) > 1 for one in both):
        both = [one._replace(noise=seed_noise([one])) for one in both]
    else:
        both = with_pooled_noise(both)
    return both[0], (both[1] if baseline is not None else None)


def judge(case: Case, rules: Sequence[Rule]) -> list[GateAnswer]:
    """Return the answer to each rule."""
    return [_answer(case, rule) for rule in rules]


def passes(answers: Sequence[GateAnswer], undecided: str) -> bool:
    """Return whether all pass, with what is undecided counted as `undecided` says."""
    allowed = {"pass", "undecided"} if undecided == "pass" else {"pass"}
    return all(one.answer in allowed for one in answers)


def _answer(case: Case, rule: Rule) -> GateAnswer:
    if rule.kind == "divergence":
        return answer_divergence(rule, case.candidate.runs, case.chance)
    trouble = _trouble(case, rule)
    if trouble is not None:
        return trouble
    if rule.kind == "cost":
        return answer_cost(rule, case.candidate, case.baseline, case.chance)
    if rule.kind == "at-least":
        return _score(case, rule, mean_of(case.candidate), rule.bound)
    assert case.baseline is not None
    margin = 0.0 - rule.bound if case.maximize else rule.bound  # of 0 not -0.0
    return _score(case, rule, difference_of(case.candidate, case.baseline), margin)


def _trouble(case: Case, rule: Rule) -> GateAnswer | None:
    """Return the answer where there is nothing to compare."""
    ended = [run.status for run in case.candidate.runs]
    said = f"of {len(ended)} fresh trainings of the candidate"
    if count := ended.count("diverged"):
        return say(rule, "fail", f"{count} {said} diverged")
    if count := ended.count("failed"):
        return say(rule, "undecided", f"{count} {said} failed")
    if not rule.compares:
        return None
    if case.baseline is None:
        return say(rule, "pass", "there is no such baseline yet: nothing to compare with")
    if case.baseline.completed:
        return None
    theirs = [run.status for run in case.baseline.runs]
    if theirs and all(status == "diverged" for status in theirs):
        return say(rule, "pass", "every fresh training of the baseline diverged, none of these did")
    return say(rule, "undecided", "no fresh training of the baseline reached its end")


def _score(case: Case, rule: Rule, found: Measured, threshold: float) -> GateAnswer:
    estimate = found.estimate(Tails(case.chance, case.chance))
    answer = side(estimate, threshold, above=case.maximize, strictly=rule.kind == "better")
    shown = numbers.score if rule.kind == "at-least" else numbers.difference
    said = "mean score" if rule.kind == "at-least" else "candidate minus baseline"
    limits = numbers.interval(estimate.low, estimate.high, case.metric)
    why = f"{said} {shown(estimate.value, case.metric)} {limits}"
    why += f", to be {_beside(rule, case)} {shown(threshold, case.metric)}"
    why += _survivors(case) if rule.compares else ""
    more = _more(case, found, estimate, threshold) if answer == "undecided" else (None, None)
    return say(rule, answer, why, estimate, threshold, more)


def _survivors(case: Case) -> str:
    assert case.baseline is not None
    runs, completed = len(case.baseline.runs), len(case.baseline.completed)
    if runs == completed:
        return ""
    return f" ({runs - completed} of the baseline's {runs} trainings did not reach their end)"


def _beside(rule: Rule, case: Case) -> str:
    wanted = "above" if case.maximize else "below"
    return wanted if rule.kind == "better" else f"{wanted} or at"


def _more(
    case: Case, found: Measured, estimate: Estimate, threshold: float
) -> tuple[int | None, int | None]:
    """Return about how many more tasks, or else trainings of each, would decide.

    The limits are taken to stay as many standard errors away as they are now.
    """
    if estimate.stderr == 0.0:
        return None, None
    tasks, seeds = len(case.candidate.by_task), len(case.candidate.completed)
    distance = (estimate.high - estimate.value) / estimate.stderr
    needed = ((found.value - threshold) / distance) ** 2
    of_tasks, of_seeds = found.tasks.value, sum(part.value for part in found.seeds)
    if needed > of_seeds:
        total = math.ceil(tasks * of_tasks / (needed - of_seeds))
        return (max(1, total - tasks), None) if total <= MOST_TASKS else (None, None)
    if needed > of_tasks:
        total = math.ceil(seeds * of_seeds / (needed - of_tasks))
        return (None, max(1, total - seeds)) if total <= MOST_SEEDS else (None, None)
    return None, None
