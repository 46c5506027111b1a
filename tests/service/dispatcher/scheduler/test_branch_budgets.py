"""The budget of branches as their trials' losses come in, without a database."""

import random
from typing import Any

import pytest

from metaopt.search.pruning.rule import Leader
from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.dispatcher.open_trials import EVERY_KIND
from service.dispatcher.scheduler.branch_budgets import reallot
from service.dispatcher.state import StudyState, TrialState
from service.planning.branch_shares import floors, startup_of
from tests.fakes import states
from tests.fakes.specs import SMALL
from tests.steps import steps_of

TRIALS, ENDED = 40, 12


def study_of(**search: Any) -> StudyState:
    return states.study(
        budget={"trials": TRIALS, "meta_iterations": 180},
        search={"sampler": "random", **search},
    )


def end(study: StudyState, branch: str, level: float, count: int = ENDED) -> None:
    """Ask for trials of a branch and let them complete with losses just above `level`."""
    rung = study.plan[TrialRole.SEARCH].rungs[-1]
    for index, trial in enumerate(states.asked(study, branch, count)):
        loss = level * (1 + 0.01 * (index % 3))
        trial.status, trial.loss, trial.meta_iteration = TrialStatus.COMPLETED, loss, rung
        scored = Leader(loss, trial.trial_number, [loss * 0.99, loss * 1.01] * 5, loss)
        study.add_loss((branch, rung), scored, {})
        study.moved(trial)


def budgets(study: StudyState) -> dict[str, int]:
    reallot(study)
    return {name: branch.budget for name, branch in study.branches.items()}


def test_the_budget_moves_to_the_branch_that_may_still_win() -> None:
    study = study_of()
    assert budgets(study) == {"maml": TRIALS // 2, "reptile": TRIALS // 2}
    end(study, "maml", 2.0)
    end(study, "reptile", 1.0)
    moved = budgets(study)
    assert moved["reptile"] > TRIALS // 2 > moved["maml"]
    assert sum(moved.values()) == TRIALS


def test_branches_that_noise_alone_tells_apart_share_evenly() -> None:
    study = study_of()
    end(study, "maml", 1.001)
    end(study, "reptile", 1.0)
    assert budgets(study) == {"maml": TRIALS // 2, "reptile": TRIALS // 2}


@pytest.mark.parametrize("floor", [0.25, 0.75, 1.0])
def test_a_branch_that_lost_keeps_its_floor(floor: float) -> None:
    study = study_of(floor=floor)
    end(study, "maml", 5.0, startup_of(study.spec, 0))
    end(study, "reptile", 1.0)
    assert budgets(study)["maml"] == floors(study.spec)[0]


def test_a_branch_keeps_what_it_has_asked_for() -> None:
    study = study_of(floor=0.0)
    end(study, "maml", 5.0, 15)
    end(study, "reptile", 1.0)
    assert budgets(study)["maml"] == 15


def test_nothing_moves_before_every_branch_has_ended_its_startup_trials() -> None:
    study = study_of()
    startup = startup_of(study.spec, 0)
    end(study, "maml", 5.0, startup - 1)
    end(study, "reptile", 1.0)
    assert budgets(study) == {"maml": TRIALS // 2, "reptile": TRIALS // 2}
    end(study, "maml", 5.0, 1)
    assert budgets(study)["maml"] < TRIALS // 2


def test_an_even_allocation_is_fixed() -> None:
    study = study_of(allocation="even")
    end(study, "maml", 5.0)
    end(study, "reptile", 1.0)
    assert budgets(study) == {"maml": TRIALS // 2, "reptile": TRIALS // 2}


def test_shares_are_fixed() -> None:
    maml, reptile = SMALL["branches"]
    study = states.study(
        budget={"trials": TRIALS, "meta_iterations": 180},
        branches=[{**maml, "share": 3}, {**reptile, "share": 1}],
    )
    end(study, "maml", 5.0, 6)
    end(study, "reptile", 1.0, 6)
    assert budgets(study) == {"maml": 30, "reptile": 10}


def test_a_restart_gives_the_same_budgets() -> None:
    study, restarted = study_of(), study_of()
    end(study, "maml", 2.0)
    budgets(study)  # on the way, as after each report
    end(study, "reptile", 1.0)
    end(restarted, "reptile", 1.0)  # rows come in another order, and are allotted once
    end(restarted, "maml", 2.0)
    assert budgets(study) == budgets(restarted)
    assert budgets(study) == budgets(study)


def test_budgets_are_those_that_are_made_anew_whatever_happens_on_the_way() -> None:
    chance = random.Random(7)
    changes = {"budget": {"trials": 400, "meta_iterations": 180}, "search": {"sampler": "random"}}
    study = states.study(**changes)
    moved = 0
    for _ in range(300):
        branch = study.branches[chance.choice(["maml", "reptile"])]
        if branch.remaining:
            states.asked(study, branch.branch.algorithm, 1)
        for trial in chance.sample(study.open_trials(), k=min(3, study.open.count(EVERY_KIND))):
            train_on(study, trial, chance)
        before = budgets(study)
        study.compared_at = None  # as after a restart
        assert budgets(study) == before
        moved += before["maml"] != before["reptile"]
    assert moved > 20


def train_on(study: StudyState, trial: TrialState, chance: random.Random) -> None:
    """Have a trial scored at its next rung, end there, or diverge."""
    rungs, name = study.plan[TrialRole.SEARCH].rungs, trial.group.branch
    if chance.random() < 0.2:
        states.move(study, trial, TrialStatus.DIVERGED)
        return
    rung = next(rung for rung in rungs if rung > trial.meta_iteration)
    loss = chance.random() + (name == "maml") * chance.random() + 10 / rung
    trial.loss, trial.meta_iteration = loss, rung
    study.add_loss((name, rung), Leader(loss, trial.trial_number, [loss, loss + 0.01], loss), {})
    ends = rung == rungs[-1] or chance.random() < 0.3
    ended = TrialStatus.COMPLETED if rung == rungs[-1] else TrialStatus.PRUNED
    states.move(study, trial, ended if ends else TrialStatus.QUEUED)


def test_a_report_costs_no_more_after_ten_times_as_many_trials() -> None:
    def steps(trials: int) -> int:
        budget = {"trials": 10 * trials, "meta_iterations": 180}
        study = states.study(budget=budget, search={"sampler": "random"})
        for branch in study.branches:
            end(study, branch, 1.0, trials)
        reallot(study)
        end(study, "maml", 0.9, 3)
        return steps_of(lambda: reallot(study))

    assert steps(1000) < 1.5 * steps(100)


@pytest.mark.parametrize(("currency", "share"), [("trials", 1), ("device_seconds", 4)])
def test_in_seconds_a_dearer_branch_gets_fewer_trials(currency: str, share: int) -> None:
    study = study_of(currency=currency, startup_trials=4)
    for name, seconds in (("maml", 8.0), ("reptile", 2.0)):
        end(study, name, 1.0, count=6)
        for trial in study.points():
            if trial.group.branch == name:
                study.took(trial, seconds)
                study.moved(trial)
    found = budgets(study)
    assert found == {"maml": TRIALS // (1 + share), "reptile": TRIALS * share // (1 + share)}


def test_a_branch_that_has_spent_its_seconds_leaves_its_trials_to_the_others() -> None:
    first, second = SMALL["branches"]
    study = states.study(
        branches=[{**first, "device_seconds": 10.0}, second],
        budget={"trials": TRIALS, "meta_iterations": 180},
        search={"sampler": "random"},
    )
    end(study, "maml", 1.0, count=5)
    assert budgets(study) == {"maml": TRIALS // 2, "reptile": TRIALS // 2}
    study.took(study.points()[0], 10.0)
    assert budgets(study) == {"maml": 5, "reptile": TRIALS - 5}
    assert study.branches["maml"].remaining == 0
