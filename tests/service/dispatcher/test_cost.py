"""What a trial costs, and keeps in memory: no more in a long search than in a short one."""

import random
import tracemalloc
from pathlib import Path

import pytest

from service.blobs.directory import DirectoryStore
from service.db.states import TrialStatus
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.pruning.decisions import LaneOutcome, judge_report
from service.dispatcher.scheduler.branch_budgets import reallot
from service.dispatcher.scheduler.orders import lane_iterations_ahead
from service.dispatcher.scheduler.placement import choose_work
from service.dispatcher.search.ask import ask
from service.dispatcher.state import SlotState, TrialState
from service.dispatcher.store import apply
from service.executors.base import LaneReport, SegmentReport
from service.planning.rungs import next_rung
from tests.fakes import states
from tests.steps import steps_of

MOST, LANES = 4000, 8
PAIRS = [("tpe", "asha"), ("random", "hyperband"), ("qmc", "median"), ("random", "race")]


class Search:
    """A search by two slots: all that the dispatcher does, but for rows and workers."""

    def __init__(self, sampler: str, rule: str, directory: Path) -> None:
        self.study = states.study(
            budget={"trials": MOST, "meta_iterations": 90},
            search={"sampler": sampler, "startup_trials": 10},
            pruning={"kind": rule, "rungs": [10, 30]},
            evaluation={"tasks": 4},
        )
        self.reports = 0
        self._chance = random.Random(1)
        self._store = CheckpointStore(DirectoryStore(directory))
        self._slots = [states.slot("cpu:0"), states.slot("cpu:1")]

    def until(self, trials: int) -> "Search":
        while len(self.study.trials) < trials:
            self.step()
        return self

    def step(self) -> None:
        for slot in self._slots:
            lanes = self._place(slot)
            if lanes:
                self._take_in(slot, lanes)

    def _place(self, slot: SlotState) -> list[TrialState]:
        study = self.study
        work = choose_work([study], slot, slots=len(self._slots), lanes=LANES)
        if work is None:
            return []
        new = [one.trial for one in ask(study, work.branch, work.ask)] if work.branch else []
        study.add(new)
        group = work.group or new[0].group
        for trial in (admitted := [*work.admit, *(one for one in new if one.group == group)]):
            apply.admitted(trial)
            study.moved(trial)
        slot.study_id, slot.group = study.study_id, group
        lane_iterations_ahead(study, group)
        return [*work.keep, *admitted]

    def _take_in(self, slot: SlotState, lanes: list[TrialState]) -> None:
        study = self.study
        rungs = study.plan_of(lanes[0]).rungs
        iterations = min(next_rung(t.meta_iteration, rungs) - t.meta_iteration for t in lanes)
        told = [self._report(trial, trial.meta_iteration + iterations, rungs) for trial in lanes]
        report = SegmentReport(told, 1.0, 1.0, 0.0, 1, "CPU")
        for outcome in judge_report(study, lanes, report, iterations):
            apply.outcome(study, self._store, outcome)
            if outcome.status != TrialStatus.RUNNING:
                self._tell(outcome)
        reallot(study)
        self.reports += len(lanes)
        slot.lanes = [trial for trial in lanes if trial.status == TrialStatus.RUNNING]

    def _report(self, trial: TrialState, age: int, rungs: tuple[int, ...]) -> LaneReport:
        if self._chance.random() < 0.02:
            return LaneReport(trial.trial_id, age, diverged_at=age, cause="loss is nan")
        if age not in rungs:
            return LaneReport(trial.trial_id, age)
        scores = [1 / age + self._chance.random() for _ in range(4)]
        return LaneReport(trial.trial_id, age, scores=scores, diverged_share=0.0, curve=[1.0])

    def _tell(self, outcome: LaneOutcome) -> None:
        trial, name = outcome.trial, outcome.trial.group.branch
        self.study.branches[name].search.tell(
            trial.trial_number,
            "paused" if outcome.status == TrialStatus.QUEUED else str(outcome.status),
            outcome.loss,
            outcome.lane.meta_iteration,
            self.study.losses_of(name, trial.trial_number),
            outcome.metrics,
        )


@pytest.mark.parametrize(("sampler", "rule"), PAIRS)
def test_a_report_takes_no_more_steps_after_seven_times_as_many_trials(
    sampler: str, rule: str, tmp_path: Path
) -> None:
    def steps(search: Search) -> float:
        before = search.reports
        taken = steps_of(lambda: [search.step() for _ in range(6)])
        return taken / (search.reports - before)

    search = Search(sampler, rule, tmp_path)
    assert steps(search.until(280)) < 1.3 * steps(Search(sampler, rule, tmp_path).until(40))


def test_a_trial_keeps_less_than_four_kilobytes(tmp_path: Path) -> None:
    search = Search("auto", "asha", tmp_path).until(100)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    search.until(300)
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert kept / 200 < 4096
