"""Budgets: pure decisions about what is spent, and how a search ends that has no more."""

from datetime import timedelta
from typing import Any

import pytest

from metaopt.goals import Goals
from service.db.roles import TrialRole
from service.db.states import StudyStatus, TrialStatus
from service.dispatcher.scheduler.budget import (
    Ended,
    affordable_iterations,
    after_all,
    after_segment,
    after_trials,
    common_rung,
    left_trial,
    rebudget,
    scored_at,
    spent_budget,
)
from service.dispatcher.scheduler.placement import askable, choose_work
from service.dispatcher.search.ask import ask
from service.dispatcher.selection.fresh_trials import fresh_finalists
from service.dispatcher.state import Spent, StudyState
from service.wire.spec.budget import Budget
from tests.fakes import states
from tests.fakes.specs import SMALL
from tests.fakes.states import NOON


def scored(study: StudyState, branch: str, rung: int, *scores: float) -> None:
    """Add pruned trials of a branch that were scored at a rung."""
    for trial, score in zip(states.asked(study, branch, len(scores)), scores, strict=True):
        trial.loss = score
        study.add_scored((branch, rung), trial.trial_number, score, {})
        states.move(study, trial, TrialStatus.PRUNED)


@pytest.mark.parametrize(
    ("budget", "spent", "name"),
    [
        ({}, Spent(1e9, 1e9, 10**9, 0.0, 10**6), None),
        ({"wall_seconds": 5}, Spent(wall_seconds=4.9), None),
        ({"wall_seconds": 5}, Spent(wall_seconds=5.0), "wall_seconds"),
        ({"device_seconds": 5}, Spent(device_seconds=5.1), "device_seconds"),
        ({"total_meta_iterations": 7}, Spent(meta_iterations=6), None),
        ({"total_meta_iterations": 7}, Spent(meta_iterations=7), "total_meta_iterations"),
        ({"stagnation": 3}, Spent(best_loss=1.0, trials_since_best=3), "stagnation"),
        ({"target_score": 0.5}, Spent(best_loss=0.5), "target_score"),
        ({"target_score": 0.5}, Spent(best_loss=0.6), None),
        ({"target_score": 0.5}, Spent(), None),
    ],
)
def test_the_budget_that_is_spent_is_named(
    budget: dict[str, Any], spent: Spent, name: str | None
) -> None:
    assert spent_budget(Budget(**budget), spent, Goals(False)) == name


def test_a_target_may_be_a_high_score() -> None:
    budget = Budget(target_score=0.9)
    assert spent_budget(budget, Spent(best_loss=-0.95), Goals(True)) == "target_score"
    assert spent_budget(budget, Spent(best_loss=-0.85), Goals(True)) is None


def test_a_segment_is_added_to_what_is_spent() -> None:
    spent = after_segment(Spent(device_seconds=1.0), seconds=2.0, lane_iterations=30)
    assert (spent.device_seconds, spent.meta_iterations) == (3.0, 30)


def test_trials_without_a_better_score_are_counted_from_the_first_completed_one() -> None:
    spent = after_trials(Spent(), [None, None])
    assert (spent.best_loss, spent.trials_since_best) == (None, 0)
    spent = after_trials(spent, [2.0, None, 1.0])
    assert (spent.best_loss, spent.trials_since_best) == (1.0, 0)
    spent = after_trials(spent, [None, 1.0, 3.0])
    assert (spent.best_loss, spent.trials_since_best) == (1.0, 3)
    spent = after_trials(spent, [0.5])
    assert (spent.best_loss, spent.trials_since_best) == (0.5, 0)


def test_what_was_spent_follows_from_the_rows_in_any_order() -> None:
    together: list[list[float | None]] = [[2.0, None], [None], [1.0], [None, 3.0]]
    live, rows = Spent(), []
    for second, scores in enumerate(together):
        live = after_trials(live, scores)
        rows += [Ended(NOON + timedelta(seconds=second), score) for score in scores]
    assert live.trials_since_best == 2
    assert after_all(Spent(), rows) == live
    assert after_all(Spent(), reversed(rows)) == live


def test_time_counts_while_the_study_runs_and_searches() -> None:
    study = states.study()
    study.run_from(10.0)
    study.clock(12.0)
    assert study.spent.wall_seconds == 2.0
    study.status = StudyStatus.PAUSED
    study.clock(50.0)
    study.status = StudyStatus.RUNNING
    study.clock(51.0)
    assert study.spent.wall_seconds == 3.0
    study.search_ended_by = "trials"
    study.clock(60.0)
    assert study.spent.wall_seconds == 3.0


def test_what_segments_under_way_train_is_spent_already() -> None:
    study = states.study(budget={"trials": 6, "meta_iterations": 180, "total_meta_iterations": 100})
    study.spent = Spent(meta_iterations=10)
    busy, free = states.slot(), states.slot("cpu:1")
    busy.study_id, busy.lanes, busy.iterations = study.study_id, states.asked(study, "maml", 3), 20
    busy.group, busy.future = busy.lanes[0].group, object()  # type: ignore[assignment]
    assert affordable_iterations(study, [busy, free], 2) == 15
    assert affordable_iterations(study, [busy, free], 31) == 0
    assert affordable_iterations(study, [free], 2) == 45
    assert affordable_iterations(states.study(), [busy, free], 2) is None


def test_a_trial_that_was_scored_is_pruned_and_another_is_cancelled() -> None:
    study = states.study()
    young, old = states.asked(study, "maml", 2)
    for rung, score in ((60, 2.0), (120, 1.0)):
        study.add_scored(("maml", rung), old.trial_number, score, {})
    left = left_trial(study, old)
    assert (left.status, left.loss, left.rung) == (TrialStatus.PRUNED, 1.0, 120)
    left = left_trial(study, young)
    assert (left.status, left.loss, left.rung) == (TrialStatus.CANCELLED, None, None)


def test_finalists_without_a_completed_trial_are_compared_where_enough_came() -> None:
    study = states.study(verdict={"finalists": 2, "seeds": 2, "tasks": 20, "compare": "none"})
    scored(study, "maml", 60, 3.0, 1.0, 2.0)
    first = study.trials[0]
    study.add_scored(("maml", 120), first.trial_number, 0.1, {})
    assert common_rung(study, 2) == 60
    assert common_rung(study, 1) == 120
    assert [number for number, _ in scored_at(study, 60)] == [0, 2, 4]
    study.search_ended_by = "wall_seconds"
    fresh = fresh_finalists(study)
    assert [trial.source_trial_number for trial in fresh] == [2, 2, 4, 4]
    assert {trial.group.role for trial in fresh} == {TrialRole.VERDICT}


def test_without_a_spent_budget_nothing_completed_is_nothing() -> None:
    study = states.study()
    scored(study, "maml", 60, 3.0, 1.0)
    assert fresh_finalists(study) == []
    assert common_rung(states.study(), 3) is None


def test_a_finalist_never_died_later() -> None:
    study = states.study()
    scored(study, "maml", 60, 3.0, 1.0, 2.0)
    states.move(study, study.trials[2], TrialStatus.DIVERGED)
    assert [number for number, _ in scored_at(study, 60)] == [0, 4]


def test_a_search_that_has_ended_asks_for_nothing_more() -> None:
    study = states.study()
    assert askable(study, study.branches["maml"]) > 0
    study.search_ended_by = "device_seconds"
    assert askable(study, study.branches["maml"]) == 0
    assert choose_work([study], states.slot(), slots=2, lanes=16) is None
    assert study.search_ended()


@pytest.mark.parametrize("trials", [7, 12, 13])
def test_trials_keep_their_numbers_and_points_when_the_budget_grows(trials: int) -> None:
    grown, whole = states.study(), states.study(budget={"trials": trials, "meta_iterations": 180})
    for branch in ("maml", "reptile"):
        states.asked(grown, branch, 3)
    rebudget(grown, Budget(trials=trials, meta_iterations=180))
    for branch in ("maml", "reptile"):
        states.asked(grown, branch, grown.branches[branch].remaining)
        states.asked(whole, branch, whole.branches[branch].remaining)
    assert sorted(grown.trials) == sorted(whole.trials) == list(range(trials))
    for number, trial in whole.trials.items():
        twin = grown.trials[number]
        assert (twin.params, twin.seed, twin.group) == (trial.params, trial.seed, trial.group)


def test_finalists_are_numbered_after_every_trial_of_the_search() -> None:
    study = states.study()
    states.asked(study, "maml", 3)
    for trial in study.trials.values():
        trial.loss = 1.0
        states.move(study, trial, TrialStatus.COMPLETED)
    rebudget(study, Budget(trials=2, meta_iterations=180))
    assert min(trial.trial_number for trial in fresh_finalists(study)) == 5


def test_a_branch_begins_with_its_warm_trials_and_they_are_asks() -> None:
    points = [{"inner_lr": 0.01, "outer_lr": 0.002}, {"inner_lr": 0.02, "outer_lr": 0.001}]
    given = [{"branch": "maml", "params": point} for point in points]
    study = states.study(warm_start={"trials": given}, branches=SMALL["branches"])
    new = ask(study, study.branches["maml"], 3)
    assert [one.asked for one in new[:2]] == points
    assert new[2].asked not in points
    assert [one.trial.trial_number for one in new] == [0, 2, 4]
    assert new[0].trial.params["inner_lr"] == 0.01 and new[0].trial.params["meta_batch"] == 4
    cold = states.study(branches=SMALL["branches"])
    assert ask(cold, cold.branches["maml"], 3)[2].asked == new[2].asked
