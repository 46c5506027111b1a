"""Studies with known scores, run by the dispatcher's own decisions: which branch trains when."""

import random
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import pytest

from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.dispatcher.pruning import pauses
from service.dispatcher.pruning.decisions import judge_report
from service.dispatcher.scheduler.branch_budgets import reallot
from service.dispatcher.scheduler.budget import rebudget
from service.dispatcher.scheduler.placement import choose_work
from service.dispatcher.search import ask
from service.dispatcher.state import SlotState, StudyState, TrialState
from service.executors.base import LaneReport, SegmentReport
from service.planning.branch_shares import first_budgets, floors, moves
from service.planning.rungs import next_rung
from service.wire.spec.budget import Budget
from tests.fakes import states
from tests.fakes.specs import SMALL

TRIALS = 48
Scores = Callable[[TrialState, int], float]
HALVING = {"kind": "successive_halving", "rungs": [20, 60]}


def world(maml: float, reptile: float) -> Scores:
    """Return errors around a level for each algorithm, lower where trained for longer."""
    levels = {"maml": maml, "reptile": reptile}

    def score(trial: TrialState, rung: int) -> float:
        rng = random.Random(trial.seed)
        return levels[trial.group.branch] * (1 + 0.1 * rng.random()) * (2 - rung / 180)

    return score


def study_of(**changes: Any) -> StudyState:
    return states.study(**{"budget": {"trials": TRIALS, "meta_iterations": 180}, **changes})


def run(study: StudyState, slots: int, scores: Scores) -> Iterator[list[SlotState]]:
    """Let `slots` slots train the study, a segment each in turn; yield after each fill."""
    all_slots = [states.slot(f"cpu:{index}") for index in range(slots)]
    for _ in range(2000):
        idle = 0
        for slot in all_slots:
            _fill(study, slot, slots)
            idle += not slot.lanes
        yield all_slots
        for trial in pauses.never_promotable(study):  # as settling does
            states.move(study, trial, TrialStatus.PRUNED)
        if idle == slots:
            assert study.search_ended()
            return
        for slot in all_slots:
            _report(study, slot, scores)
    raise AssertionError("the search does not end")


def _fill(study: StudyState, slot: SlotState, slots: int) -> None:
    work = choose_work([study], slot, slots=slots, lanes=16)
    if work is None:
        return
    new = [one.trial for one in ask.ask(study, work.branch, work.ask)] if work.branch else []
    study.add(new)
    group = work.group or new[0].group
    slot.study_id, slot.group = study.study_id, group
    slot.lanes = [*work.keep, *work.admit, *(trial for trial in new if trial.group == group)]
    for trial in slot.lanes:
        states.move(study, trial, TrialStatus.RUNNING)


def _report(study: StudyState, slot: SlotState, scores: Scores) -> None:
    if not slot.lanes:
        return
    rungs = study.plan[TrialRole.SEARCH].rungs
    ahead = min(next_rung(t.meta_iteration, rungs) - t.meta_iteration for t in slot.lanes)
    lanes = [_lane(trial, trial.meta_iteration + ahead, rungs, scores) for trial in slot.lanes]
    report = SegmentReport(lanes, 1.0, 1.0, 0.0, 1, "CPU")
    for one in judge_report(study, slot.lanes, report, ahead):
        trial = one.trial
        trial.meta_iteration, trial.status = one.lane.meta_iteration, one.status
        if one.scored is not None:
            trial.loss = one.loss
            study.add_loss(one.place, one.scored, one.metrics)
        study.moved(trial)
    slot.lanes = [trial for trial in slot.lanes if trial.status == TrialStatus.RUNNING]
    reallot(study)


def _lane(trial: TrialState, age: int, rungs: list[int], scores: Scores) -> LaneReport:
    if age not in rungs:
        return LaneReport(trial.trial_id, age)
    score = scores(trial, age)
    vector = [score * (1 + 0.1 * side) for side in (-1, 1) * 10]
    return LaneReport(trial.trial_id, age, scores=vector, diverged_share=0.0, curve=[0.0])


def asks_of(study: StudyState) -> dict[str, int]:
    return {name: branch.search.asks for name, branch in study.branches.items()}


def turns_of(study: StudyState, scores: Scores) -> list[str]:
    """Return which branch has the one slot, turn by turn."""
    seen = [slots[0].lanes[0].group.branch for slots in run(study, 1, scores) if slots[0].lanes]
    return [name for name, _ in groupby(seen)]


@pytest.mark.parametrize("pruning", [SMALL["pruning"], HALVING, {**HALVING, "kind": "asha"}])
@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("slots", [1, 2, 5])
def test_the_budget_moves_to_the_better_branch(
    slots: int, sampler: str, pruning: dict[str, Any]
) -> None:
    study = study_of(search={"sampler": sampler}, pruning=pruning)
    list(run(study, slots, world(maml=2.0, reptile=1.0)))
    asks = asks_of(study)
    assert sum(asks.values()) == TRIALS
    assert asks["maml"] >= TRIALS / 4
    assert asks["reptile"] >= (30 if slots < 3 else 26)  # more of it is asked for at once
    assert len(study.trials) == TRIALS and max(study.trials) >= TRIALS  # numbers have gaps


def test_on_one_slot_the_branches_alternate_and_then_the_better_one_has_it() -> None:
    turns = turns_of(study_of(), world(maml=2.0, reptile=1.0))
    assert turns == ["maml", "reptile"] * (len(turns) // 2) and len(turns) >= 4


@pytest.mark.parametrize("slots", [1, 2])
def test_equal_branches_share_evenly(slots: int) -> None:
    study = study_of()
    list(run(study, slots, world(maml=1.0, reptile=1.0)))
    assert asks_of(study) == {"maml": 24, "reptile": 24}
    assert sorted(study.trials) == list(range(TRIALS))


def test_a_search_that_ends_long_before_its_trials_has_seen_every_branch() -> None:
    study = study_of(budget={"trials": 2000, "meta_iterations": 180})
    segments = zip(range(40), run(study, 1, world(maml=2.0, reptile=1.0)), strict=False)
    asked = [asks_of(study) for _ in segments]
    assert asked[0] == {"maml": 10, "reptile": 0}
    assert next(asks for asks in asked if asks["reptile"])["maml"] == 10
    assert asked[-1]["maml"] >= 40 and asked[-1]["reptile"] >= 20


def test_a_turn_fills_the_slot() -> None:
    study = study_of()
    first = [len(slots[0].lanes) for slots in run(study, 1, world(maml=1.0, reptile=1.0))]
    assert first[0] >= 10


@pytest.mark.parametrize("slots", [2, 3, 4])
def test_no_slot_idles_while_something_is_left_to_ask_for(slots: int) -> None:
    study = study_of(search={"sampler": "random"}, pruning=HALVING)
    for all_slots in run(study, slots, world(maml=2.0, reptile=1.0)):
        if any(branch.remaining > 0 for branch in study.branches.values()):
            assert all(slot.lanes for slot in all_slots)


@pytest.mark.parametrize("slots", [1, 2])
def test_shares_fix_what_each_branch_has(slots: int) -> None:
    maml, reptile = SMALL["branches"]
    study = study_of(branches=[{**maml, "share": 3}, reptile])
    assert not moves(study.spec)
    list(run(study, slots, world(maml=2.0, reptile=1.0)))
    assert asks_of(study) == {"maml": 36, "reptile": 12}


@pytest.mark.parametrize("slots", [1, 2])
def test_even_moves_nothing(slots: int) -> None:
    study = study_of(search={"sampler": "random", "allocation": "even"})
    list(run(study, slots, world(maml=2.0, reptile=1.0)))
    assert asks_of(study) == {"maml": 24, "reptile": 24}


def test_a_floor_is_kept_and_warm_trials_are_part_of_it() -> None:
    study = study_of(search={"sampler": "random", "floor": 0.75})
    list(run(study, 1, world(maml=2.0, reptile=1.0)))
    assert asks_of(study) == {"maml": 18, "reptile": 30}
    point = {"inner_lr": 0.01, "outer_lr": 0.002}
    warm = {"trials": [{"branch": "maml", "params": point}] * 20}
    assert floors(study_of(warm_start=warm).spec) == [20, 12]


def test_a_changed_budget_keeps_what_was_moved() -> None:
    study = study_of()
    list(run(study, 1, world(maml=2.0, reptile=1.0)))
    assert asks_of(study) == {"maml": 12, "reptile": 36}
    rebudget(study, Budget(trials=64, meta_iterations=180))
    assert {name: branch.budget for name, branch in study.branches.items()} == {
        "maml": 16,
        "reptile": 48,
    }
    rebudget(study, Budget(trials=40, meta_iterations=180))
    assert all(branch.remaining == 0 for branch in study.branches.values())


def test_the_first_budgets_are_even_or_as_the_shares_say() -> None:
    maml, reptile = SMALL["branches"]
    assert first_budgets(study_of().spec) == [24, 24]
    shared = study_of(branches=[{**maml, "share": 0.5}, {**reptile, "share": 1.5}])
    assert first_budgets(shared.spec) == [12, 36]


def test_a_study_too_small_to_compare_shares_evenly() -> None:
    assert moves(study_of().spec)
    assert not moves(states.study().spec)
