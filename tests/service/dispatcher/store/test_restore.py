"""What is rebuilt from the rows is what the dispatcher held in memory."""

from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from metaopt.search.pruning.registry import PRUNING_RULES
from service.blobs.directory import DirectoryStore
from service.db.dispatcher import acquire
from service.db.engine import reading, transaction
from service.db.states import StudyStatus, TrialStatus
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.pruning import pauses
from service.dispatcher.pruning.decisions import judge_report
from service.dispatcher.retries import decide_retry
from service.dispatcher.search.ask import ask
from service.dispatcher.state import StudyState, TrialState
from service.dispatcher.store.ledger import Ledger
from service.dispatcher.store.restore import load_study
from service.executors.base import LaneReport, SegmentReport, WorkerLost
from service.planning.rungs import next_rung
from service.wire.spec.study import StudySpec
from tests.fakes import states
from tests.fakes.specs import small_spec
from tests.fakes.states import NOON
from tests.fakes.studies import submit
from tests.properties import examples

OMNIGLOT = {
    "tasks": {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 5},
    "model": {"kind": "conv4"},
}
BOUND = 10.0


def spec_of(rule: str, *, maximize: bool, constrained: bool) -> StudySpec:
    changes: dict[str, Any] = dict(OMNIGLOT) if maximize else {}
    if constrained:
        changes["constraints"] = {"adaptation_milliseconds": BOUND}
    return small_spec(
        pruning={"kind": rule, "rungs": [20, 60], "reduction": 2, "startup_trials": 1},
        budget={"trials": 12, "meta_iterations": 180},
        evaluation={"tasks": 4, "curve_steps": 1},
        **changes,
    )


class History:
    """What could happen to a study, one random step after the other."""

    def __init__(self, ledger: Ledger, study: StudyState, chance: Random) -> None:
        self.ledger, self.study, self.chance = ledger, study, chance

    def step(self) -> None:
        step = self.chance.choice(
            [self.ask, self.resume, *[self.train] * 6, self.lose, self.release]
        )
        step()
        if hopeless := pauses.never_promotable(self.study):
            self.ledger.end_queued(self.study, hopeless, TrialStatus.PRUNED)

    def ask(self) -> None:
        branch = self.chance.choice(list(self.study.branches.values()))
        many = min(branch.remaining, self.chance.randint(2, 6))
        new = ask(self.study, branch, many)
        begun = [one.trial for one in new[: self.chance.randint(0, len(new))]]
        self.ledger.admit(self.study, "cpu:0", new, begun)

    def resume(self) -> None:
        if ready := pauses.ready(self.study):
            self.ledger.admit(self.study, "cpu:0", [], ready[: self.chance.randint(1, len(ready))])

    def train(self) -> None:
        lanes = self._lanes()
        if not lanes:
            return
        rungs, slot = self.study.plan["search"].rungs, states.slot()
        slot.study_id, slot.group, slot.ordered_at = self.study.study_id, lanes[0].group, NOON
        slot.lanes = lanes
        slot.iterations = min(
            next_rung(trial.meta_iteration, rungs) - trial.meta_iteration for trial in lanes
        )
        reports = [self._lane(trial, trial.meta_iteration + slot.iterations) for trial in lanes]
        report = SegmentReport(reports, 1.5, 1.0, 0.0, 1, "CPU")
        outcomes = judge_report(self.study, lanes, report, slot.iterations)
        self.ledger.report(self.study, slot, outcomes, report, 2.0)

    def lose(self) -> None:
        lanes = self._lanes()[:1]
        losses = [(trial, decide_retry(trial, WorkerLost("killed"), alone=True)) for trial in lanes]
        if losses:
            self.ledger.lose(self.study, "cpu:0", losses, "killed")

    def release(self) -> None:
        self.ledger.release(self.study, self._lanes()[:1], "moved")

    def _lanes(self) -> list[TrialState]:
        running = [t for t in self.study.open_trials() if t.status == TrialStatus.RUNNING]
        if not running:
            return []
        group = self.chance.choice(running).group
        lanes = [trial for trial in running if trial.group == group]
        self.chance.shuffle(lanes)
        return lanes[: self.chance.randint(1, len(lanes))]

    def _lane(self, trial: TrialState, age: int) -> LaneReport:
        if self.chance.random() < 0.05:
            return LaneReport(trial.trial_id, age, diverged_at=age, cause="loss was not finite")
        score = self.chance.choice([0.25, 0.25, 0.5, 0.75])  # equals on purpose
        tasks = [score, score, score + 0.01, score - 0.01]
        costs = {"adaptation_milliseconds": self.chance.choice([BOUND / 2, 2 * BOUND])}
        return LaneReport(
            trial.trial_id, age, scores=tasks, diverged_share=0.0, curve=[score], costs=costs
        )


def decided(study: StudyState) -> dict[str, Any]:
    """All that decisions are made from, and what follows from it."""

    def numbers(trials: list[TrialState]) -> list[int]:
        return [trial.trial_number for trial in trials]

    return {
        "leaders": study.leaders,
        "contenders": study.contenders,
        "losses": study.rung_losses,
        "metrics": study.rung_metrics,
        "spent": study.spent,
        "budgets": {name: branch.budget for name, branch in study.branches.items()},
        "waiting": numbers(pauses.waiting(study)),
        "ready": numbers(pauses.ready(study)),
        "trials": {
            n: (trial.status, trial.meta_iteration, trial.loss, trial.attempt, trial.attempts)
            for n, trial in study.trials.items()
        },
    }


@pytest.mark.parametrize("rule", PRUNING_RULES.names())
@settings(
    max_examples=examples(4),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**32),
    maximize=st.booleans(),
    constrained=st.booleans(),
    steps=st.integers(20, 90),
)
def test_the_live_state_is_the_one_rebuilt_from_rows(
    engine: Engine,
    tmp_path: Path,
    rule: str,
    seed: int,
    maximize: bool,
    constrained: bool,
    steps: int,
) -> None:
    with transaction(engine) as session:
        epoch = acquire(session, "test", lambda _: True)
    assert epoch is not None
    seconds = count()
    store = CheckpointStore(DirectoryStore(tmp_path))
    ledger = Ledger(engine, epoch, store, lambda: NOON + timedelta(seconds=next(seconds)))
    spec = spec_of(rule, maximize=maximize, constrained=constrained)
    study_id = submit(engine, spec, StudyStatus.RUNNING)
    with reading(engine) as session:
        history = History(ledger, load_study(session, study_id), Random(seed))
    for _ in range(steps):
        history.step()
    with reading(engine) as session:
        rebuilt = load_study(session, study_id)
    assert decided(history.study) == decided(rebuilt)


@pytest.mark.parametrize("maximize", [False, True])
def test_of_equals_the_lowest_number_leads_in_whatever_order_they_come(
    engine: Engine, tmp_path: Path, maximize: bool
) -> None:
    with transaction(engine) as session:
        epoch = acquire(session, "test", lambda _: True)
    assert epoch is not None
    ledger = Ledger(engine, epoch, CheckpointStore(DirectoryStore(tmp_path)), lambda: NOON)
    spec = spec_of("race", maximize=maximize, constrained=False)
    study_id = submit(engine, spec, StudyStatus.RUNNING)
    with reading(engine) as session:
        study = load_study(session, study_id)
    new = ask(study, study.branches["maml"], 3)
    ledger.admit(study, "cpu:0", new, [one.trial for one in new])
    for one in reversed(new):
        slot, trial = states.slot(), one.trial
        slot.study_id, slot.group, slot.ordered_at = study_id, trial.group, NOON
        slot.lanes, slot.iterations = [trial], 20
        lane = LaneReport(trial.trial_id, 20, scores=[0.5] * 4, diverged_share=0.0, curve=[0.5])
        report = SegmentReport([lane], 1.0, 1.0, 0.0, 1, "CPU")
        ledger.report(study, slot, judge_report(study, [trial], report, 20), report, 1.0)
    with reading(engine) as session:
        rebuilt = load_study(session, study_id)
    place, first = ("maml", 20), min(study.trials)
    assert study.leaders[place].trial_number == rebuilt.leaders[place].trial_number == first


def who_waits(study: StudyState) -> list[int]:
    """The plain rule: of the n at a rung, sorted anew, the best n // reduction go on."""
    waiting = []
    for (_, rung), losses in study.rung_losses.items():
        metrics = study.rung_metrics[_, rung]
        ranks = {n: study.rank(loss, metrics[n]) for n, loss in losses.items()}
        best_first = sorted(ranks, key=lambda n: (ranks[n].key, n))
        later = best_first[len(best_first) // study.spec.pruning.reduction :]
        waiting += [
            n
            for n in later
            if (study.trials[n].status, study.trials[n].meta_iteration)
            == (TrialStatus.QUEUED, rung)
        ]
    return sorted(waiting)


@pytest.mark.parametrize("seed", range(4))
def test_whoever_waits_by_asha_is_who_the_plain_rule_names(
    engine: Engine, tmp_path: Path, seed: int
) -> None:
    with transaction(engine) as session:
        epoch = acquire(session, "test", lambda _: True)
    assert epoch is not None
    ledger = Ledger(engine, epoch, CheckpointStore(DirectoryStore(tmp_path)), lambda: NOON)
    study_id = submit(
        engine, spec_of("asha", maximize=bool(seed % 2), constrained=True), StudyStatus.RUNNING
    )
    with reading(engine) as session:
        history = History(ledger, load_study(session, study_id), Random(seed))
    named = set()
    for _ in range(60):
        history.step()
        waiting = who_waits(history.study)
        assert history.study.open.numbers(["waiting"]) == waiting
        named |= set(waiting)
    assert len(named) > 3
