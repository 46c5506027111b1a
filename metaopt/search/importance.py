"""Which parameters mattered: PED-ANOVA, and how sure that is by resampling the trials.

An importance from a few dozen trials is itself a noisy figure, so each comes with the middle
95 % of what it would have been had other trials of the same kind been drawn (percentile
bootstrap over trials).

PED-ANOVA compares the densities of a parameter among the best trials and among all, so it asks
of losses only which trials are the best: any order of the trials will do as values.
"""

import random
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from metaopt.metaparams import Value
from metaopt.search.distributions import distribution
from metaopt.search.space import Dimension

RESAMPLES = 100
LEAST_TRIALS = 8
LEAST_BEST = 5  # Optuna: "preferable to include at least 5 trials"
BEST_SHARE = 0.1


class Point(NamedTuple):
    """A trial as importance sees it; less is better."""

    params: Mapping[str, Value]
    value: float


class Share(NamedTuple):
    """A parameter's share of the importance, with the bounds of its 95 % interval."""

    share: float
    low: float
    high: float


def importances(
    space: Mapping[str, Dimension],
    points: Sequence[Point],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> dict[str, Share]:
    """Each parameter's share, greatest first; the shares add up to 1.

    A resample in which good and other trials cannot be told apart counts for nothing.  Points
    that lie outside the space (it may have been changed) are left out.

    Args:
        space: Two searched parameters or more.
        points: Trials; only the order of their values matters, ties are the same.
        seed: Of the resampling: the same points and seed give the same bits.
        resamples: How many.

    Returns:
        Nothing where fewer than `LEAST_TRIALS` points are left, or all are equally good.

    Reference:
        Watanabe, Bansal & Hutter (2023), arXiv:2304.10255; Efron & Tibshirani (1993), chapter 13.
    """
    distributions = {name: distribution(space[name]) for name in sorted(space)}
    made = (_trial(distributions, number, point) for number, point in enumerate(points))
    trials = [trial for trial in made if trial is not None]
    whole = _shares(trials) if len(trials) >= LEAST_TRIALS else None
    if whole is None:
        return {}
    draw = random.Random(seed)
    drawn = [_shares(draw.choices(trials, k=len(trials))) for _ in range(resamples)]
    telling = [shares for shares in drawn if shares is not None] or [whole]
    ordered = sorted(whole, key=lambda name: (-whole[name], name))
    return {name: _interval(whole[name], [shares[name] for shares in telling]) for name in ordered}


class _Drawn(optuna.Study):
    """A study of trials that were drawn: one that they are added to would copy each deeply."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        storage = optuna.storages.InMemoryStorage()
        storage.create_new_study([StudyDirection.MINIMIZE], "drawn")
        super().__init__("drawn", storage)
        self._drawn = list(trials)

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self._drawn


def _trial(
    distributions: dict[str, BaseDistribution], number: int, point: Point
) -> FrozenTrial | None:
    try:
        params = {name: point.params[name] for name in distributions}
        trial = create_trial(params=params, distributions=distributions, value=point.value)
    except (KeyError, ValueError):
        return None
    trial._trial_id = number  # by which the evaluator knows the best again
    return trial


def _shares(trials: Sequence[FrozenTrial]) -> dict[str, float] | None:
    values = [trial.values[0] for trial in trials]
    better = sum(value < max(values) for value in values)
    if better == 0:
        return None
    best = max(BEST_SHARE, min(0.5, LEAST_BEST / len(values)))
    best = min(best, (better - 0.5) / len(values))  # never all of them: half, for it is rounded up
    evaluated = PedAnovaImportanceEvaluator(target_quantile=best).evaluate(_Drawn(trials))
    total = sum(evaluated.values())
    return {name: value / total for name, value in evaluated.items()} if total > 0 else None


def _interval(share: float, resampled: Sequence[float]) -> Share:
    if len(resampled) < 2:
        return Share(share, share, share)
    low, high = (float(bound) for bound in np.quantile(resampled, (0.025, 0.975)))
    return Share(share, min(share, low), max(share, high))
