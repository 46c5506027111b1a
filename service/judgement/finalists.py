"""Finalists: which trials of a search are judged again; pure functions.

The best k of each branch by the search's loss, or the best k of all, and of the next ones, in their
order, those that the search's own tasks cannot tell from the k-th: the 95 % interval of the paired
difference of the study's statistic over tasks (`metaopt.estimation.statistics.difference`) includes
0.  The first that can be told apart ends the list, and so does a cap.  The interval covers task
noise, not seed noise: most trials are trained once.  It is therefore too narrow.
Scores of a trial that was trained again are means over its trainings.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from metaopt.estimation.statistics import difference
from metaopt.goals import Statistic


def rank_trials(trials: Sequence[tuple[int, float]]) -> list[int]:
    """Trial numbers of (trial_number, loss), the lowest loss first; ties by number."""
    ranked = sorted(trials, key=lambda trial: (trial[1], trial[0]))
    return [trial_number for trial_number, _ in ranked]


def best_of_each(ranked: Sequence[int], branch_of: Mapping[int, str], count: int) -> list[int]:
    """The `count` best of each branch, in the order of all.

    Args:
        ranked: Trial numbers, best first.
        branch_of: The branch of each.
    """
    taken: Counter[str] = Counter()
    chosen = []
    for trial_number in ranked:
        branch = branch_of[trial_number]
        if taken[branch] < count:
            taken[branch] += 1
            chosen.append(trial_number)
    return chosen


def borderline(ranked: Sequence[int], *, count: int, extra: int) -> Sequence[int]:
    """The trials whose scores by task decide who becomes an extra finalist."""
    return ranked[count - 1 : count + extra] if extra and len(ranked) > count else []


def choose_finalists(
    ranked: Sequence[int],
    *,
    count: int,
    extra: int = 0,
    scores: Mapping[int, Sequence[float]] | None = None,
    statistic: Statistic = "mean",
) -> list[int]:
    """Trial numbers of the finalists, best first.

    Args:
        ranked: Trial numbers, best first.
        count: How many are finalists by their rank.
        extra: Most that follow because they are tied with the last of those.
        scores: By task on one bank, of the trials that `borderline` names.
        statistic: What the study judges by.
    """
    chosen, by_trial = list(ranked[:count]), scores or {}
    for trial_number in borderline(ranked, count=count, extra=extra)[1:]:
        if not tied(by_trial[trial_number], by_trial[ranked[count - 1]], statistic):
            break
        chosen.append(trial_number)
    return chosen


def tied(scores: Sequence[float], others: Sequence[float], statistic: Statistic = "mean") -> bool:
    """Whether scores on the same tasks leave open which statistic is better."""
    gap = difference(scores, others, statistic)
    return gap.low <= 0.0 <= gap.high
