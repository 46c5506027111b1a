"""The history of a branch: what was asked, and what it came to.

Trials of different length cannot be compared by their last losses.  The models that are not
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
NO_EVIDENCE = ("failed", "cancelled")  # these say nothing about the trial's point
LARGEST_LOSS = 1e100  # models square losses; beyond it they are as bad as any
THE_END = 2**62  # meta-iteration of a completed trial where the caller does not say


@dataclass(frozen=True)
class End:
    """How a trial ended, or paused.

    Args:
        outcome: One of `OUTCOMES`.
        loss: Its last one, less is better; finite where completed, pruned or paused.
        meta_iteration: Where that was measured.
        losses: All that it had, by meta-iteration (rung).
        metrics: What else was measured of it (`metaopt.goals`), as of its last loss.
    """

    outcome: str
    loss: float | None = None
    meta_iteration: int | None = None
    losses: Mapping[int, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def informative(self) -> bool:
        """Whether it says anything about the trial's point."""
        return self.outcome not in NO_EVIDENCE

    def loss_at(self, rung: int) -> float | None:
        """Its loss at `rung`, if it got there and did not diverge later."""
        return None if self.outcome == "diverged" else self.losses.get(rung)


@dataclass(frozen=True)
class TrialRecord:
    """A trial: its point, and its end unless it is running."""

    params: Params
    end: End | None = None


def common_rung(ends: Iterable[End], enough: int) -> int | None:
    """The largest rung that `enough` trials have reached, or else the one that most have.

    None where no trial has a loss.

    Reference:
        Falkner, Klein & Hutter (2018), arXiv:1807.01774 (BOHB), section 3.2: model the largest
        budget for which enough observations are available.
    """
    counts: dict[int, int] = {}
    for end in ends:
        for rung in end.losses if end.outcome != "diverged" else ():
            counts[rung] = counts.get(rung, 0) + 1
    reached = [rung for rung, count in counts.items() if count >= enough]
    if reached:
        return max(reached)
    return max(counts, key=lambda rung: (counts[rung], rung), default=None)


def end_of(
    trial_number: int,
    outcome: str,
    loss: float | None,
    meta_iteration: int | None,
    losses: Mapping[int, float] | None,
    metrics: Mapping[str, float] | None = None,
) -> End:
    """The end that a caller tells, checked; the arguments are those of `BranchSearch.tell`.

    Raises:
        InvalidSearch: unknown outcome, loss missing or not finite, no meta-iteration, or a metric
            that is not finite.
    """
    if outcome not in OUTCOMES:
        raise InvalidSearch(f"outcome must be one of {', '.join(OUTCOMES)}, got {outcome!r}")
    if outcome in NO_EVIDENCE:
        return End(outcome)
    measured = dict(metrics or {})
    for name, metric in measured.items():
        if not math.isfinite(metric):
            raise InvalidSearch(f"trial {trial_number}: {name} must be finite, got {metric}")
    if outcome == "diverged":
        return End(outcome, losses=dict(losses or {}), metrics=measured)
    if loss is None or not math.isfinite(loss):
        raise InvalidSearch(f"trial {trial_number} {outcome} needs a finite loss, got {loss}")
    if outcome in ("pruned", "paused") and meta_iteration is None:
        raise InvalidSearch(f"trial {trial_number} {outcome} needs its meta_iteration")
    last = THE_END if meta_iteration is None else meta_iteration
    every = {rung: _bounded(at_rung) for rung, at_rung in {**(losses or {}), last: loss}.items()}
    return End(outcome, _bounded(loss), meta_iteration, every, measured)


def _bounded(loss: float) -> float:
    return max(-LARGEST_LOSS, min(LARGEST_LOSS, loss))
