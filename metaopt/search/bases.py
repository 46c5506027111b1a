"""Functions of a parameter's values over trials, and bases made of them.

A basis is (N, M): M functions at N trials, of mean square 1 and orthogonal to each other, so that
least squares are products.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.intp]


def residual(functions: Array, basis: Array) -> Array:
    """(N, any) functions less what an orthonormal basis explains of them."""
    return functions - basis @ (basis.T @ functions) / len(basis)


def functions_of(values: Array, unordered: bool, most: int) -> Array:
    """Functions of a parameter, (N, M): indicators of unordered values, or cosines of ranks."""
    levels = np.unique(values)
    if unordered:
        return np.asarray(values[:, None] == levels[None, 1:], dtype=np.float64)
    degrees = np.arange(1, min(most, len(levels) - 1) + 1)
    cosines: Array = np.cos(np.pi * ranks(values)[:, None] * degrees)
    return cosines


def ranks(values: Array) -> Array:
    """Ranks in (0, 1); equal values share theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles: Array = (np.cumsum(counts) - counts / 2) / len(values)
    return middles[places]


def centred(functions: Array, blocks: Integers) -> Array:
    """(N, any) functions less their means in each block."""
    sums = np.zeros((blocks[-1] + 1, functions.shape[1]))
    np.add.at(sums, blocks, functions)
    means: Array = sums / np.bincount(blocks)[:, None]
    return functions - means[blocks]


def orthonormal(functions: Array) -> Array:
    """A basis of mean square 1 of what the functions span; those that depend on others go."""
    basis, triangle = np.linalg.qr(functions)
    there = np.abs(np.diag(triangle)) > 1e-6 * math.sqrt(len(functions))
    independent: Array = basis[:, there]
    return independent * math.sqrt(len(functions))
