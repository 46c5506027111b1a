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

The standard error holds the noise of tasks and that of training (`service.dispatcher.contenders`),
for a difference pooled over both, which with as many trainings of each is the sum of both whether
they are alike or not.  A mean has the noise of its own trainings, or the pooled one if that is
larger: a candidate may be noisier than what it is compared with.  More tasks reduce the noise of
tasks only.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import betaincinv

from service.dispatcher.contenders import (
    Contender,
    Measured,
    SealedRun,
    SquaredError,
    Tails,
    contender,
    difference_of,
    estimate_of,
    mean_of,
    seed_noise,
    task_error,
    with_pooled_noise,
)
from service.wire import words
from service.wire.gate_report import Answer, GateAnswer
from service.wire.gates import Rule
from service.wire.judged import Estimate

ALPHA = 0.05
MOST_TASKS = 1_000_000  # more than that is no advice
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


def pooled(
    candidate: Sequence[SealedRun], baseline: Sequence[SealedRun] | None
) -> tuple[Contender, Contender | None]:
    """Return both with the noise of their trainings."""
    if baseline is None:
        (one,) = with_pooled_noise([contender(candidate)])
        return one, None
    one, other = with_pooled_noise([contender(candidate), contender(baseline)])
    return one, other


def own_noise(one: Contender) -> Contender:
    """Return a contender with the noise of its own trainings, whatever stands beside it."""
    return one._replace(noise=seed_noise([one]))


def judge(case: Case, rules: Sequence[Rule]) -> list[GateAnswer]:
    """Return the answer to each rule."""
    return [_answer(case, rule) for rule in rules]


def passes(answers: Sequence[GateAnswer], undecided: str) -> bool:
    """Return whether all pass, with what is undecided counted as `undecided` says."""
    allowed = {"pass", "undecided"} if undecided == "pass" else {"pass"}
    return all(one.answer in allowed for one in answers)


def _answer(case: Case, rule: Rule) -> GateAnswer:
    if rule.kind == "divergence":
        return _divergence(case, rule)
    trouble = _trouble(case, rule)
    if trouble is not None:
        return trouble
    if rule.compares and case.baseline is None:
        return _say(rule, "pass", "there is no such baseline yet: nothing to compare with")
    if rule.kind == "cost":
        return _cost(case, rule)
    if rule.kind == "at-least":
        return _score(case, rule, mean_of(_cautious(case.candidate)), rule.bound)
    assert case.baseline is not None
    margin = -rule.bound if case.maximize else rule.bound
    return _score(case, rule, difference_of(case.candidate, case.baseline), margin)


def _cautious(one: Contender) -> Contender:
    alone = own_noise(one)
    return alone if alone.noise.variance > one.noise.variance else one


def _trouble(case: Case, rule: Rule) -> GateAnswer | None:
    """Return the answer where trainings did not reach their end."""
    ended = [run.status for run in case.candidate.runs]
    for status, answer in (("diverged", "fail"), ("failed", "undecided")):
        if count := ended.count(status):
            why = f"{count} of {len(ended)} fresh trainings of the candidate {status}"
            return _say(rule, "fail" if answer == "fail" else "undecided", why)
    if rule.compares and case.baseline is not None and not case.baseline.completed:
        return _say(rule, "undecided", "no fresh training of the baseline reached its end")
    return None


def _score(case: Case, rule: Rule, found: Measured, threshold: float) -> GateAnswer:
    estimate = found.estimate(Tails(case.chance, case.chance))
    answer = _side(estimate, threshold, above=case.maximize, strictly=rule.kind == "better")
    shown = words.score if rule.kind == "at-least" else words.difference
    said = "mean score" if rule.kind == "at-least" else "candidate minus baseline"
    limits = words.interval(estimate.low, estimate.high, case.metric)
    why = f"{said} {shown(estimate.value, case.metric)} {limits}"
    why += f", to be {_beside(rule, case)} {shown(threshold, case.metric)}"
    more = _more(case, found, estimate, threshold) if answer == "undecided" else (None, None)
    return _say(rule, answer, why, estimate, threshold, more)


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


def _cost(case: Case, rule: Rule) -> GateAnswer:
    assert rule.metric is not None
    mine, error = _mean_cost(case.candidate, rule.metric)
    tails = Tails(case.chance, case.chance)
    if not rule.relative:
        estimate = estimate_of(mine, [error], tails)
        return _cost_answer(rule, estimate, rule.bound, "")
    assert case.baseline is not None
    theirs, their_error = _mean_cost(case.baseline, rule.metric)
    if theirs <= 0.0:
        return _say(rule, "undecided", f"the baseline's {rule.metric} is {theirs:g}")
    scaled = SquaredError(their_error.value * rule.bound**2, their_error.degrees)
    contrast = estimate_of(mine - rule.bound * theirs, [error, scaled], tails)
    ratio = Estimate(
        value=mine / theirs,
        stderr=contrast.stderr / theirs,
        low=rule.bound + contrast.low / theirs,
        high=rule.bound + contrast.high / theirs,
    )
    return _cost_answer(rule, ratio, rule.bound, " times the baseline's")


def _cost_answer(rule: Rule, estimate: Estimate, bound: float, unit: str) -> GateAnswer:
    answer = _side(estimate, bound, above=False)
    limits = f" [{words.number(estimate.low)}, {words.number(estimate.high)}]"
    found = words.number(estimate.value) + (limits if estimate.low < estimate.high else "")
    why = f"{rule.metric} {found}{unit}, to be {bound:g} or less"
    return _say(rule, answer, why, estimate, bound)


def _mean_cost(one: Contender, metric: str) -> tuple[float, SquaredError]:
    costs = [run.metrics[metric] for run in one.completed]
    return statistics.fmean(costs), task_error(costs)


def _divergence(case: Case, rule: Rule) -> GateAnswer:
    runs = case.candidate.runs
    if any(run.status == "failed" for run in runs):
        return _say(rule, "undecided", "a fresh training of the candidate failed")
    share = statistics.fmean(
        run.diverged_share if run.status == "completed" else 1.0 for run in runs
    )
    tasks = max((len(run.scores) for run in runs), default=0)
    estimate = _share(share, tasks, case.chance)
    answer = _side(estimate, rule.bound, above=False)
    why = (
        f"diverges on {words.share(share)} of tasks, at most {words.share(estimate.high)}, to be "
        f"{100 * rule.bound:g} % or less"
    )
    more = _more_for_share(share, tasks, rule.bound, case.chance) if answer == "undecided" else None
    return _say(rule, answer, why, estimate, rule.bound, (more, None))


def _share(share: float, tasks: int, chance: float) -> Estimate:
    """Return a share of tasks with exact limits; seeds meet the same tasks, so they add nothing."""
    if tasks == 0:
        return Estimate(value=share, stderr=0.0, low=share, high=share)
    hits = math.ceil(share * tasks - 1e-9)
    low = float(betaincinv(hits, tasks - hits + 1, chance)) if hits else 0.0
    high = float(betaincinv(hits + 1, tasks - hits, 1 - chance)) if hits < tasks else 1.0
    stderr = math.sqrt(share * (1 - share) / tasks)
    return Estimate(value=share, stderr=stderr, low=low, high=high)


def _more_for_share(share: float, tasks: int, bound: float, chance: float) -> int | None:
    total = tasks
    while 0 < total <= MOST_TASKS:
        total *= 2
        found = _share(share, total, chance)
        if found.high <= bound or found.low > bound:
            return total - tasks
    return None


def _side(estimate: Estimate, threshold: float, *, above: bool, strictly: bool = False) -> Answer:
    """Return on which side of the threshold the truth lies, the right one being `above` or not."""
    worst, best, bound = estimate.low, estimate.high, threshold
    if not above:
        worst, best, bound = -estimate.high, -estimate.low, -threshold
    if worst > bound or (worst == bound and not strictly):
        return "pass"
    return "fail" if best < bound else "undecided"


def _say(
    rule: Rule,
    answer: Answer,
    why: str,
    estimate: Estimate | None = None,
    threshold: float | None = None,
    more: tuple[int | None, int | None] = (None, None),
) -> GateAnswer:
    return GateAnswer(
        rule=rule.text,
        answer=answer,
        why=why,
        estimate=estimate,
        threshold=threshold,
        more_tasks=more[0],
        more_seeds=more[1],
    )
