"""The history of a branch: what was asked, and what it came to.

Trials of different length cannot be compared by their last scores.  The models that are not
Optuna's compare them at one rung, the largest that enough trials have reached; whoever did not get
there, because it was pruned earlier or diverged, counts as worse than those who did.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from metaopt.errors import InvalidSearch
from metaopt.metaparams import Value

Params = dict[str, Value]

OUTCOMES = ("completed", "pruned", "paused", "diverged", "failed", "cancelled")
WITHOUT_A_WORD = ("failed", "cancelled")  # they say nothing about the trial's point
THE_END = 2**62  # meta-iteration of a completed trial where the caller does not say


@dataclass(frozen=True)
class End:
    """How a trial ended, or paused.

    Args:
        outcome: One of `OUTCOMES`.
        value: Its last score; finite where completed, pruned or paused.
        meta_iteration: Where that was measured.
        scores: Every score it had, by meta-iteration (rung).
        metrics: What else is known of it (`metaopt.goals`), measured last.
    """

    outcome: str
    value: float | None = None
    meta_iteration: int | None = None
    scores: Mapping[int, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def speaks(self) -> bool:
        """Return whether it says anything about the trial's point."""
        return self.outcome not in WITHOUT_A_WORD

    def score_at(self, rung: int) -> float | None:
        """Return its score at `rung`, if it got there and did not diverge later."""
        return None if self.outcome == "diverged" else self.scores.get(rung)


@dataclass(frozen=True)
class Asked:
    """A trial: its point, and its end unless it is running."""

    params: Params
    end: End | None = None


def common_rung(ends: Iterable[End], enough: int) -> int | None:
    """Return the largest rung that `enough` trials have reached, or else the one most have.

    Returns:
        A meta-iteration, or None where no trial has a score.
    Reference:
        Falkner, Klein & Hutter (2018), arXiv:1807.01774 (BOHB), section 3.2: model the largest
        budget for which enough observations are available.
    """
    counts: dict[int, int] = {}
    for end in ends:
        for rung in end.scores if end.outcome != "diverged" else ():
            counts[rung] = counts.get(rung, 0) + 1
    reached = [rung for rung, count in counts.items() if count >= enough]
    if reached:
        return max(reached)
    return max(counts, key=lambda rung: (counts[rung], rung), default=None)


def end_of(
    trial_number: int,
    outcome: str,
    value: float | None,
    meta_iteration: int | None,
    scores: Mapping[int, float] | None,
    metrics: Mapping[str, float] | None = None,
) -> End:
    """Return the end that a caller tells; the arguments are those of `BranchSearch.tell`.

    Raises:
        InvalidSearch: unknown outcome, score missing or not finite, no meta-iteration, or a metric
            that is not finite.
    """
    if outcome not in OUTCOMES:
        raise InvalidSearch(f"outcome must be one of {', '.join(OUTCOMES)}, got {outcome!r}")
    if outcome in WITHOUT_A_WORD:
        return End(outcome)
    known = dict(metrics or {})
    for name, metric in known.items():
        if not math.isfinite(metric):
            raise InvalidSearch(f"trial {trial_number}: {name} must be finite, got {metric}")
    if outcome == "diverged":
        return End(outcome, scores=dict(scores or {}), metrics=known)
    if value is None or not math.isfinite(value):
        raise InvalidSearch(f"trial {trial_number} {outcome} needs a finite score, got {value}")
    if outcome in ("pruned", "paused") and meta_iteration is None:
        raise InvalidSearch(f"trial {trial_number} {outcome} needs its meta_iteration")
    last = THE_END if meta_iteration is None else meta_iteration
    return End(outcome, value, meta_iteration, {**(scores or {}), last: value}, known)
