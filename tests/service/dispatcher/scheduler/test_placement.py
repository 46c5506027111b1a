"""Which trials a free slot takes: pure decisions on states without a database."""

import pytest

from metaopt.plugins.described import Needed
from service.db.roles import TrialRole
from service.db.states import StudyStatus, TrialStatus
from service.dispatcher.scheduler.branch_budgets import trial_number
from service.dispatcher.scheduler.placement import Work, choose_work, lane_target
from service.dispatcher.state import Group, SlotState, StudyState, TrialState
from service.executors.base import Plugin
from service.planning.branch_shares import first_budgets
from tests.fakes import states
from tests.fakes.specs import SMALL

MAML_ONLY = {"branches": SMALL["branches"][:1]}
STRUCTURAL = [{"algorithm": "maml", "space": {"order": {"choices": ["first", "second"]}}}]


def choose(study: StudyState, slot: SlotState | None = None, slots: int = 2) -> Work:
    work = choose_work([study], slot or states.slot(), slots=slots, lanes=16)
    assert work is not None
    return work


def put_on(slot: SlotState, study: StudyState, trials: list[TrialState]) -> SlotState:
    slot.study_id, slot.lanes = study.study_id, list(trials)
    for trial in trials:
        states.move(study, trial, TrialStatus.RUNNING)
    return slot


@pytest.mark.parametrize("trials", [1, 2, 7, 24])
def test_branches_share_the_budget_in_turns(trials: int) -> None:
    study = states.study(budget={"trials": trials, "meta_iterations": 180})
    numbers = []
    for branch, budget in zip(study.branches.values(), first_budgets(study.spec), strict=True):
        numbers += [trial_number(branch, index, 2) for index in range(budget)]
    assert sorted(numbers) == list(range(trials))


def test_branches_take_slots_in_the_order_of_the_spec() -> None:
    study = states.study()
    first = choose(study)
    assert first.branch is study.branches["maml"]
    states.asked(study, "maml", first.ask)
    for trial in study.trials.values():
        states.move(study, trial, TrialStatus.RUNNING)
    assert choose(study).branch is study.branches["reptile"]


def test_one_branch_is_spread_over_all_slots() -> None:
    assert choose(states.study(**MAML_ONLY), slots=2).ask == 3
    assert choose(states.study(**MAML_ONLY), slots=4).ask == 2
    assert choose(states.study(**MAML_ONLY), slots=1).ask == 6


def test_two_branches_get_half_of_the_slots_each() -> None:
    assert choose(states.study(), slots=2).ask == 3
    assert choose(states.study(), slots=1).ask == 3


def test_a_group_that_ran_out_of_memory_gets_fewer_lanes() -> None:
    study = states.study(**MAML_ONLY)
    group = states.asked(study, "maml", 1)[0].group
    study.lane_limits[group] = 2
    assert lane_target(study, group, slots=1, lanes=16) == 2


def test_queued_trials_come_before_new_ones() -> None:
    study = states.study(**MAML_ONLY)
    waiting = states.asked(study, "maml", 2)
    work = choose(study)
    assert work.admit == waiting
    assert work.ask == 1


def test_a_slot_fills_up_with_trials_of_its_group() -> None:
    study = states.study(**MAML_ONLY)
    one, two = states.asked(study, "maml", 2)
    work = choose(study, put_on(states.slot(), study, [one]))
    assert (work.keep, work.admit, work.ask) == ([one], [two], 1)


def test_a_solo_trial_shares_with_nobody() -> None:
    study = states.study(**MAML_ONLY)
    one, two, three = states.asked(study, "maml", 3)
    one.solo = two.solo = True
    assert choose(study).admit == [one]
    kept = choose(study, put_on(states.slot(), study, [one]))
    assert (kept.keep, kept.admit, kept.ask) == ([one], [], 0)
    other = choose(study, put_on(states.slot("cpu:1"), study, [three]))
    assert two not in other.admit


def test_trials_of_other_structure_go_to_another_slot() -> None:
    study = states.study(branches=STRUCTURAL)
    trials = states.asked(study, "maml", 6)
    first = choose(study)
    assert {trial.params["order"] for trial in first.admit} == {trials[0].params["order"]}
    assert 0 < len(first.admit) < 6
    for trial in first.admit:
        states.move(study, trial, TrialStatus.RUNNING)
    second = choose(study)
    assert {trial.params["order"] for trial in second.admit} != {trials[0].params["order"]}


def test_a_branch_that_searches_structure_is_not_asked_while_its_trials_wait() -> None:
    study = states.study(branches=STRUCTURAL)
    states.asked(study, "maml", 2)
    assert choose(study).ask == 0


def test_the_oldest_study_comes_first_and_the_next_gets_what_it_leaves() -> None:
    first, second = states.study("first", **MAML_ONLY), states.study("second", **MAML_ONLY)
    work = choose_work([first, second], states.slot(), slots=2, lanes=16)
    assert work is not None and work.study is first
    for trial in states.asked(first, "maml", 6):
        states.move(first, trial, TrialStatus.RUNNING)
    work = choose_work([first, second], states.slot(), slots=2, lanes=16)
    assert work is not None and work.study is second


def test_a_study_spreads_its_lanes_over_slots_that_no_other_study_has() -> None:
    study = states.study("first", **MAML_ONLY)
    alone = choose_work([study], states.slot(), slots=2, lanes=16)
    beside = choose_work([study], states.slot(), slots=2, lanes=16, occupied={"second": 1})
    assert alone is not None and beside is not None
    assert (alone.ask, beside.ask) == (3, 6)


def test_a_younger_study_gives_its_slot_back_for_a_group_that_no_slot_trains() -> None:
    first, second = states.study("first"), states.study("second", **MAML_ONLY)
    own = put_on(states.slot(), second, states.asked(second, "maml", 2))
    lanes = states.asked(first, "maml", 2)
    work = choose_work([first, second], own, slots=2, lanes=16)
    assert work is not None and work.study is second
    assert work.release == own.lanes and not (work.keep or work.admit or work.ask)
    # An idle slot takes the group, and one that trains it fills up with its trials.
    for idle, status in ((True, TrialStatus.QUEUED), (False, TrialStatus.RUNNING)):
        states.move(first, lanes[0], status)
        work = choose_work([first, second], own, slots=2, lanes=16, idle=idle)
        assert work is not None and work.keep == own.lanes
    first.status = StudyStatus.PAUSED
    states.move(first, lanes[0], TrialStatus.QUEUED)
    work = choose_work([first, second], own, slots=2, lanes=16)
    assert work is not None and work.keep == own.lanes


def test_no_slot_is_taken_for_trials_that_wait_for_what_a_budget_has_left() -> None:
    budget = {"trials": 12, "meta_iterations": 180, "total_meta_iterations": 1000}
    first, second = states.study("first", budget=budget), states.study("second", **MAML_ONLY)
    own = put_on(states.slot(), second, states.asked(second, "maml", 2))
    states.asked(first, "maml", 2)
    work = choose_work([first, second], own, slots=2, lanes=16)
    assert work is not None and work.keep == own.lanes


def test_a_study_is_passed_over_where_a_slot_lacks_its_plugins() -> None:
    needed = Needed("algorithms", "pulled", "toys", "1.0", "1" * 64)
    first, second = states.study("first", **MAML_ONLY), states.study("second", **MAML_ONLY)
    first.needs = (needed,)
    slot = states.slot()
    slot.plugins = frozenset({Plugin("algorithms", "pulled", "2" * 64)})
    work = choose_work([first, second], slot, slots=2, lanes=16)
    assert work is not None and work.study is second
    assert choose_work([first], slot, slots=2, lanes=16) is None
    own = put_on(slot, second, states.asked(second, "maml", 2))
    states.asked(first, "maml", 2)
    work = choose_work([first, second], own, slots=2, lanes=16)
    assert work is not None and work.keep == own.lanes  # it gives nothing up for the other
    slot = states.slot()
    slot.plugins = frozenset({Plugin("algorithms", "pulled", "1" * 64)})
    work = choose_work([first, second], slot, slots=2, lanes=16)
    assert work is not None and work.study is first


def crowded(study: StudyState, seconds: float) -> SlotState:
    slot = put_on(states.slot(), study, states.asked(study, "maml", 6))
    slot.seconds.append(seconds)
    return slot


def test_a_slot_gives_lanes_up_for_one_that_finds_no_work() -> None:
    study = states.study(**MAML_ONLY)
    slot = crowded(study, seconds=0.1)
    work = choose_work([study], slot, slots=2, lanes=16, idle=True)
    assert work is not None
    assert (work.keep, work.release, work.ask) == (slot.lanes[:3], slot.lanes[3:], 0)
    alone = choose_work([study], slot, slots=2, lanes=16)
    assert alone is not None and (alone.keep, alone.release) == (slot.lanes, [])


def test_lanes_that_have_little_left_stay() -> None:
    study = states.study(**MAML_ONLY)
    slot = crowded(study, seconds=0.1)
    for trial in slot.lanes:
        trial.meta_iteration = 150
    work = choose_work([study], slot, slots=2, lanes=16, idle=True)
    assert work is not None and (work.keep, work.release) == (slot.lanes, [])


def test_a_slot_with_its_share_of_lanes_keeps_them() -> None:
    study = states.study(**MAML_ONLY)
    slot = crowded(study, seconds=0.1)
    slot.lanes = slot.lanes[:3]
    work = choose_work([study], slot, slots=2, lanes=16, idle=True)
    assert work is not None and (work.keep, work.release) == (slot.lanes, [])


def test_nothing_is_begun_for_a_study_that_does_not_run() -> None:
    study = states.study()
    study.status = StudyStatus.PAUSED
    assert choose_work([study], states.slot(), slots=2, lanes=16) is None


def test_a_learning_sampler_has_few_trials_open() -> None:
    search = {"sampler": "tpe", "startup_trials": 4}
    budget = {"trials": 40, "meta_iterations": 180}
    study = states.study(**MAML_ONLY, search=search, budget=budget)
    assert choose(study, slots=1).ask == 10
    states.asked(study, "maml", 9)
    assert choose(study, slots=1).ask == 1


def test_what_a_learning_sampler_gives_is_spread_over_the_slots() -> None:
    budget = {"trials": 64, "meta_iterations": 180}
    study = states.study(**MAML_ONLY, search={"sampler": "tpe"}, budget=budget)
    assert choose(study, slots=1).ask == 16
    assert choose(study, slots=2).ask == 8
    states.asked(study, "maml", 8)
    for trial in study.trials.values():
        states.move(study, trial, TrialStatus.RUNNING)
    assert choose(study, slots=2).ask == 8


def test_verdict_trials_of_one_group_share_a_slot() -> None:
    study = states.study()
    for branch, count in (("maml", 4), ("reptile", 2)):
        for trial in states.asked(study, branch, count):
            trial.group = Group(TrialRole.VERDICT, branch, trial.group.signature)
            study.moved(trial)
    assert len(choose(study).admit) == 4
