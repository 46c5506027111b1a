"""Previews: what the dispatcher would do with a spec.  Pure functions."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal, NamedTuple

from metaopt.algorithms.registry import parameters
from metaopt.metaparams import Value
from metaopt.search.space import Choice, Dimension, Int, count
from service.db.roles import TrialRole
from service.db.segments import Pace
from service.planning.branch_shares import first_budgets
from service.planning.door import NOT_MEASURED, Measured, evaluation_costs
from service.planning.fidelity import trained_params
from service.planning.plan import Plan
from service.planning.rungs import expected_iterations, kept_share
from service.planning.signatures import trial_signature
from service.planning.warnings import warnings
from service.wire.spec.compare import trained
from service.wire.spec.samplers import dimensions
from service.wire.spec.space import Branch
from service.wire.spec.study import StudySpec
from service.wire.views.preview import BranchPlan, DimensionView, ExpectedCost, Preview
from service.wire.words.lanes import lane_by_lane

MOST_STRUCTURES = 512
NO_SEGMENTS = "no study with such programs has run here yet"
NOT_PROVED = "that is found when a worker first trains it"
TOO_MANY = f"the space has more than {MOST_STRUCTURES} programs"


class Share(NamedTuple):
    """The lane-meta-iterations that a branch would train, and the programs it would do it with."""

    meta_iterations: float
    signatures: frozenset[str] | None


def preview(
    spec: StudySpec,
    paces: Mapping[str, Pace],
    measured: Mapping[str, Measured] = NOT_MEASURED,
) -> Preview:
    """What a study would do.

    Args:
        spec: Its warm start resolved.
        paces: What earlier segments took, by signature.
        measured: What earlier evaluations took, by branch.
    """
    searched = Plan.of(spec)[TrialRole.SEARCH]
    rungs = list(searched.rungs)
    kept = kept_share(spec)
    compared = len(trained(spec.verdict.compared()))
    judged = min(spec.verdict.judged(len(spec.branches)), spec.points())
    finalists = (judged + compared) * spec.verdict.seeds
    plans = [_branch_plan(spec, position, paces) for position in range(len(spec.branches))]
    full = rungs[-1]
    # Replicas and finalists are taken to come from the branches as their trials do.
    replicas = [plan.trials * spec.search.replicates / spec.points() for plan in plans]
    search = _shares(spec, [plan.trials for plan in plans], kept) + _shares(
        spec, replicas, survival=1.0
    )

    def on_top(trainings: int) -> ExpectedCost:
        part = trainings / spec.points()
        shares = _shares(spec, [plan.trials * part for plan in plans], survival=1.0)
        return _cost(trainings, full, shares, paces, None)

    evaluation = max(evaluation_costs(spec, measured).values())
    return Preview(
        branches=plans,
        warnings=[*warnings(spec), *_slow(spec, plans)],
        rungs=rungs,
        bank_tasks=[searched.tasks_at(rung) for rung in rungs],
        keep=spec.evaluation.keep,
        first_order_until=spec.pruning.first_order_until,
        search=_cost(spec.budget.trials, full, search, paces, spec.budget.total_meta_iterations),
        verdict=on_top(finalists),
        gates=on_top(gated) if (gated := _gated(spec)) else None,
        replicas_at_most=spec.search.replicates,
        lane_bytes=spec.lane_bytes(),
        evaluation_seconds=evaluation.seconds,
        evaluation_seconds_from=evaluation.ground,
    )


def _gated(spec: StudySpec) -> int:
    """How many trainings the gates compare: the incumbent is taken to cost as much."""
    gates = spec.gates
    if not gates.rules:
        return 0
    return gates.seeds * (1 if gates.incumbent is None else 2)


def _shares(spec: StudySpec, trials: Sequence[float], survival: float) -> list[Share]:
    """What so many trials of each branch train: before and after programs change."""
    rungs, until = spec.rungs(), spec.pruning.first_order_until or 0
    before = expected_iterations(0, rungs, survival, until=until)
    after = expected_iterations(0, rungs, survival) - before
    return [
        Share(count * iterations, signatures(spec, branch, begin))
        for count, branch in zip(trials, spec.branches, strict=True)
        for begin, iterations in ((0, before), (until, after))
        if iterations
    ]


def signatures(spec: StudySpec, branch: Branch, meta_iteration: int = 0) -> frozenset[str] | None:
    """The signatures that trials of `branch` may have; None if they are too many to list.

    Args:
        meta_iteration: From which they train on.
    """
    declared = parameters(branch.algorithm)
    searched = dimensions(branch)
    # In second order, a program also depends on the inner steps (`step_bucket`).
    structural = [n for n in searched if n == "inner_steps" or not declared[n].lane]
    if math.prod(count(searched[name]) for name in structural) > MOST_STRUCTURES:
        return None
    fixed = {**{name: p.default for name, p in declared.items()}, **branch.fixed()}
    values = product(*(_values(searched[name]) for name in structural))
    structures = (dict(zip(structural, some, strict=True)) for some in values)
    trained = (
        trained_params(spec, {**fixed, **structure}, meta_iteration) for structure in structures
    )
    return frozenset(trial_signature(spec, branch, params).digest() for params in trained)


def _branch_plan(spec: StudySpec, position: int, paces: Mapping[str, Pace]) -> BranchPlan:
    branch = spec.branches[position]
    one_by_one, ground = _lane_by_lane(spec, branch, paces)
    return BranchPlan(
        algorithm=branch.algorithm,
        branch=branch.name,
        model=None if branch.model is None else branch.model.model_dump(mode="json"),
        trials=first_budgets(spec)[position],
        device_seconds=branch.device_seconds,
        searched=[_shown(name, entry) for name, entry in dimensions(branch).items()],
        fixed=branch.fixed(),
        warm_start=[entry for entry in spec.warm_start.trials if entry.branch == branch.name],
        lane_by_lane=one_by_one,
        lane_by_lane_from=ground,
    )


def _lane_by_lane(
    spec: StudySpec, branch: Branch, paces: Mapping[str, Pace]
) -> tuple[bool | None, str]:
    """Whether a branch's lanes are trained one after the other, and why or how that is known."""
    if not spec.model_of(branch).record.is_proved:
        return False, "such models take all lanes at once"
    programs = signatures(spec, branch)
    if programs is None:
        return None, TOO_MANY
    told = [paces[one].lane_by_lane for one in sorted(programs) if one in paces]
    why = next(filter(None, told), None)
    if why is not None:
        return True, why
    return (False, "it was mapped when it was trained here") if "" in told else (None, NOT_PROVED)


def _slow(spec: StudySpec, plans: Sequence[BranchPlan]) -> list[str]:
    """A sentence for each model that is known to be computed lane by lane."""
    found = [
        lane_by_lane(spec.model_of(branch).model_dump(mode="json"), plan.lane_by_lane_from)
        for branch, plan in zip(spec.branches, plans, strict=True)
        if plan.lane_by_lane
    ]
    return list(dict.fromkeys(found))


def _shown(name: str, dimension: Dimension) -> DimensionView:
    if isinstance(dimension, Choice):
        return DimensionView(name=name, kind="choice", choices=list(dimension.choices))
    kind: Literal["int", "float"] = "int" if isinstance(dimension, Int) else "float"
    low, high, log = dimension.low, dimension.high, dimension.log
    return DimensionView(name=name, kind=kind, low=low, high=high, log=log)


def _cost(
    trials: int,
    full: int,
    shares: list[Share],
    paces: Mapping[str, Pace],
    most: int | None,
) -> ExpectedCost:
    at_most = trials * full
    expected = sum(share.meta_iterations for share in shares)
    capped = at_most if most is None else min(at_most, most)
    seconds, ground = _seconds(shares, paces)
    if seconds is not None and expected > capped:
        seconds *= capped / expected
    return ExpectedCost(
        trials=trials,
        meta_iterations_at_most=capped,
        meta_iterations_expected=round(min(expected, capped)),
        device_seconds=seconds,
        device_seconds_from=ground,
    )


def _seconds(shares: list[Share], paces: Mapping[str, Pace]) -> tuple[float | None, str]:
    seconds, segments = 0.0, 0
    for share in shares:
        if share.meta_iterations == 0:
            continue
        if share.signatures is None:
            return None, TOO_MANY
        measured = [paces[signature] for signature in share.signatures if signature in paces]
        trained = sum(pace.lane_iterations for pace in measured)
        if not trained:
            return None, NO_SEGMENTS
        seconds += share.meta_iterations * sum(pace.seconds for pace in measured) / trained
        segments += sum(pace.segments for pace in measured)
    return seconds, f"{segments} segments of earlier studies with the same programs"


def _values(dimension: Dimension) -> list[Value]:
    match dimension:
        case Choice(choices):
            return list(choices)
        case Int(low, high):
            return list(range(low, high + 1))
        case _:
            raise AssertionError("a structural parameter that is a fraction has no values to list")
