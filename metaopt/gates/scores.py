"""Rules about scores: a loss, or a difference of losses, beside a threshold."""

from metaopt.estimation.intervals import Measured, score_of
from metaopt.gates.evidence import Evidence
from metaopt.gates.rule import RuleAnswer
from metaopt.gates.threshold import more_needed, side


def answer_mean(evidence: Evidence, threshold: float) -> RuleAnswer:
    """The candidate's mean loss beside a threshold."""
    return _answer(evidence, evidence.mean_loss(), threshold, paired=False, strictly=False)


def answer_difference(
    evidence: Evidence, threshold: float, *, strictly: bool = False
) -> RuleAnswer:
    """The candidate's loss minus the baseline's beside a threshold."""
    return _answer(evidence, evidence.excess_loss(), threshold, paired=True, strictly=strictly)


def _answer(
    evidence: Evidence, measured: Measured, threshold: float, *, paired: bool, strictly: bool
) -> RuleAnswer:
    interval = evidence.interval_of(measured)
    answer = side(interval, threshold, strictly=strictly)
    more_tasks, more_seeds = (
        more_needed(evidence.candidate, measured, interval, threshold)
        if answer == "undecided"
        else (None, None)
    )
    scores, limit = interval.scores(evidence.goals), score_of(threshold, evidence.goals)
    figures = evidence.figures
    shown = figures.difference if paired else figures.score
    subject = "candidate minus baseline" if paired else "mean score"
    wanted = figures.better_side if strictly else f"{figures.better_side} or at"
    why = f"{subject} {shown(scores.value)} {figures.limits(scores)}, to be {wanted} {shown(limit)}"
    why += _lost_trainings(evidence) if paired else ""
    return RuleAnswer(answer, why, scores, limit, more_tasks, more_seeds)


def _lost_trainings(evidence: Evidence) -> str:
    assert evidence.baseline is not None
    trainings = len(evidence.baseline.statuses)
    lost = trainings - evidence.baseline.seeds
    if not lost:
        return ""
    return f" ({lost} of the baseline's {trainings} trainings did not reach their end)"
