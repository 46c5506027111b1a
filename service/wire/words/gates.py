"""The answers of gates in words: the same on the command line, in reports and in CI."""

from collections.abc import Iterator, Sequence

from metaopt.errors import InvalidGate
from metaopt.gates.registry import parse_rule
from service.wire.views.gate_report import GateAnswer, GateReport
from service.wire.views.judged import Estimate
from service.wire.words import numbers

LIMITS = "one-sided limits of this look"
"""What is in brackets behind the estimate of an answer; scores have two-sided 95 % intervals."""


def outcome(gates: GateReport) -> str:
    """The answer of all gates together: passed, failed, or undecided."""
    if gates.passed:
        return "passed"
    answers = {answer.answer for answer in gates.answers}
    return "failed" if "fail" in answers else "undecided"


def not_passed(gates: GateReport) -> str:
    """The rules that failed, and apart from them those that nobody could decide."""
    words = {"fail": "failed", "undecided": "undecided"}
    rules = {kind: [a.rule for a in gates.answers if a.answer == kind] for kind in words}
    return "; ".join(f"{words[kind]}: {', '.join(some)}" for kind, some in rules.items() if some)


def gate_sentences(gates: GateReport) -> Iterator[str]:
    """What was compared with what, each rule's answer, and what became of the candidate."""
    yield f"Gates {outcome(gates)}: {compared(gates)}."
    for answer in gates.answers:
        yield f"{answer.answer}: {answer.rule}: {reason(answer)}."
    if len(gates.answers) > 1:
        yield all_together(len(gates.answers))
    yield from promotion(gates)


def all_together(rules: int) -> str:
    """How sure the answers to several rules are together."""
    return (
        f"The chance of a wrong fail is at most 5 % for each of the {rules} rules, and "
        f"{min(100, 5 * rules)} % for one or more of them; that all pass though one should not, at "
        "most 5 %."
    )


def promotion(gates: GateReport) -> Iterator[str]:
    """The version that the candidate has become, or why it has become none though it was to."""
    if gates.promoted is not None:
        yield f"The candidate is now {gates.promoted}."
    if gates.not_promoted is not None:
        yield f"The candidate was not promoted: {gates.not_promoted}."


def compared(gates: GateReport) -> str:
    """Who was judged, beside whom, on what."""
    candidate = f"trial {gates.trial_number}, trained afresh {numbers.times(gates.seeds)}"
    beside = ""
    if gates.baseline_name is not None and gates.baseline is not None:
        how = "stored scores" if gates.baseline.stored else "trained afresh too"
        beside = f", beside {gates.baseline_name} ({how})"
    looks = f" in {gates.looks} looks" if gates.looks > 1 else ""
    return f"{candidate}{beside}, on {gates.tasks} tasks of the gate bank{looks}"


def reason(answer: GateAnswer) -> str:
    """Why a rule was answered so, what its limits are, and what would decide it."""
    noisy = answer.estimate is not None and answer.estimate.stderr > 0.0
    return f"{answer.why}{f' ({LIMITS})' if noisy else ''}{_more(answer)}"


def score_difference(answers: Sequence[GateAnswer]) -> Estimate | None:
    """Candidate minus baseline as the first rule that compares their scores estimated it."""
    for answer in answers:
        if answer.estimate is not None and _compares_scores(answer.rule):
            return answer.estimate
    return None


def _more(answer: GateAnswer) -> str:
    """How many more tasks or trainings would decide an undecided rule."""
    if answer.answer != "undecided":
        return ""
    if answer.more_tasks is not None:
        return f"; about {answer.more_tasks:,} more tasks would decide it"
    if answer.more_seeds is not None:
        return (
            "; training scatters too much for more tasks to help, about "
            f"{answer.more_seeds:,} more of gates.seeds would decide it"
        )
    return ""


def _compares_scores(rule: str) -> bool:
    try:
        return parse_rule(rule).kind.compares_scores
    except InvalidGate:  # answered by a rule that is no longer there
        return False
