"""The words of gates."""

from service.wire.views.gate_report import GateAnswer, GateReport
from service.wire.views.judged import Estimate
from service.wire.words.gates import (
    LIMITS,
    gate_sentences,
    not_passed,
    reason,
    score_difference,
)
from tests.fakes.schedules import gates

ESTIMATE = Estimate(value=0.1, stderr=0.01, low=0.08, high=0.12)


def answer(rule: str, estimate: Estimate | None) -> GateAnswer:
    return GateAnswer(rule=rule, answer="pass", why="", estimate=estimate)


def test_the_difference_to_the_baseline_is_that_of_the_first_rule_that_compares_scores() -> None:
    cost = answer("cost:adaptation_examples<=1.1x", Estimate(value=1, stderr=0, low=1, high=1))
    alone = answer("at-least:0.5", Estimate(value=0.7, stderr=0, low=0.7, high=0.7))
    assert score_difference([cost, alone, answer("no-worse:0.1", ESTIMATE)]) == ESTIMATE
    assert score_difference([answer("better", None), answer("no-worse:0", ESTIMATE)]) == ESTIMATE
    assert score_difference([cost, alone]) is None


def test_a_rule_that_is_no_longer_there_is_left_out() -> None:
    assert score_difference([answer("steady:0.1", ESTIMATE)]) is None


def test_what_failed_and_what_nobody_could_decide_are_listed_apart() -> None:
    answers = [
        {"rule": rule, "answer": answer, "why": "so"}
        for rule, answer in [
            ("better", "undecided"), ("no-worse:1", "fail"), ("at-least:4", "pass"),
            ("divergence:0.1", "fail"),
        ]
    ]  # fmt: skip
    report = GateReport.model_validate({**gates(0.5), "passed": False, "answers": answers})
    assert not_passed(report) == "failed: no-worse:1, divergence:0.1; undecided: better"
    report = report.model_copy(update={"answers": report.answers[:1]})
    assert not_passed(report) == "undecided: better"
    assert list(gate_sentences(report))[1] == "undecided: better: so."


def test_the_limits_of_an_answer_are_said_to_be_one_sided_where_it_has_some() -> None:
    noisy = answer("no-worse:0.1", ESTIMATE).model_copy(
        update={"why": "+0.1 [0.08, 0.12]", "answer": "undecided", "more_tasks": 1200}
    )
    assert reason(noisy) == (
        f"+0.1 [0.08, 0.12] ({LIMITS}); about 1,200 more tasks would decide it"
    )
    exact = Estimate(value=1, stderr=0, low=1, high=1)
    assert LIMITS not in reason(answer("cost:adaptation_examples<=1.1x", exact))
    assert LIMITS not in reason(answer("better", None))
