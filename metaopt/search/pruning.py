"""Pruning: which trials are not worth more meta-iterations.

Decisions are pure functions of the scores at one rung (a meta-iteration at which every trial of
a branch is scored on the same tasks).  They are taken asynchronously: a trial is judged when it
arrives, against those that came before it, and nobody waits for a rung to fill.
"""

import math
from collections.abc import Sequence
from statistics import median

from metaopt.errors import InvalidSearch

PRUNERS = ("none", "median", "successive_halving")


def should_prune(
    kind: str,
    *,
    score: float,
    peers: Sequence[float],
    maximize: bool,
    reduction: int,
    startup_trials: int,
) -> bool:
    """Return whether a trial that scored `score` at a rung should stop there.

    "median" stops a trial that is worse than the median of n peers once n > startup_trials.
    "successive_halving" keeps it iff it is among the best max(1, ⌊n / reduction⌋) of n; a tie
    with the last one kept is kept.

    Args:
        kind: "none", "median" or "successive_halving".
        score: Finite score of this trial at the rung.
        peers: Finite scores of all trials of the branch that reached the rung, this one included.
        maximize: Whether a higher score is better.
        reduction: η >= 2; one of η trials goes on.
        startup_trials: Peers before "median" judges at all.

    Raises:
        InvalidSearch: unknown kind, score not finite or not among peers, reduction < 2.
    Reference:
        Li et al. (2018), arXiv:1810.05934 (ASHA), Algorithm 2.
    """
    _check(kind, score, peers, reduction)
    losses = sorted(-peer if maximize else peer for peer in peers)
    loss = -score if maximize else score
    if kind == "median":
        return len(peers) > startup_trials and loss > median(losses)
    if kind == "successive_halving":
        return loss > losses[max(1, len(losses) // reduction) - 1]
    return False


def kept_share(kind: str, reduction: int) -> float:
    """Return which share of many trials goes on from a rung, about."""
    if kind in ("successive_halving", "asha"):
        return 1 / reduction
    return 1.0 if kind == "none" else 0.5


def _check(kind: str, score: float, peers: Sequence[float], reduction: int) -> None:
    if kind not in PRUNERS:
        raise InvalidSearch(f"pruning must be one of {', '.join(PRUNERS)}, got {kind!r}")
    if reduction < 2:
        raise InvalidSearch(f"reduction must be >= 2, got {reduction}")
    if not all(math.isfinite(peer) for peer in peers):
        raise InvalidSearch("scores of a rung must be finite")
    if score not in peers:
        raise InvalidSearch(f"peers must include the trial's own score {score!r}")
