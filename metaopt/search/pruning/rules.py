"""Pruning: which trials are not worth more meta-iterations.

Decisions are pure functions of the scores at one rung (a meta-iteration at which every trial of
a branch is scored on the same tasks).  They are taken asynchronously: a trial is judged when it
arrives, against those that came before it, and nobody waits for a rung to fill.
"""

import math
from collections.abc import Sequence
from statistics import median

from metaopt.errors import InvalidSearch
from metaopt.keys import key

PRUNERS = ("none", "median", "percentile", "successive_halving", "hyperband")


def should_prune(
    kind: str,
    *,
    score: float,
    peers: Sequence[float],
    maximize: bool,
    reduction: int,
    startup_trials: int,
    percentile: float = 25.0,
) -> bool:
    """Return whether a trial that scored `score` at a rung should stop there.

    "median" stops a trial that is worse than the median of n peers once n > startup_trials.
    "percentile" likewise stops one that is not among the best `percentile` % of them: worse than
    that quantile of their scores, interpolated linearly; at 50 it is "median".
    "successive_halving" keeps it iff it is among the best max(1, ⌊n / reduction⌋) of n; a tie
    with the last one kept is kept.  "hyperband" does the same among the trials of one bracket, at
    the rungs from the bracket's first on: see `hyperband_bracket`.

    Args:
        kind: One of `PRUNERS`.
        score: Finite score of this trial at the rung.
        peers: Finite scores of all trials of the branch (hyperband: of the bracket) that reached
            the rung, this one included.
        maximize: Whether a higher score is better.
        reduction: η >= 2; one of η trials goes on.
        startup_trials: Peers before "median" and "percentile" judge at all.
        percentile: Share that goes on under "percentile", in %, 0 < percentile < 100.

    Raises:
        InvalidSearch: unknown kind, score not finite or not among peers, reduction < 2, percentile
            out of range.
    Reference:
        Li et al. (2018), arXiv:1810.05934 (ASHA), Algorithm 2.
    """
    _check(kind, score, peers, reduction, percentile)
    losses = sorted(-peer if maximize else peer for peer in peers)
    loss = -score if maximize else score
    if kind == "median":
        return len(peers) > startup_trials and loss > median(losses)
    if kind == "percentile":
        return len(peers) > startup_trials and loss > _quantile(losses, percentile / 100)
    if kind in ("successive_halving", "hyperband"):
        return loss > losses[max(1, len(losses) // reduction) - 1]
    return False


def hyperband_bracket(trial_number: int, *, rungs: int, reduction: int) -> int:
    """Return which bracket of Hyperband a trial is in.

    Bracket s judges its trials among themselves from rung s on (counted from 0), so the trials of
    bracket 0 may stop first, and those of the last bracket, number `rungs`, run to their end: a
    score at a low rung that says nothing about the end cannot spoil the whole search.  A trial's
    bracket is drawn by its number, with Hyperband's shares: bracket s gets them in proportion to
    ⌈(S+1) η^(S−s) / (S−s+1)⌉, where S = `rungs`.

    Args:
        trial_number: >= 0.
        rungs: Rungs below the budget; without any there is one bracket that never prunes.
        reduction: η >= 2.

    Returns:
        0 <= s <= `rungs`.
    Reference:
        Li et al. (2017), arXiv:1603.06560, Algorithm 1; drawn by number as in Optuna's
        HyperbandPruner, whose first rungs are η apart as ours should be.
    """
    shares = [
        math.ceil((rungs + 1) * reduction ** (rungs - s) / (rungs - s + 1))
        for s in range(rungs + 1)
    ]
    drawn = key("hyperband", trial_number) % sum(shares)
    for bracket, share in enumerate(shares):
        if drawn < share:
            return bracket
        drawn -= share
    raise AssertionError("the shares sum up to more than what is drawn")


def kept_share(kind: str, reduction: int, percentile: float = 25.0) -> float:
    """Return which share of many trials goes on from a rung, about."""
    shares = {"none": 1.0, "median": 0.5, "race": 0.5, "percentile": percentile / 100}
    return shares.get(kind, 1 / reduction)


def _quantile(rising: Sequence[float], share: float) -> float:
    place = share * (len(rising) - 1)
    low = math.floor(place)
    high = min(low + 1, len(rising) - 1)
    return rising[low] + (place - low) * (rising[high] - rising[low])


def _check(
    kind: str, score: float, peers: Sequence[float], reduction: int, percentile: float
) -> None:
    if kind not in PRUNERS:
        raise InvalidSearch(f"pruning must be one of {', '.join(PRUNERS)}, got {kind!r}")
    if reduction < 2:
        raise InvalidSearch(f"reduction must be >= 2, got {reduction}")
    if not 0 < percentile < 100:
        raise InvalidSearch(f"percentile must be between 0 and 100, got {percentile:g}")
    if not all(math.isfinite(peer) for peer in peers):
        raise InvalidSearch("scores of a rung must be finite")
    if score not in peers:
        raise InvalidSearch(f"peers must include the trial's own score {score!r}")
