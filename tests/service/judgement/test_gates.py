"""Gates: what each rule answers, and how often a wrong answer is given."""

import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from metaopt.gates.registry import RULES, parse_rule
from metaopt.goals import Goals
from service.judgement import gates
from service.judgement.estimates import SealedRun, untrained
from service.judgement.evidence import Evidence, with_noise
from service.wire.views.gate_report import GateAnswer
from tests.fakes.toy_gate import STEADY


def training(
    scores: Sequence[float],
    *,
    status: str = "completed",
    diverged_share: float = 0.0,
    **metrics: float,
) -> SealedRun:
    done = status == "completed"
    return SealedRun(
        trial_number=0,
        source_trial_number=0,
        status=status,
        cause=None,
        score=statistics.fmean(scores) if done else None,
        scores=list(scores) if done else [],
        curve=[],
        diverged_share=diverged_share,
        device_seconds=1.0,
        metrics=metrics,
    )


def trainings(
    mean: float, *, seeds: int = 3, spread: float = 0.01, **rest: float
) -> list[SealedRun]:
    luck = random.Random(f"{mean}{spread}")
    task = [luck.gauss(0, 0.1) for _ in range(100)]
    return [
        training([mean + t + luck.gauss(0, spread) for t in task], **rest) for _ in range(seeds)
    ]


def answer(
    rule: str,
    candidate: list[SealedRun],
    baseline: list[SealedRun] | None = None,
    *,
    maximize: bool = True,
    error_rate: float = 0.05,
) -> GateAnswer:
    goals = Goals(maximize)
    mine, theirs = with_noise(candidate, baseline, goals)
    metric = "accuracy" if maximize else "mse"
    evidence = Evidence(mine, theirs, goals, metric, error_rate)
    (answered,) = gates.judge(evidence, [parse_rule(rule)])
    return answered


@pytest.mark.parametrize(
    ("rule", "mean", "says"),
    [
        ("no-worse:0.02", 0.70, "pass"),
        ("no-worse:0.02", 0.65, "fail"),
        ("no-worse:0.02", 0.68, "undecided"),
        ("better", 0.75, "pass"),
        ("better", 0.70, "undecided"),
        ("better", 0.60, "fail"),
    ],
)
def test_a_rule_compares_with_the_baseline(rule: str, mean: float, says: str) -> None:
    baseline = trainings(0.70)
    mine = [
        training([s + mean - 0.70 + 0.003 * ((i + t) % 3 - 1) for t, s in enumerate(run.scores)])
        for i, run in enumerate(baseline)
    ]
    assert answer(rule, mine, baseline).answer == says
    # of errors less is better: the same with every sign turned
    flipped = [[training([-s for s in run.scores]) for run in some] for some in (mine, baseline)]
    assert answer(rule, *flipped, maximize=False).answer == says


@pytest.mark.parametrize(
    ("gaps", "says", "names"),
    [
        ((0.2, 0.3), "pass", "ridge regression"),
        ((0.0, 0.3), "undecided", "ridge regression"),
        ((0.3, -0.2), "fail", "the mean"),
        ((-0.1, -0.2), "fail", "the mean"),
    ],
)
def test_useful_is_who_is_better_than_every_trivial_predictor(
    gaps: tuple[float, float], says: str, names: str
) -> None:
    mine = trainings(0.7)
    for goals, sign in ((Goals(True), 1), (Goals(False), -1)):
        runs = [training([sign * s for s in run.scores]) for run in mine]
        candidate, _ = with_noise(runs, None, goals)
        beside = {
            name: untrained([s - sign * gap for s in runs[0].scores], goals)
            for name, gap in zip(("ridge", "support_mean"), gaps, strict=True)
        }
        evidence = Evidence(candidate, None, goals, "mse", 0.05, beside)
        (found,) = gates.judge(evidence, [parse_rule("useful")])
        assert found.answer == says and f"candidate minus {names}" in found.why
        assert found.threshold == 0.0 and found.estimate is not None


def test_each_of_several_predictors_has_its_part_of_the_error_rate() -> None:
    goals, runs = Goals(True), trainings(0.7)
    candidate, _ = with_noise(runs, None, goals)
    one = untrained([s - 0.1 + 0.1 * (i % 2) for i, s in enumerate(runs[0].scores)], goals)
    widths = []
    for beside in ({"ridge": one}, {"ridge": one, "nearest_mean": one}):
        evidence = Evidence(candidate, None, goals, "accuracy", 0.05, beside)
        found = gates.judge(evidence, [parse_rule("useful")])[0].estimate
        assert found is not None
        widths.append(found.high - found.low)
    halved = Evidence(candidate, None, goals, "accuracy", 0.025, {"ridge": one})
    same = gates.judge(halved, [parse_rule("useful")])[0].estimate
    assert widths[1] > widths[0] and same is not None
    assert same.high - same.low == pytest.approx(widths[1])


def test_where_no_trivial_predictor_was_scored_useful_is_undecided() -> None:
    found = answer("useful", trainings(0.7))
    assert (found.answer, found.why) == ("undecided", "no trivial predictor could be scored")


@pytest.mark.parametrize(("rule", "says"), [("at-least:0.6", "pass"), ("at-least:0.9", "fail")])
def test_a_score_is_compared_with_a_number(rule: str, says: str) -> None:
    assert answer(rule, trainings(0.7)).answer == says


def test_the_limits_are_those_of_a_one_sided_t_test() -> None:
    mine, theirs = training([0.4, 0.6, 0.9, 0.5]), training([0.3, 0.4, 0.6, 0.1])
    found = answer("better", [mine], [theirs]).estimate
    assert found is not None
    paired = [a - b for a, b in zip(mine.scores, theirs.scores, strict=True)]
    own = stats.ttest_1samp(paired, 0).confidence_interval(0.9)  # two-sided 90 % = one-sided 95 %
    assert (found.low, found.high) == pytest.approx((own.low, own.high))


def test_without_a_baseline_what_compares_passes() -> None:
    for rule in ("better", "no-worse:0.01", "cost:adaptation_examples<=1.1x"):
        found = answer(rule, trainings(0.7, adaptation_examples=10))
        assert (found.answer, found.why) == (
            "pass",
            "there is no such baseline yet: nothing to compare with",
        )


def test_what_trains_only_sometimes_fails() -> None:
    mine = [*trainings(0.9), training([], status="diverged")]
    for rule in ("better", "at-least:0.1", "no-worse:0.5", "cost:adaptation_examples<=99"):
        assert answer(rule, mine, trainings(0.5)).answer == "fail"
    assert "1 of 4 fresh trainings of the candidate diverged" in answer("better", mine, []).why


def test_a_training_that_failed_leaves_it_open() -> None:
    mine = [*trainings(0.9), training([], status="failed")]
    assert answer("better", mine, trainings(0.5)).answer == "undecided"
    lost = [training([], status="failed")]
    assert answer("better", trainings(0.9), lost).answer == "undecided"
    assert answer("divergence:0.1", mine).answer == "undecided"


def test_costs_that_are_exact_are_decided() -> None:
    mine = trainings(0.7, adaptation_examples=50)
    assert answer("cost:adaptation_examples<=50", mine).answer == "pass"
    assert answer("cost:adaptation_examples<=49", mine).answer == "fail"
    theirs = trainings(0.7, adaptation_examples=25)
    assert answer("cost:adaptation_examples<=2x", mine, theirs).answer == "pass"
    found = answer("cost:adaptation_examples<=1.5x", mine, theirs)
    assert (found.answer, found.estimate and found.estimate.value) == ("fail", 2.0)


def test_costs_that_are_measured_have_limits() -> None:
    def timed(*milliseconds: float) -> list[SealedRun]:
        return [training([0.5, 0.6], adaptation_milliseconds=one) for one in milliseconds]

    mine, theirs = timed(10, 11, 12, 10, 11), timed(10, 12, 11, 10, 11)
    assert answer("cost:adaptation_milliseconds<=13", mine).answer == "pass"
    assert answer("cost:adaptation_milliseconds<=11", mine).answer == "undecided"
    assert answer("cost:adaptation_milliseconds<=9", mine).answer == "fail"
    assert answer("cost:adaptation_milliseconds<=1.5x", mine, theirs).answer == "pass"
    assert answer("cost:adaptation_milliseconds<=1.01x", mine, theirs).answer == "undecided"


def test_the_share_that_diverges_has_exact_limits() -> None:
    clean = [training([0.5] * 400)]
    found = answer("divergence:0.01", clean)
    assert found.answer == "pass" and found.estimate is not None
    assert found.estimate.high == pytest.approx(1 - 0.05 ** (1 / 400))
    some = [training([0.5] * 400, diverged_share=20 / 400)]
    low = answer("divergence:0.01", some).estimate
    assert low is not None
    assert low.low == pytest.approx(stats.binomtest(20, 400).proportion_ci(0.90, "exact").low)
    assert answer("divergence:0.01", some).answer == "fail"
    few = answer("divergence:0.01", [training([0.5] * 50)])
    assert few.answer == "undecided" and few.more_tasks is not None
    again = answer("divergence:0.01", [training([0.5] * (50 + few.more_tasks))])
    assert again.answer == "pass"
    assert answer("divergence:0.3", [*clean, training([], status="diverged")]).answer == "fail"


def test_undecided_says_how_many_more_tasks_would_decide() -> None:
    luck = random.Random(1)
    task = [luck.gauss(0, 0.4) for _ in range(50)]
    centre = statistics.fmean(task)
    task = [one - centre for one in task]

    def both(count: int) -> tuple[list[SealedRun], list[SealedRun]]:
        noise = [task[i % 50] for i in range(count)]
        return [training([0.7 + x for x in noise])], [training([0.7] * count)]

    found = answer("no-worse:0.05", *both(50))
    assert found.answer == "undecided" and found.more_tasks is not None
    assert found.more_seeds is None
    enough = answer("no-worse:0.05", *both(50 + round(1.2 * found.more_tasks)))
    assert enough.answer == "pass"
    assert answer("no-worse:0.05", *both(50 + found.more_tasks // 3)).answer == "undecided"


def test_where_seeds_scatter_it_asks_for_trainings_instead() -> None:
    mine = [training([0.70 + luck + 0.001 * (t % 2) for t in range(400)]) for luck in (0, 0.1)]
    theirs = [training([0.75] * 400), training([0.74] * 400)]
    found = answer("no-worse:0.03", mine, theirs)
    assert (found.answer, found.more_tasks) == ("undecided", None)
    assert found.more_seeds is not None and found.more_seeds > 2


def test_where_few_trainings_tell_little_of_their_scatter_it_asks_for_more_of_them() -> None:
    mine = [training([0.70 + luck + 0.001 * (t % 2) for t in range(400)]) for luck in (0, 0.08)]
    theirs = [training([0.60] * 400), training([0.60] * 400)]
    found = answer("no-worse:0", mine, theirs, error_rate=0.03)
    assert found.answer == "undecided"
    assert found.more_tasks is None and found.more_seeds is not None


def test_looks_share_five_per_cent_and_the_last_has_most_of_it() -> None:
    chances = [gates.error_rate(look, 4) for look in range(4)]
    assert sum(chances) == pytest.approx(0.05)
    assert chances == sorted(chances) and chances[-1] > 0.025
    assert gates.error_rate(0, 1) == 0.05


def test_what_is_undecided_counts_as_it_is_told() -> None:
    decided = answer("at-least:0.6", trainings(0.7))
    undecided = answer("better", trainings(0.7), trainings(0.7))
    assert undecided.answer == "undecided"
    assert not gates.passes([decided, undecided], "fail")
    assert gates.passes([decided, undecided], "pass")
    failed = answer("at-least:0.9", trainings(0.7))
    assert not gates.passes([decided, failed], "pass")


def test_wrong_answers_are_as_rare_as_promised() -> None:
    """A thousand gates with noise of tasks and of seeds, at the threshold itself."""
    luck, passed, failed = random.Random(5), 0, 0
    for _ in range(1000):
        task = [luck.gauss(0, 0.2) for _ in range(60)]

        def three(mean: float, task: list[float] = task) -> list[SealedRun]:
            return [
                training([mean + seed + t + luck.gauss(0, 0.05) for t in task])
                for seed in (luck.gauss(0, 0.02) for _ in range(3))
            ]

        found = answer("no-worse:0.03", three(0.67), three(0.70)).answer
        passed, failed = passed + (found == "pass"), failed + (found == "fail")
    assert passed <= 65 and failed <= 65  # 50 expected, and two standard errors


def test_each_has_the_noise_of_its_own_trainings() -> None:
    mine = [training([0.7 + luck] * 200) for luck in (-0.2, 0.0, 0.2)]
    theirs = [training([0.5] * 200) for _ in range(3)]
    beside, alone = answer("at-least:0.5", mine, theirs), answer("at-least:0.5", mine)
    assert beside.answer == alone.answer == "undecided"
    assert beside.estimate == alone.estimate
    candidate, baseline = with_noise(mine, theirs, Goals(True))
    assert baseline is not None and baseline.noise.variance == 0.0
    difference = answer("better", mine, theirs).estimate
    assert difference is not None
    assert difference.stderr == pytest.approx(0.2 / 3**0.5)  # √(0.2²/3 + 0²/3)
    one, other = with_noise(mine, theirs[:1], Goals(True))
    assert other is not None and one.noise == other.noise and other.noise.variance > 0


@pytest.mark.parametrize(("mine", "theirs"), [((0.03, 3), (0.005, 12)), ((0.03, 5), (0.003, 5))])
def test_unequal_scatter_keeps_the_promise(
    mine: tuple[float, int], theirs: tuple[float, int]
) -> None:
    """A thousand gates of a candidate that is no better: trainings scatter unlike the other's."""
    luck, wrong = random.Random(7), {"better": 0, "at-least:0.7": 0}

    def several(spread: float, count: int) -> list[SealedRun]:
        means = [0.7 + luck.gauss(0, spread) for _ in range(count)]
        return [training([mean + 0.01 * (t % 3 - 1) for t in range(30)]) for mean in means]

    for _ in range(1000):
        candidate, baseline = several(*mine), several(*theirs)
        for rule in wrong:
            wrong[rule] += answer(rule, candidate, baseline).answer == "pass"
    assert all(count <= 65 for count in wrong.values()), wrong


def test_an_exact_ratio_is_not_refused_by_rounding() -> None:
    for mine, theirs, bound in ((252, 180, "1.4"), (9, 5, "1.8"), (33, 30, "1.1")):
        found = answer(
            f"cost:adaptation_examples<={bound}x",
            trainings(0.7, adaptation_examples=mine),
            trainings(0.7, adaptation_examples=theirs),
        )
        assert found.answer == "pass", found


def test_a_margin_of_nothing_has_no_sign() -> None:
    found = answer("no-worse:0", trainings(0.7), trainings(0.5))
    assert found.answer == "pass" and "to be above or at +0.0" in found.why


def test_a_time_measured_once_decides_nothing() -> None:
    once = [training([0.5, 0.6], adaptation_milliseconds=9.0)]
    assert answer("cost:adaptation_milliseconds<=10", once).answer == "undecided"


def test_a_baseline_that_no_longer_trains_is_beaten_by_one_that_does() -> None:
    gone = [training([], status="diverged") for _ in range(3)]
    for rule in ("better", "no-worse:0.01"):
        found = answer(rule, trainings(0.5), gone)
        assert found.answer == "pass" and "every fresh training of the baseline" in found.why
    some = [*trainings(0.5), training([], status="diverged")]
    assert "1 of the baseline's 4 trainings did not" in answer("better", trainings(0.9), some).why


def test_a_share_between_two_numbers_of_tasks_is_rounded_to_both_sides() -> None:
    found = answer(
        "divergence:0.5", [training([0.5] * 3, diverged_share=share) for share in (0, 1 / 3)]
    )
    assert found.estimate is not None
    assert found.estimate.low == 0.0  # no task, or one: the lower limit is of none
    assert found.estimate.high == pytest.approx(
        stats.binomtest(1, 3).proportion_ci(0.90, "exact").high
    )


scores_by_task = st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6)
some_trainings = st.lists(scores_by_task, min_size=1, max_size=3)
MIRRORED = {
    "better": "better",
    "no-worse:0.05": "no-worse:0.05",
    "at-least:0.5": "at-least:-0.5",
    "divergence:0.2": "divergence:0.2",
    "cost:adaptation_examples<=1.5x": "cost:adaptation_examples<=1.5x",
}


@given(some_trainings, some_trainings, st.sampled_from(sorted(MIRRORED)))
@settings(deadline=None)
def test_an_accuracy_and_its_negative_as_an_error_are_answered_alike(
    mine: list[list[float]], theirs: list[list[float]], rule: str
) -> None:
    def runs(trained: list[list[float]], sign: int) -> list[SealedRun]:
        return [training([sign * s for s in scores], adaptation_examples=3) for scores in trained]

    accuracy = answer(rule, runs(mine, 1), runs(theirs, 1))
    error = answer(MIRRORED[rule], runs(mine, -1), runs(theirs, -1), maximize=False)
    assert accuracy.answer == error.answer
    assert (accuracy.more_tasks, accuracy.more_seeds) == (error.more_tasks, error.more_seeds)
    assert accuracy.estimate is not None and error.estimate is not None
    assert accuracy.estimate.stderr == error.estimate.stderr
    if not rule.startswith(("cost", "divergence")):
        limits = (-error.estimate.high, -error.estimate.low)
        assert (accuracy.estimate.low, accuracy.estimate.high) == limits


def test_more_tasks_help_what_is_undecided_unless_a_rule_fails_or_tasks_say_nothing_of_it() -> None:
    rules = [parse_rule(text) for text in ("better", "cost:adaptation_milliseconds<=11")]
    mine = [
        training(run.scores, adaptation_milliseconds=ms)
        for run, ms in zip(trainings(0.7), (10, 11, 12), strict=True)
    ]
    undecided, dear = answer("better", mine, mine), answer(rules[1].text, mine)
    assert (undecided.answer, dear.answer) == ("undecided", "undecided")
    assert gates.more_tasks_help([undecided, dear], rules)
    assert not gates.more_tasks_help([dear], rules[1:])
    failed = answer("better", trainings(0.1), trainings(0.7))
    assert not gates.more_tasks_help([failed, undecided], [rules[0], rules[0]])


def test_a_rule_that_somebody_adds_is_answered() -> None:
    with RULES.including(STEADY):
        assert answer("steady:0.1", trainings(0.7)).answer == "pass"
        assert answer("steady:0", trainings(0.7)).answer == "fail"
        assert answer("steady:0.1", [*trainings(0.7), training([], status="diverged")]).why == (
            "1 of 4 fresh trainings of the candidate diverged"
        )


def test_a_limit_that_is_cut_off_at_what_is_possible_gives_no_advice() -> None:
    goals = Goals(maximize=True, statistic="median", possible=(0.0, 1.0))
    mine = [training([0.0, 0.0, 0.5]), training([0.0] * 3), training([0.0] * 3)]
    candidate, _ = with_noise(mine, None, goals)
    evidence = Evidence(candidate, None, goals, "accuracy", 0.05)
    (answered,) = gates.judge(evidence, [parse_rule("at-least:0.3")])
    assert answered.answer in ("fail", "undecided")


def test_costs_have_no_limits_below_zero() -> None:
    mine = [training([0.5] * 3, adaptation_milliseconds=cost) for cost in (1.0, 30.0)]
    found = answer("cost:adaptation_milliseconds<=50", mine).estimate
    assert found is not None and found.low == 0.0
