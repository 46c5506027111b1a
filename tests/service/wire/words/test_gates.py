"""The words of gates."""

from service.wire.views.gate_report import GateAnswer
from service.wire.views.judged import Estimate
from service.wire.words.gates import score_difference

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
