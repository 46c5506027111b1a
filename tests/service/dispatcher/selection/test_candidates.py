"""Which trials may be finalists."""

from typing import Any

from service.db.states import TrialStatus
from service.dispatcher.selection.candidates import (
    broken_candidates,
    eligible,
    pareto_trials,
    why_nothing_is_feasible,
)
from service.dispatcher.selection.fresh_trials import fresh_finalists
from service.dispatcher.state import StudyState
from tests.fakes import states

TWO = ["score", "adaptation_examples"]


def study(*given: tuple[float, float], **changes: Any) -> StudyState:
    """Return a study of completed trials with these (score, adaptation_examples)."""
    made = states.study(budget={"trials": 24, "meta_iterations": 180}, **changes)
    for trial, (score, cost) in zip(states.asked(made, "maml", len(given)), given, strict=True):
        trial.loss = score
        states.move(made, trial, TrialStatus.COMPLETED, at=180)
        trial.metrics = {"adaptation_examples": cost}
    return made


def numbers(found: list[Any]) -> list[int]:
    return [one.trial_number // 2 for one in found]  # of the first of two branches


def sources(made: StudyState) -> list[int]:
    found = (trial.source_trial_number for trial in fresh_finalists(made))
    return list(dict.fromkeys(number // 2 for number in found if number is not None))


def test_with_the_score_alone_they_are_ranked() -> None:
    made = study((2.0, 5), (1.0, 50), (3.0, 1))
    assert numbers(eligible(made)) == [1, 0, 2]
    assert pareto_trials(made) is None


def test_with_two_objectives_they_are_the_front_and_finalists_lie_apart() -> None:
    given = [(1.0, 50.0), (1.1, 45.0), (1.2, 40.0), (5.0, 5.0), (5.0, 60.0)]
    made = study(*given, objectives=TWO)
    assert numbers(eligible(made)) == [0, 1, 2, 3]
    assert sources(made) == [0, 3]
    found = pareto_trials(made)
    assert found is not None
    assert found[0].values == {"score": 1.0, "adaptation_examples": 50.0}
    assert [one.trial_number for one in found] == [0, 2, 4, 6]


def test_who_breaks_a_bound_is_no_candidate() -> None:
    made = study((1.0, 50), (2.0, 10), (3.0, 5), constraints={"adaptation_examples": 10})
    assert numbers(eligible(made)) == [1, 2] == sources(made)
    assert numbers(broken_candidates(made)) == [0]
    assert why_nothing_is_feasible(study((1.0, 5))) is None


def test_the_bound_that_most_trials_break_is_named() -> None:
    constraints = {"adaptation_examples": 4, "diverged_share": 0.1}
    made = study((1.0, 50), (2.0, 10), (3.0, 5), constraints=constraints)
    made.trials[0].metrics["diverged_share"] = 0.5
    assert fresh_finalists(made) == []
    assert why_nothing_is_feasible(made) == (
        "no trial keeps the constraints: 3 of 3 that were judged exceed adaptation_examples <= 4, "
        "the least any of them has is 5: raise that bound, or search where trials cost less"
    )


def test_a_search_that_a_budget_ended_is_judged_at_its_common_rung() -> None:
    made = states.study(constraints={"adaptation_examples": 10})
    trials = states.asked(made, "maml", 3)
    for trial, cost in zip(trials, (50.0, 10.0, 5.0), strict=True):
        trial.loss, known = 1.0, {"adaptation_examples": cost}
        made.add_scored(("maml", 60), trial.trial_number, cost / 10, known)
        states.move(made, trial, TrialStatus.PRUNED)
    assert eligible(made) == []
    made.search_ended_by = "wall_seconds"
    assert numbers(eligible(made)) == [2, 1]
