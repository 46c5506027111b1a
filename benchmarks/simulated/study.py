"""A study without training: the service's decisions, and scores from a table.

Asking, pruning, promotion and which trials a slot takes next are the service's own functions; a
trial gets the scores of the grid point nearest to it, of the training that its seed picks.
"""

import itertools
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from benchmarks.simulated.table import Table
from metaopt.search.pruning.rule import Options
from service.db.states import StudyStatus, TrialStatus
from service.dispatcher.pruning.decisions import LaneOutcome, judge_report
from service.dispatcher.scheduler.branch_budgets import reallot
from service.dispatcher.scheduler.placement import choose_work
from service.dispatcher.search import ask
from service.dispatcher.selection import fresh_trials, replicas
from service.dispatcher.state import SlotState, StudyState, TrialState
from service.dispatcher.store.restore import branch_states
from service.executors.base import LaneReport, SegmentReport, Slot
from service.planning.plan import Plan
from service.planning.rungs import expected_iterations, next_rung
from service.wire.spec.study import StudySpec

LANES, SLOTS = 8, 2
MOST_TRIALS = 2000

Json = dict[str, Any]


def study_spec(table: Table, seed: int, *, search: Json, pruning: Json, most: int) -> StudySpec:
    """Return a study on a table, with as many trials as `most` meta-iterations allow about."""
    branches = []
    for algorithm, branch in table.spec["branches"].items():
        space: Json = dict(branch["fixed"])
        for name, values in branch["grid"].items():
            is_log = isinstance(values[0], float)
            space[name] = (
                {"choices": values}
                if isinstance(values[0], str)
                else {"low": min(values), "high": max(values), "log": is_log}
            )
        branches.append({"algorithm": algorithm, "space": space})
    spec = StudySpec.model_validate(
        {
            "name": "simulated",
            "seed": seed,
            "tasks": table.spec["tasks"],
            "model": table.spec["model"],
            "branches": branches,
            "search": search,
            "pruning": pruning,
            "budget": {"trials": MOST_TRIALS, "meta_iterations": table.rungs[-1]},
            "evaluation": table.spec["bank"],
        }
    )
    kept = spec.pruning.rule().kept_share(Options(reduction=spec.pruning.reduction))
    trials = round(most / expected_iterations(0, spec.rungs(), kept)) + spec.search.replicates
    budget = spec.budget.model_copy(update={"trials": trials, "total_meta_iterations": most})
    return spec.model_copy(update={"budget": budget})


def simulate(table: Table, spec: StudySpec, most: int) -> Iterator[tuple[int, float]]:
    """Yield (meta-iterations spent, regret) after each segment until `most` are spent.

    There are two slots; they take turns, a segment each.  Replicas are trained by the round, once
    there is only enough left for them.
    """
    reserve = spec.search.replicates * table.rungs[-1]
    study = StudyState(
        "s", Plan.of(spec), datetime.now(UTC), StudyStatus.RUNNING, branch_states(spec, {}, [])
    )
    slots = [SlotState(Slot(f"cpu:{i}", "cpu")) for i in range(SLOTS)]
    spent, best = 0, math.inf  # as the search sees it
    regret = math.inf
    for slot in itertools.cycle(slots):
        lanes = _lanes(study, slot, len(slots))
        if not lanes and not any(other.lanes for other in slots):
            break
        outcomes, cost = _segment(table, study, lanes) if lanes else ([], 0)
        spent += cost
        for one in outcomes:
            _apply(study, one)
            if one.status == TrialStatus.COMPLETED and one.loss is not None:
                if one.loss < best:
                    best, regret = one.loss, _regret(table, one.trial)
        reallot(study)
        slot.lanes = [trial for trial in lanes if trial.status == TrialStatus.RUNNING]
        slot.study_id = study.study_id
        yield spent, regret
        if spent >= most - reserve:
            break
    if reserve:
        yield from _replicate(table, study, spent, most)


def _replicate(
    table: Table, study: StudyState, spent: int, most: int
) -> Iterator[tuple[int, float]]:
    """Yield likewise after each round of replicas; the best trial is that by the mean."""
    full = table.rungs[-1]
    while again := replicas.next_replicas(study)[: max(0, most - spent) // full]:
        study.add(again)
        for trial in again:
            (one,), cost = _segment(table, study, [trial])
            spent += cost
            trial.status, trial.loss = one.status, one.loss
            trial.meta_iteration = one.lane.meta_iteration
            study.moved(trial)
        yield spent, _regret(table, study.trials[fresh_trials.candidates(study)[0]])


def _segment(
    table: Table, study: StudyState, lanes: list[TrialState]
) -> tuple[list[LaneOutcome], int]:
    """Return what became of the lanes, and how many meta-iterations they took."""
    rungs = study.plan_of(lanes[0]).rungs
    iterations = min(next_rung(t.meta_iteration, rungs) - t.meta_iteration for t in lanes)
    ages = [trial.meta_iteration for trial in lanes]
    reports = [_train(table, study, trial, iterations) for trial in lanes]
    report = SegmentReport(reports, 1.0, 1.0, 0.0, 1, "CPU")
    cost = sum(one.meta_iteration - age for one, age in zip(reports, ages, strict=True))
    return judge_report(study, lanes, report, iterations), cost


def _regret(table: Table, trial: TrialState) -> float:
    branch = trial.group.branch
    point = table.grids[branch].nearest(trial.params)
    return abs(table.truth(branch, point) - table.best)


def _lanes(study: StudyState, slot: SlotState, slots: int) -> list[TrialState]:
    work = choose_work([study], slot, slots=slots, lanes=LANES)
    if work is None:
        return []
    asked = [one.trial for one in ask.ask(study, work.branch, work.ask)] if work.branch else []
    study.add(asked)
    group = work.group or asked[0].group
    lanes = [*work.keep, *work.admit, *(trial for trial in asked if trial.group == group)]
    for trial in lanes:
        trial.status = TrialStatus.RUNNING
        study.moved(trial)
    return lanes


def _train(table: Table, study: StudyState, trial: TrialState, iterations: int) -> LaneReport:
    grid = table.grids[trial.group.branch]
    point, seed = grid.nearest(trial.params), trial.seed % len(grid.scores)
    age = trial.meta_iteration + iterations
    diverged_at = int(grid.diverged_at[seed, point])
    if 0 <= diverged_at <= age:
        return LaneReport(trial.trial_id, diverged_at, diverged_at=diverged_at, cause="table")
    if age not in study.plan_of(trial).rungs:
        return LaneReport(trial.trial_id, age)
    scores = grid.scores[seed, point, table.rungs.index(age)].astype(float).tolist()
    scores = scores[: study.plan_of(trial).tasks_at(age)]
    return LaneReport(trial.trial_id, age, scores=scores, diverged_share=0.0, curve=[0.0])


def _apply(study: StudyState, one: LaneOutcome) -> None:
    """Do in memory what the ledger does after its commit."""
    trial = one.trial
    trial.meta_iteration, trial.status = one.lane.meta_iteration, one.status
    if one.scored is not None:
        trial.loss = one.loss
        study.add_loss(one.place, one.scored, one.metrics)
    study.moved(trial)
    if one.status != TrialStatus.RUNNING:
        outcome = "paused" if one.status == TrialStatus.QUEUED else str(one.status)
        search = study.branches[trial.group.branch].search
        losses = study.losses_of(trial.group.branch, trial.trial_number)
        search.tell(trial.trial_number, outcome, one.loss, one.lane.meta_iteration, losses)
