"""Gates on what a candidate costs, and on how often it diverges; pure functions.

A cost that follows from the configuration is exact: one training shows it.  Measured milliseconds
have the limits of a mean over trainings.  A share of tasks has exact binomial limits, of Clopper
and Pearson; it is that of these trainings, for what another one would do on the same tasks, tasks
cannot tell.
"""

import math
import statistics
from collections.abc import Sequence

from scipy.special import betaincinv

from service.judgement.estimates import (
    Contender,
    SealedRun,
    SquaredError,
    Tails,
    estimate_of,
    task_error,
)
from service.judgement.gate_answers import say, side
from service.wire.spec.gates import MEASURED_COST, Rule
from service.wire.views.gate_report import GateAnswer
from service.wire.views.judged import Estimate
from service.wire.words import numbers

MOST_TASKS = 1_000_000  # more than that is no advice
ROUNDING = 1e-12


def answer_cost(
    rule: Rule, candidate: Contender, baseline: Contender | None, chance: float
) -> GateAnswer:
    """Return the answer to `cost:METRIC<=BOUND`.

    Args:
        rule: Which.
        candidate, baseline: All trainings of the first have reached their end, some of the second.
        chance: ε of this look.
    """
    assert rule.metric is not None
    compared = [candidate, baseline] if rule.relative and baseline is not None else [candidate]
    if rule.metric == MEASURED_COST and any(len(one.completed) < 2 for one in compared):
        return say(rule, "undecided", f"{rule.metric} of one training says nothing of its noise")
    mine, error = _mean_cost(candidate, rule.metric)
    tails = Tails(chance, chance)
    if not rule.relative:
        return _answer(rule, estimate_of(mine, [error], tails), "")
    assert baseline is not None
    theirs, their_error = _mean_cost(baseline, rule.metric)
    if theirs <= 0.0:
        return say(rule, "undecided", f"the baseline's {rule.metric} is {theirs:g}")
    scaled = SquaredError(their_error.value * rule.bound**2, their_error.degrees)
    contrast = estimate_of(mine - rule.bound * theirs, [error, scaled], tails)
    ratio = Estimate(
        value=mine / theirs,
        stderr=contrast.stderr / theirs,
        low=rule.bound + contrast.low / theirs,
        high=rule.bound + contrast.high / theirs,
    )
    return _answer(rule, ratio, " times the baseline's")


def answer_divergence(rule: Rule, runs: Sequence[SealedRun], chance: float) -> GateAnswer:
    """Return the answer to `divergence:SHARE`; a training that diverged did so on every task."""
    if any(run.status == "failed" for run in runs):
        return say(rule, "undecided", "a fresh training of the candidate failed")
    share = diverged_share(runs)
    tasks = max((len(run.scores) for run in runs), default=0)
    estimate = _share(share, tasks, chance)
    answer = side(estimate, rule.bound, above=False)
    why = (
        f"diverges on {numbers.share(share)} of tasks, at most {numbers.share(estimate.high)}, "
        f"to be {100 * rule.bound:g} % or less"
    )
    more = _more_tasks(share, tasks, rule.bound, chance) if answer == "undecided" else None
    return say(rule, answer, why, estimate, rule.bound, (more, None))


def diverged_share(runs: Sequence[SealedRun]) -> float:
    """Return on what share of tasks fresh trainings diverge, on average; 0 of none."""
    shares = [run.diverged_share if run.status == "completed" else 1.0 for run in runs]
    return statistics.fmean(shares) if shares else 0.0


def _answer(rule: Rule, estimate: Estimate, unit: str) -> GateAnswer:
    answer = side(estimate, rule.bound * (1 + ROUNDING), above=False)
    limits = f" [{numbers.number(estimate.low)}, {numbers.number(estimate.high)}]"
    found = numbers.number(estimate.value) + (limits if estimate.stderr > 0.0 else "")
    why = f"{rule.metric} {found}{unit}, to be {rule.bound:g} or less"
    return say(rule, answer, why, estimate, rule.bound)


def _mean_cost(one: Contender, metric: str) -> tuple[float, SquaredError]:
    costs = [run.metrics[metric] for run in one.completed]
    return statistics.fmean(costs), task_error(costs)


def _share(share: float, tasks: int, chance: float) -> Estimate:
    """Return a share of tasks with its limits; seeds meet the same tasks, so they add nothing.

    A mean over trainings need be no whole number of tasks: each limit rounds to its own side.
    """
    if tasks == 0:
        return Estimate(value=share, stderr=0.0, low=share, high=share)
    fewest, most = math.floor(share * tasks + 1e-9), math.ceil(share * tasks - 1e-9)
    low = float(betaincinv(fewest, tasks - fewest + 1, chance)) if fewest else 0.0
    high = float(betaincinv(most + 1, tasks - most, 1 - chance)) if most < tasks else 1.0
    stderr = math.sqrt(share * (1 - share) / tasks)
    return Estimate(value=share, stderr=stderr, low=low, high=high)


def _more_tasks(share: float, tasks: int, bound: float, chance: float) -> int | None:
    total = tasks
    while 0 < total <= MOST_TASKS:
        total *= 2
        found = _share(share, total, chance)
        if found.high <= bound or found.low > bound:
            return total - tasks
    return None
