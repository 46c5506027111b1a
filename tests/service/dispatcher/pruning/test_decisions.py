from random import Random

import pytest

from metaopt.search.pruning.hyperband import hyperband_bracket
from metaopt.search.pruning.registry import PRUNING_RULES
from service.db.states import TrialStatus
from service.dispatcher.pruning.decisions import BadReport, LaneOutcome, judge_report
from service.dispatcher.state import StudyState, TrialState
from service.executors.base import LaneReport, SegmentReport
from tests.fakes import states

MANY = {"trials": 80, "meta_iterations": 180}
SHA = {"kind": "successive_halving", "rungs": [60, 120], "reduction": 2}


def at(trial: TrialState, age: int, score: float | None = None) -> LaneReport:
    if score is None:
        return LaneReport(trial.trial_id, age)
    scores = [score] * 20
    return LaneReport(trial.trial_id, age, scores=scores, diverged_share=0.0, curve=[score])


def judge(
    study: StudyState, trials: list[TrialState], lanes: list[LaneReport], iterations: int = 60
) -> list[LaneOutcome]:
    return judge_report(study, trials, SegmentReport(lanes, 1.0, 1.0, 0.0, 1, "CPU"), iterations)


def test_a_lane_between_rungs_goes_on() -> None:
    study = states.study(pruning=SHA)
    (trial,) = states.asked(study, "maml", 1)
    (outcome,) = judge(study, [trial], [at(trial, 10)], iterations=10)
    assert (outcome.status, outcome.loss) == (TrialStatus.RUNNING, None)


def test_lanes_of_a_segment_are_pruned_after_all_are_in() -> None:
    study = states.study(pruning=SHA)
    worse, better = states.asked(study, "maml", 2)
    lanes = [at(worse, 60, 2.0), at(better, 60, 1.0)]
    outcomes = judge(study, [worse, better], lanes)
    assert [one.status for one in outcomes] == [TrialStatus.PRUNED, TrialStatus.RUNNING]
    assert [one.loss for one in outcomes] == [2.0, 1.0]


def test_peers_are_those_of_the_same_branch_and_rung() -> None:
    study = states.study(pruning=SHA)
    (trial,) = states.asked(study, "maml", 1)
    study.add_scored(("reptile", 60), 1, 0.1, {})
    study.add_scored(("maml", 120), 2, 0.1, {})
    assert judge(study, [trial], [at(trial, 60, 2.0)])[0].status == TrialStatus.RUNNING
    study.add_scored(("maml", 60), 4, 0.1, {})
    assert judge(study, [trial], [at(trial, 60, 2.0)])[0].status == TrialStatus.PRUNED


def test_hyperband_judges_within_a_bracket_from_its_first_rung_on() -> None:
    pruning = {"kind": "hyperband", "rungs": [60, 120], "reduction": 2}
    study = states.study(pruning=pruning, budget={"trials": 80, "meta_iterations": 180})
    trials = states.asked(study, "maml", 40)
    brackets = [hyperband_bracket(t.trial_number, rungs=2, reduction=2) for t in trials]
    lanes = [at(trial, 60, 1.0 + trial.trial_number) for trial in trials]
    outcomes = judge(study, trials, lanes)
    for bracket in range(3):
        statuses = [o.status for o, b in zip(outcomes, brackets, strict=True) if b == bracket]
        kept = len(statuses) // 2 if bracket == 0 else len(statuses)
        assert statuses == ["running"] * kept + ["pruned"] * (len(statuses) - kept)


def test_percentile_is_that_of_the_spec() -> None:
    pruning = {"kind": "percentile", "rungs": [60], "percentile": 20.0, "startup_trials": 0}
    study = states.study(pruning=pruning, budget={"trials": 22, "meta_iterations": 180})
    trials = states.asked(study, "maml", 11)
    outcomes = judge(study, trials, [at(t, 60, 1.0 + t.trial_number) for t in trials])
    assert [o.status for o in outcomes] == ["running"] * 3 + ["pruned"] * 8


def test_the_last_rung_completes() -> None:
    study = states.study(pruning=SHA)
    (trial,) = states.asked(study, "maml", 1)
    trial.meta_iteration = 120
    study.add_scored(("maml", 180), 4, 0.1, {})
    assert judge(study, [trial], [at(trial, 180, 2.0)])[0].status == TrialStatus.COMPLETED


def test_a_diverged_lane_says_why() -> None:
    study = states.study(pruning=SHA)
    (trial,) = states.asked(study, "maml", 1)
    lane = LaneReport(trial.trial_id, 7, diverged_at=7, cause="loss was not finite")
    (outcome,) = judge(study, [trial], [lane])
    assert (outcome.status, outcome.lane.cause) == (TrialStatus.DIVERGED, "loss was not finite")


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("rule", [name for name in PRUNING_RULES.names() if name != "none"])
def test_trials_that_diverge_change_no_decision_on_the_others(rule: str, share: float) -> None:
    chance = Random(round(100 * share))
    first = states.asked(states.study(budget=MANY), "maml", 20)
    numbers = [trial.trial_number for trial in first]
    diverging = set(chance.sample(numbers, round(share * len(numbers))))
    scores = {number: chance.uniform(1.0, 3.0) for number in numbers}

    def judged(*, beside: bool) -> dict[int, LaneOutcome]:
        study = states.study(pruning={"kind": rule, "rungs": [60, 120]}, budget=MANY)
        trials = states.asked(study, "maml", len(numbers))
        if not beside:
            trials = [trial for trial in trials if trial.trial_number not in diverging]
        lanes = []
        for trial in trials:
            if trial.trial_number in diverging:
                at_step = chance.randrange(60)
                why = {"diverged_at": at_step, "cause": "loss was not finite"}
                lanes.append(LaneReport(trial.trial_id, at_step, **why))  # type: ignore[arg-type]
            else:
                lanes.append(at(trial, 60, scores[trial.trial_number]))
        outcomes = judge(study, trials, lanes)
        return {t.trial_number: one for t, one in zip(trials, outcomes, strict=True)}

    beside, without = judged(beside=True), judged(beside=False)
    assert {beside[number].status for number in diverging} == {TrialStatus.DIVERGED}
    for number, outcome in without.items():
        assert (outcome.status, outcome.loss) == (beside[number].status, beside[number].loss)


def test_a_rung_that_was_reported_before_a_restart_is_not_reported_again() -> None:
    study = states.study(pruning=SHA)
    (trial,) = states.asked(study, "maml", 1)
    study.add_scored(("maml", 60), trial.trial_number, 2.0, {})
    study.add_scored(("maml", 60), 4, 0.1, {})
    (outcome,) = judge(study, [trial], [at(trial, 60, 2.0)])
    assert (outcome.status, outcome.loss) == (TrialStatus.RUNNING, None)


@pytest.mark.parametrize("statistic", ["mean", "median", "trimmed_mean"])
def test_the_score_is_the_statistic_the_study_asks_for(statistic: str) -> None:
    study = states.study(evaluation={"tasks": 20, "statistic": statistic})
    (trial,) = states.asked(study, "maml", 1)
    scores = [1.0] * 17 + [2.0, 3.0, 100.0]
    lane = LaneReport(trial.trial_id, 60, scores=scores, diverged_share=0.0, curve=[1.0])
    (outcome,) = judge(study, [trial], [lane])
    assert outcome.summary is not None
    assert outcome.loss == getattr(outcome.summary, statistic)


@pytest.mark.parametrize(
    ("age", "scores", "message"),
    [
        (59, None, "should be at meta-iteration 60"),
        (60, None, "was not evaluated"),
        (60, [1.0, float("nan")], "scores must be finite"),
    ],
)
def test_a_report_that_does_not_fit_the_order_is_refused(
    age: int, scores: list[float] | None, message: str
) -> None:
    study = states.study()
    (trial,) = states.asked(study, "maml", 1)
    curve = None if scores is None else [1.0]
    lane = LaneReport(trial.trial_id, age, scores=scores, diverged_share=0.0, curve=curve)
    with pytest.raises(BadReport, match=message):
        judge(study, [trial], [lane])


def test_a_report_without_a_lane_is_refused() -> None:
    study = states.study()
    (trial,) = states.asked(study, "maml", 1)
    with pytest.raises(BadReport, match="says nothing about trial 0"):
        judge(study, [trial], [])


def test_asha_sends_what_it_does_not_promote_back_into_the_queue() -> None:
    study = states.study(pruning={**SHA, "kind": "asha"})
    trials = states.asked(study, "maml", 3)
    scores = (1.0, 3.0, 2.0)
    lanes = [at(trial, 60, score) for trial, score in zip(trials, scores, strict=True)]
    outcomes = judge(study, trials, lanes)
    assert [one.status for one in outcomes] == [
        TrialStatus.RUNNING,
        TrialStatus.QUEUED,
        TrialStatus.QUEUED,
    ]


def test_a_race_stops_what_is_surely_worse_and_nothing_else() -> None:
    study = states.study(pruning={"kind": "race", "rungs": [60, 120], "startup_trials": 2})
    best, close, worse = states.asked(study, "maml", 3)
    tasks = range(20)
    scores = (
        [1.5 + 0.1 * (t % 3) for t in tasks],
        [1.0 + 0.1 * (t % 5) for t in tasks],
        [1.0 + 0.1 * ((t + 2) % 5) for t in tasks],
    )
    lanes = [
        LaneReport(trial.trial_id, 60, scores=own, diverged_share=0.0, curve=[1.0])
        for trial, own in zip((worse, best, close), scores, strict=True)
    ]
    outcomes = judge(study, [worse, best, close], lanes)
    assert [one.status for one in outcomes] == [
        TrialStatus.PRUNED,
        TrialStatus.RUNNING,
        TrialStatus.RUNNING,
    ]


@pytest.mark.parametrize(
    ("keep", "kept_at", "may_keep"),
    [
        ("best", 60, None),
        ("best", None, r"of meta-iteration None, and may keep those of \[60\]"),
        ("best", 120, r"of meta-iteration 120, and may keep those of \[60\]"),
        ("last", 60, "may keep those of none but the last"),
    ],
)
def test_the_model_that_was_scored_is_one_that_may_count(
    keep: str, kept_at: int | None, may_keep: str | None
) -> None:
    study = states.study(evaluation={"tasks": 20, "keep": keep})
    (trial,) = states.asked(study, "maml", 1)
    lane = LaneReport(
        trial.trial_id, 60, scores=[1.0] * 20, diverged_share=0.0, curve=[1.0], kept_at=kept_at
    )
    if may_keep is None:
        assert judge(study, [trial], [lane])[0].loss == 1.0
    else:
        with pytest.raises(BadReport, match=may_keep):
            judge(study, [trial], [lane])
