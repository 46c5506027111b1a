"""Which parameters mattered, alone or as pairs, and which no more than chance would have it.

A parameter's share is how much of the variation of the trials' places goes with it: alone, and
half of what goes with each pair that it is in.  Shares are less what chance explains on average,
so they do not add up to 1: the rest is noise, and what is no more than chance.

A share counts as more than chance where it exceeds a limit that shares of idle parameters (alone
or in any pair) exceed in at most `ERROR_RATE` of studies: half of the rate goes to parameters
alone and half to pairs, each evenly over the parameters (Bonferroni).

Only the order of the trials' values matters: any order will do as values.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from metaopt.metaparams import Value
from metaopt.search.space import Choice, Dimension, contains
from metaopt.search.variation import Effect, Pair, draws_of, effects, trials_of

RESAMPLES = 200
ERROR_RATE = 0.04  # 0.05 is promised: samplers that learn add a little
PERMUTATIONS = 999


class Point(NamedTuple):
    """A trial as importance sees it; less is better."""

    params: Mapping[str, Value]
    value: float


class Share(NamedTuple):
    """A share of the variation, with its 95 % interval.

    `chance` is what a share alone must exceed to be more than chance; one that is not has an
    interval from 0.
    """

    share: float
    low: float
    high: float
    chance: float
    more_than_chance: bool


class Importances(NamedTuple):
    """What mattered: those that are more than chance first, then the greatest share.

    `pairs` has only those that are more than chance; `permutations` is how many that is from.
    """

    parameters: dict[str, Share]
    pairs: dict[tuple[str, str], Share]
    permutations: int


def least_trials(parameters: int) -> int:
    """Trials from which a strong effect is told from chance in about nine studies of ten.

    Strong is one that explains three quarters of the variation; measured with four parameters by
    `benchmarks/importances.py`.
    """
    return 12 + 2 * parameters


def importances(
    space: Mapping[str, Dimension],
    points: Sequence[Point],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Importances | None:
    """Each parameter's share, and the pairs that are more than chance.

    Points that lie outside the space (it may have been changed) are left out.

    Args:
        space: One searched parameter or more.
        points: Trials in the order in which they were asked for; ties are the same.
        seed: Of permutations and resampling: the same points and seed give the same bits.
        resamples: How many.

    Returns:
        None where fewer than `least_trials` points are left, or all are equally good.

    Reference:
        Hooker (2007), doi:10.1198/106186007X237892 (functional ANOVA of dependent inputs);
        Draper & Stoneman (1966), Technometrics 8(4) (permuting a variable beside others);
        Westfall & Young (1993), Resampling-Based Multiple Testing (the greatest of several);
        Owen (2014), doi:10.1137/130936233 (a pair's part is half of either's).
    """
    names = sorted(space)
    inside = [point for point in points if _lies_in(space, point)]
    if not names or len(inside) < least_trials(len(names)):
        return None
    trials = trials_of(
        [_column(space[name], [point.params[name] for point in inside]) for name in names],
        [isinstance(space[name], Choice) for name in names],
        [point.value for point in inside],
    )
    if trials is None:
        return None
    level = ERROR_RATE / len(names) / (2 if len(names) > 1 else 1)
    draws = draws_of(trials.blocks, level, resamples, least=PERMUTATIONS, seed=seed)
    alone, together = effects(trials, draws)
    named = {pair: effect for pair, effect in together.items() if effect.share > effect.limit}
    return _ordered(names, alone, named, len(draws.orders))


def _ordered(
    names: Sequence[str],
    alone: Sequence[Effect],
    together: Mapping[Pair, Effect],
    permutations: int,
) -> Importances:
    shares = {
        name: _share(effect, [e for pair, e in together.items() if j in pair])
        for j, (name, effect) in enumerate(zip(names, alone, strict=True))
    }
    pairs = {(names[a], names[b]): _share(effect, []) for (a, b), effect in together.items()}
    return Importances(
        dict(sorted(shares.items(), key=lambda s: (not s[1].more_than_chance, -s[1].share, s[0]))),
        dict(sorted(pairs.items(), key=lambda s: (-s[1].share, s[0]))),
        permutations,
    )


def _share(own: Effect, pairs: Sequence[Effect]) -> Share:
    """An effect with half of the effects of pairs."""
    share = max(0.0, own.share) + sum(pair.share for pair in pairs) / 2
    resampled = own.resampled + sum(pair.resampled for pair in pairs) / 2
    low, high = np.clip(np.quantile(resampled, (0.025, 0.975)), 0.0, 1.0).tolist()
    more = own.share > own.limit or bool(pairs)
    share = min(share, 1.0)
    return Share(share, min(low, share) if more else 0.0, max(high, share), own.limit, more)


def _lies_in(space: Mapping[str, Dimension], point: Point) -> bool:
    return all(name in point.params and contains(space[name], point.params[name]) for name in space)


def _column(dimension: Dimension, values: Sequence[Value]) -> list[float]:
    if isinstance(dimension, Choice):
        return [float(dimension.choices.index(value)) for value in values]
    return [float(value) for value in values]
