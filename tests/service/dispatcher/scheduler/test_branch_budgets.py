"""The budget of branches as their trials' losses come in, without a database."""

from typing import Any

import pytest

from metaopt.search.pruning.rule import Leader
from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.dispatcher.scheduler.branch_budgets import reallot
from service.dispatcher.state import StudyState
from service.planning.branch_shares import floors, startup_of
from tests.fakes import states
from tests.fakes.specs import SMALL

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
