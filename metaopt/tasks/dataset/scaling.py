"""Means and standard deviations of the examples for meta-training, and of no others.

Computed in float64 in two passes: μ = Σ x / n, σ² = Σ (x − μ)² / n, over all of a channel's pixels,
or over a feature.  What is constant has σ = 1: it becomes 0 and stays finite where it is not.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metaopt.data.raw.preparation import Moments

Floats = NDArray[np.float64]

_WIDENED = 2**22  # values that are float64 at a time: 32 MiB


class Scaling(NamedTuple):
    """Means μ and deviations σ by channel or feature (C,); x becomes (x − μ) / σ."""

    mean: Floats
    deviation: Floats

    def apply(self, x: NDArray[Any]) -> Floats:
        """(x − μ) / σ in float64, of arrays (N, C, …)."""
        channels = (-1, *[1] * (x.ndim - 2))
        mean, deviation = self.mean.reshape(channels), self.deviation.reshape(channels)
        scaled: Floats = (x.astype(np.float64) - mean) / deviation
        return scaled

    def moments(self) -> Moments:
        """The same as plain data."""
        return Moments(tuple(self.mean.tolist()), tuple(self.deviation.tolist()))


def unscaled(channels: int) -> Scaling:
    """What changes nothing."""
    return Scaling(np.zeros(channels), np.ones(channels))


def scaling_of(array: NDArray[Any], offsets: Sequence[int], groups: Sequence[int]) -> Scaling:
    """Means and deviations of some groups' rows.

    Args:
        array: (N, C, …): all after C is averaged over.
        offsets: Where each group's rows begin, and where the last one's end.
        groups: Which.
    """
    sums: Any = 0.0
    low, high, count = np.inf, -np.inf, 0
    for values in _values(array, offsets, groups):
        sums += values.sum((0, 2))
        low, high = np.minimum(low, values.min((0, 2))), np.maximum(high, values.max((0, 2)))
        count += values.shape[0] * values.shape[2]
    constant = low == high
    mean = np.where(constant, low, sums / count)
    squares: Any = 0.0
    for values in _values(array, offsets, groups):
        squares += np.square(values - mean[:, None]).sum((0, 2))
    return Scaling(mean, np.where(constant, 1.0, np.sqrt(squares / count)))


def chunks(array: NDArray[Any], start: int, stop: int) -> Iterator[slice]:
    """Slices of the rows from `start` to `stop`, each so small that float64 is no burden."""
    size = max(1, _WIDENED // max(1, array[:1].size))
    for begin in range(start, stop, size):
        yield slice(begin, min(stop, begin + size))


def _values(array: NDArray[Any], offsets: Sequence[int], groups: Sequence[int]) -> Iterator[Floats]:
    """The groups' rows (n, C, rest) in float64, some at a time."""
    for group in groups:
        for part in chunks(array, offsets[group], offsets[group + 1]):
            rows = array[part]
            yield rows.reshape(len(rows), array.shape[1], -1).astype(np.float64)
