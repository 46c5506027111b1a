"""How much of the variation of trials' places goes with a parameter, or with a pair of them.

Trials are ranked.  A parameter's basis is the first cosines of its own ranks, and its effect is the
share of the variance of the places (as normal scores) that the basis explains, beyond what others
that seem to matter do.  A pair's effect is that of the products of two bases: what neither explains
alone.  So the variance is split as by a functional ANOVA.

Under the null a parameter is idle.  It is had by permuting the parameter's values over the trials,

    within blocks       of `BLOCK` trials in the order in which they were asked for.  A sampler that
                        learns drifts while the places improve, so that over a whole search even
                        idle values go with places; within a short stretch they hardly do
    beside the others   that seem to matter: their part of the variance is taken out first.  Such a
                        sampler draws parameters together, so that near a good trial all are near

An idle parameter's values are exchangeable if they were drawn at random, whatever the others do;
`benchmarks/importances.py` measures how far that goes for samplers that learn.

Shape letters: N trials, M functions of a basis, B permutations, R resamples, K functions of others.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc, ndtri

from metaopt.search.bases import (
    Array,
    Integers,
    centred,
    functions_of,
    orthonormal,
    ranks,
    residual,
)

BLOCK = 10  # trials
SCREEN = 0.05  # how likely an idle parameter seems to matter
MOST_FUNCTIONS = 5
WEAK = 1e-3  # of the variance of a basis: what keeps least squares solvable
ROUNDING = 1e-9

Pair = tuple[int, int]


class Trials(NamedTuple):
    """Trials in the order in which they were asked for.

    Args:
        blocks: (N,), rising: which stretch of the search.
        scores: (N,), normal scores of the places, of mean 0 in each block and variance 1.
        bases: By parameter, (N, M): orthonormal, of mean 0 in each block.
        paired: By parameter, how many functions of its basis pairs make products of.
        matter: Parameters that seem to matter.
    """

    blocks: Integers
    scores: Array
    bases: list[Array]
    paired: list[int]
    matter: list[int]


class Effect(NamedTuple):
    """A share of the variance, less what chance explains on average.

    Args:
        share: About 0 where there is no effect.
        limit: What a share must exceed to be more than chance.
        resampled: (R,), as the share varies with the trials.
    """

    share: float
    limit: float
    resampled: Array


class Draws(NamedTuple):
    """What chance is measured by.

    Args:
        orders: (B, N) permutations of the trials within their blocks.
        weights: (R, N), how often each trial is in a resample.
        level: The chance that the share of an idle parameter alone, and the chance that any of
            its pairs', exceeds its limit; 1 / (B + 1) at least.
    """

    orders: Integers
    weights: Array
    level: float


def trials_of(
    columns: Sequence[Sequence[float]], unordered: Sequence[bool], places: Sequence[float]
) -> Trials | None:
    """What effects are computed from; None where no place differs from others of its block.

    Args:
        columns: By parameter, its N values.
        unordered: By parameter, whether its values have no order.
        places: N, less is better.
    """
    count = len(places)
    blocks = np.arange(count) * max(1, round(count / BLOCK)) // count
    scores = centred(ndtri(ranks(np.asarray(places)))[:, None], blocks)[:, 0]
    if scores.std() < ROUNDING:
        return None
    scores = scores / scores.std()
    most = min(MOST_FUNCTIONS, max(2, round(count ** (1 / 3)) - 1))
    values = [np.asarray(column, dtype=np.float64) for column in columns]
    functions = [functions_of(x, kind, most) for x, kind in zip(values, unordered, strict=True)]
    bases = [orthonormal(centred(own, blocks)) for own in functions]
    paired = [
        basis.shape[1] if kind else min(basis.shape[1], max(2, most - 1))
        for basis, kind in zip(bases, unordered, strict=True)
    ]
    return Trials(blocks, scores, bases, paired, _seem_to_matter(bases, scores))


def draws_of(blocks: Integers, level: float, resamples: int, *, least: int, seed: int) -> Draws:
    """Permutations, `least` or as many as `level` needs, and resamples."""
    luck = np.random.default_rng(seed)
    count = len(blocks)
    permutations = max(least, math.ceil(1 / level))
    orders = np.argsort(blocks + luck.random((permutations, count)), axis=1)
    weights = luck.multinomial(count, np.full(count, 1 / count), size=resamples)
    return Draws(orders, weights.astype(np.float64), level)


def effects(trials: Trials, draws: Draws) -> tuple[list[Effect], dict[Pair, Effect]]:
    """The effect of each parameter alone, and of each pair beyond those of its two.

    Either parameter of a pair may be the idle one, so each is permuted and the greater limit holds.
    """
    rest = residual(trials.scores[:, None], _joined(trials, trials.matter))[:, 0]
    rest = centred(rest[:, None], trials.blocks)[:, 0]
    alone, nulls = [], {}
    for j, basis in enumerate(trials.bases):
        # (M, B, N), in this order in memory, too: all that follows takes half as long.
        moved = np.take(np.ascontiguousarray(basis.T), draws.orders, axis=1)
        alone.append(_effect_alone(trials, j, moved, draws))
        others = [k for k in range(len(trials.bases)) if k != j]
        fixed = [trials.bases[k][:, : trials.paired[k]] * rest[:, None] for k in others]
        limits = _limits_of_pairs(moved[: trials.paired[j]], fixed, draws.level)
        nulls.update({(j, k): limit for k, limit in zip(others, limits, strict=True)})
    pairs = [(j, k) for j, k in nulls if j < k]
    return alone, {
        (j, k): _effect_together(trials, (j, k), rest, (nulls[j, k], nulls[k, j]), draws)
        for j, k in pairs
    }


def _effect_alone(trials: Trials, parameter: int, moved: Array, draws: Draws) -> Effect:
    others = _joined(trials, [k for k in trials.matter if k != parameter])
    left = residual(trials.scores[:, None], others)[:, 0]
    basis = trials.bases[parameter]
    share = float(_explained(basis.T[:, None], left, others)[0])
    null = _explained(moved, left, others)
    resampled = _resampled(residual(basis, others), left, draws.weights)
    bounds = float(null.mean()), _critical(null, draws.level)
    return _effect(share, *bounds, float(left.var()), resampled)


def _explained(moved: Array, left: Array, others: Array) -> Array:
    """(B,) variance of `left` that functions explain beyond what the others do, least squares.

    Args:
        moved: (M, B, N).
        left: (N,), residual of the others.
        others: (N, K), orthonormal.
    """
    count = len(left)
    products = (moved @ left).T / count  # (B, M)
    shared = np.moveaxis(moved @ others, 0, 1) / count  # (B, M, K)
    gram = (1 + WEAK) * np.eye(len(moved)) - shared @ np.swapaxes(shared, 1, 2)
    explained: Array = (products * np.linalg.solve(gram, products[..., None])[..., 0]).sum(1)
    return explained


def _limits_of_pairs(
    moved: Array, fixed: Sequence[Array], level: float
) -> list[tuple[float, float]]:
    """Mean and limit of the share of each pair of an idle parameter, which are tested together.

    The limit is that of the greatest standardised share of each permutation.

    Args:
        moved: (M, B, N), the parameter's basis permuted.
        fixed: By other parameter, (N, M), its basis times the scores.
    """
    if not fixed:
        return []
    null = np.stack([(((moved @ own) / len(own)) ** 2).sum((0, 2)) for own in fixed])
    mean, spread = null.mean(1), np.maximum(null.std(1), ROUNDING)
    critical = _critical(((null - mean[:, None]) / spread[:, None]).max(0), level)
    return [(float(m), float(m + critical * s)) for m, s in zip(mean, spread, strict=True)]


def _effect_together(
    trials: Trials,
    pair: Pair,
    rest: Array,
    nulls: tuple[tuple[float, float], tuple[float, float]],
    draws: Draws,
) -> Effect:
    first, second = (trials.bases[j][:, : trials.paired[j]] for j in pair)
    products = (first[:, :, None] * second[:, None, :]).reshape(len(rest), -1)
    share = float(((products.T @ rest / len(rest)) ** 2).sum())
    mean, limit = (max(bounds) for bounds in zip(*nulls, strict=True))
    resampled = _resampled(products, rest, draws.weights)
    return _effect(share, mean, limit, float(rest.var()), resampled)


def _effect(share: float, expected: float, limit: float, left: float, resampled: Array) -> Effect:
    """Less what chance explains of what is left, as an adjusted R² is.

    Resampled shares hold chance twice, so they are moved to lie around the share.
    """
    scale = 1 / max(1 - expected / max(left, ROUNDING), ROUNDING)
    above = (share - expected) * scale
    return Effect(above, (limit - expected) * scale, resampled - resampled.mean() + above)


def _critical(null: Array, level: float) -> float:
    """What a share `level` of permutations, the trials' own order among them, exceeds at most."""
    above = math.floor(level * (len(null) + 1) + ROUNDING)
    return float(np.partition(null, -above)[-above]) + ROUNDING


def _resampled(basis: Array, scores: Array, weights: Array) -> Array:
    """The variance of the scores that the basis explains in each resample, by least squares."""
    count, functions = basis.shape
    squares = (basis[:, :, None] * basis[:, None, :]).reshape(count, -1)
    gram = (weights @ squares).reshape(len(weights), functions, functions) / count
    products = (weights @ (basis * scores[:, None])) / count
    gram = gram + WEAK * np.eye(functions)
    explained: Array = (products * np.linalg.solve(gram, products[..., None])[..., 0]).sum(1)
    return explained


def _seem_to_matter(bases: Sequence[Array], scores: Array) -> list[int]:
    """Parameters by forward selection, each by what those before it leave of the scores."""
    chosen: list[int] = []
    left = scores[:, None]
    while len(chosen) < len(bases):
        rest = [j for j in range(len(bases)) if j not in chosen]
        chances = [_chance(bases[j], left[:, 0]) for j in rest]
        if min(chances) > SCREEN:
            break
        chosen.append(rest[int(np.argmin(chances))])
        left = residual(scores[:, None], orthonormal(np.hstack([bases[j] for j in chosen])))
    return chosen


def _chance(basis: Array, scores: Array) -> float:
    """How likely scores go with the basis of an idle parameter as much as these (chi square)."""
    statistic = ((basis.T @ scores) ** 2).sum() / max((scores**2).sum(), ROUNDING)
    return float(chdtrc(basis.shape[1], statistic)) if basis.shape[1] else 1.0


def _joined(trials: Trials, parameters: Sequence[int]) -> Array:
    """The bases of parameters as a single one, (N, K)."""
    none = np.empty((len(trials.scores), 0))
    return orthonormal(np.hstack([none, *(trials.bases[j] for j in parameters)]))
