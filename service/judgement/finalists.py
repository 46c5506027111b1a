"""Finalists: which trials of a search are judged again; pure functions.

The best k by the search's score, and of the next ones, in their order, those that the search's
own tasks cannot tell from the k-th: the 95 % interval of the paired difference over tasks,

    d_t = x_t − y_t,   mean(d) ± t·√(Var_t(d) / T),

includes 0.  The first that can be told apart ends the list, and so does a cap.  The interval
holds the noise of tasks only (a search trains most trials once), so it is rather short.  Scores
of a trial that was trained again are means over its trainings.
"""

from collections.abc import Mapping, Sequence

from metaopt.evaluation.statistics import summarize


def rank_trials(trials: Sequence[tuple[int, float]]) -> list[int]:
    """The numbers of (trial_number, loss), best first; ties by number."""
    return [number for number, _ in sorted(trials, key=lambda trial: (trial[1], trial[0]))]


def borderline(ranked: Sequence[int], *, count: int, extra: int) -> Sequence[int]:
    """Return the trials whose scores by task decide who becomes an extra finalist."""
    return ranked[count - 1 : count + extra] if extra and len(ranked) > count else []


def choose_finalists(
    ranked: Sequence[int],
    *,
    count: int,
    extra: int = 0,
    scores: Mapping[int, Sequence[float]] | None = None,
) -> list[int]:
    """Return the finalists, best first.

    Args:
        ranked: Trial numbers, best first.
        count: How many are finalists by their rank.
        extra: Most that follow because they are tied with the last of those.
        scores: By task on one bank, of the trials that `borderline` names.
    """
    chosen = list(ranked[:count])
    known = scores or {}
    for number in borderline(ranked, count=count, extra=extra)[1:]:
        if not tied(known[number], known[ranked[count - 1]]):
            break
        chosen.append(number)
    return chosen


def tied(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether scores on the same tasks leave open which mean is better."""
    difference = summarize([x - y for x, y in zip(one, other, strict=True)])
    return difference.low <= 0.0 <= difference.high
