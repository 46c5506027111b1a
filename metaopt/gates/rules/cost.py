"""`cost:METRIC<=BOUND`: the candidate costs no more, with `1.1x` than 1.1 times the baseline.

A cost that follows from the configuration is exact: one training shows it, and more tasks show no
more.  Measured milliseconds have the limits of a mean over trainings.
"""

import re
import statistics
from typing import NamedTuple

from metaopt.costs.registry import COSTS
from metaopt.errors import InvalidGate
from metaopt.estimation.intervals import Bounds, Error, Interval, error_of_trainings
from metaopt.gates.arguments import after_colon, number
from metaopt.gates.evidence import Evidence, Trainings
from metaopt.gates.rule import GateRule, RuleAnswer
from metaopt.gates.threshold import side

ROUNDING = 1e-12
NOT_NEGATIVE = Bounds(low=0.0)

_FORM = re.compile(r"(?P<metric>[a-z_]+)<=(?P<bound>[^x]+)(?P<times>x?)")


class CostBound(NamedTuple):
    """The most that a metric may be; `relative` bounds are multiples of the baseline's."""

    metric: str
    bound: float
    relative: bool


def _read(text: str) -> CostBound:
    costs = [cost.name for cost in COSTS.kinds() if cost.gate]
    match = _FORM.fullmatch(after_colon(text).replace(" ", ""))
    if match is None or match["metric"] not in costs:
        raise InvalidGate(
            f"a cost gate must be cost:METRIC<=BOUND with METRIC one of {', '.join(costs)}, as "
            f"cost:{costs[0]}<=50 or cost:{costs[1]}<=1.2x (times the baseline's), got {text!r}"
        )
    return CostBound(
        match["metric"], number(text, match["bound"], least=0.0), relative=bool(match["times"])
    )


def _answer(cost: CostBound, evidence: Evidence) -> RuleAnswer:
    candidate, baseline = evidence.candidate, evidence.baseline if cost.relative else None
    trainings = [candidate] if baseline is None else [candidate, baseline]
    if not COSTS.get(cost.metric).exact and any(each.seeds < 2 for each in trainings):
        why = f"{cost.metric} of one training says nothing of its noise"
        return RuleAnswer("undecided", why)
    if baseline is not None:
        return _beside_baseline(cost, evidence, baseline)
    value, error = _mean(candidate, cost.metric)
    return _bounded(cost, evidence, evidence.interval(value, [error], NOT_NEGATIVE))


def _beside_baseline(cost: CostBound, evidence: Evidence, baseline: Trainings) -> RuleAnswer:
    """The ratio r of both means; its limits are those of c − B·b, in units of the baseline's b."""
    value, error = _mean(evidence.candidate, cost.metric)
    unit, unit_error = _mean(baseline, cost.metric)
    if unit <= 0.0:
        return RuleAnswer("undecided", f"the baseline's {cost.metric} is {unit:g}")
    scaled = unit_error.times(cost.bound)
    contrast = evidence.interval(value - cost.bound * unit, [error, scaled])
    ratio = Interval(
        value=value / unit,
        stderr=contrast.stderr / unit,
        low=max(0.0, cost.bound + contrast.low / unit),
        high=cost.bound + contrast.high / unit,
    )
    return _bounded(cost, evidence, ratio)


def _bounded(cost: CostBound, evidence: Evidence, estimate: Interval) -> RuleAnswer:
    number = evidence.figures.number
    limits = f" [{number(estimate.low)}, {number(estimate.high)}]" if estimate.stderr > 0.0 else ""
    unit = " times the baseline's" if cost.relative else ""
    why = f"{cost.metric} {number(estimate.value)}{limits}{unit}, to be {cost.bound:g} or less"
    answer = side(estimate, cost.bound * (1 + ROUNDING))
    return RuleAnswer(answer, why, estimate, cost.bound)


def _mean(trainings: Trainings, metric: str) -> tuple[float, Error]:
    costs = trainings.costs(metric)
    return statistics.fmean(costs), error_of_trainings(costs)


KIND = GateRule(
    name="cost",
    form="cost:METRIC<=BOUND",
    answer=_answer,
    read=_read,
    compares=lambda cost: bool(cost.relative),
    costs=lambda cost: (cost.metric,),
    helped_by_tasks=False,
    place=4,
)
