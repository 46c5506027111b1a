"""What trials at a rung are compared by."""

import pytest

from metaopt.costs.registry import COSTS
from service.db.states import TrialStatus
from service.dispatcher.pruning.decisions import BadReport, LaneOutcome, judge_report
from service.dispatcher.pruning.pauses import waiting
from service.dispatcher.state import StudyState, TrialState
from service.executors.base import LaneReport, SegmentReport
from tests.fakes import states
from tests.fakes.toy_cost import STATE_BYTES

SHA = {"kind": "successive_halving", "rungs": [60, 120], "reduction": 2}
BOUND = {"adaptation_milliseconds": 10.0}


def lane(trial: TrialState, score: float, cost: float | None, share: float = 0.0) -> LaneReport:
    costs = {} if cost is None else {"adaptation_milliseconds": cost}
    return LaneReport(
        trial.trial_id, 60, scores=[score] * 20, diverged_share=share, curve=[score], costs=costs
    )


def judge(
    study: StudyState, *given: tuple[float, float]
) -> tuple[list[TrialState], list[LaneOutcome]]:
    trials = states.asked(study, "maml", len(given))
    lanes = [lane(trial, *one) for trial, one in zip(trials, given, strict=True)]
    return trials, judge_report(study, trials, SegmentReport(lanes, 1.0, 1.0, 0.0, 1, "CPU"), 60)


def test_without_goals_losses_are_compared_as_they_are() -> None:
    assert states.study().rank(0.5, {}) == (0.0, 0.5)


def test_a_rung_judges_by_the_metric_that_the_spec_names() -> None:
    study = states.study(pruning={**SHA, "metric": "adaptation_milliseconds"})
    _, outcomes = judge(study, (1.0, 5.0), (9.0, 2.0))
    assert [one.status for one in outcomes] == [TrialStatus.PRUNED, TrialStatus.RUNNING]
    assert [one.loss for one in outcomes] == [1.0, 9.0]


def test_an_infeasible_trial_cannot_stop_one_that_keeps_the_bounds() -> None:
    study = states.study(pruning=SHA, constraints=BOUND)
    _, outcomes = judge(study, (1.0, 50.0), (9.0, 2.0))
    assert [one.status for one in outcomes] == [TrialStatus.PRUNED, TrialStatus.RUNNING]
    assert outcomes[0].metrics == {
        "adaptation_examples": 5.0,
        "diverged_share": 0.0,
        "adaptation_milliseconds": 50.0,
    }


def test_asha_promotes_and_waits_by_the_same_places() -> None:
    study = states.study(pruning={**SHA, "kind": "asha"}, constraints=BOUND)
    trials, outcomes = judge(study, (1.0, 50.0), (9.0, 2.0))
    assert [one.status for one in outcomes] == [TrialStatus.QUEUED, TrialStatus.RUNNING]
    place = ("maml", 60)
    for trial, one in zip(trials, outcomes, strict=True):
        study.add_scored(place, trial.trial_number, one.loss or 0.0, one.metrics)
        states.move(study, trial, one.status, at=60)
    slow, fast = (trial.trial_number for trial in trials)
    assert study.standings[place][0].numbers(0, 2) == [fast, slow]
    assert waiting(study) == [trials[0]]


def test_an_infeasible_trial_leads_no_race() -> None:
    study = states.study(
        pruning={"kind": "race", "rungs": [60, 120], "startup_trials": 0}, constraints=BOUND
    )
    _, outcomes = judge(study, (1.0, 50.0), (9.0, 2.0))
    assert [one.status for one in outcomes] == [TrialStatus.RUNNING] * 2
    study = states.study(
        pruning={"kind": "race", "rungs": [60, 120], "startup_trials": 0}, constraints=BOUND
    )
    _, outcomes = judge(study, (1.0, 50.0))
    assert outcomes[0].status == TrialStatus.RUNNING


def test_a_diverged_trial_is_told_what_its_parameters_say() -> None:
    study = states.study(constraints=BOUND)
    (trial,) = states.asked(study, "maml", 1)
    report = LaneReport(trial.trial_id, 7, diverged_at=7, cause="loss was not finite")
    (outcome,) = judge_report(study, [trial], SegmentReport([report], 1.0, 1.0, 0.0, 1, "CPU"), 60)
    assert outcome.metrics == {"adaptation_examples": 5.0}


@pytest.mark.parametrize("cost", [None, float("nan"), float("inf"), -1.0])
def test_a_cost_that_was_not_measured_is_a_bad_report(cost: float | None) -> None:
    study = states.study(constraints=BOUND)
    (trial,) = states.asked(study, "maml", 1)
    with pytest.raises(BadReport, match="trial 0: adaptation_milliseconds was not measured, got"):
        judge_report(
            study, [trial], SegmentReport([lane(trial, 1.0, cost)], 1.0, 1.0, 0.0, 1, "CPU"), 60
        )


def test_a_measured_cost_of_somebody_else_is_known_of_the_trial() -> None:
    with COSTS.including(STATE_BYTES):
        study = states.study(constraints={"state_bytes": 4096})
        (trial,) = states.asked(study, "maml", 1)
        costs = {"state_bytes": 5000.0}
        report = LaneReport(
            trial.trial_id, 60, scores=[1.0] * 20, diverged_share=0.0, curve=[1.0], costs=costs
        )
        segment = SegmentReport([report], 1.0, 1.0, 0.0, 1, "CPU")
        (outcome,) = judge_report(study, [trial], segment, 60)
        assert outcome.metrics["state_bytes"] == 5000.0
        assert study.spec.goals().broken(outcome.metrics) == ["state_bytes"]
