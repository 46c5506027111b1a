"""Texts as numbers: hashed n-grams of characters.

    x[h(g) mod F] += s(g)   for each n-gram g of the text, n = 2, 3, 4;   x ← x / ‖x‖

h and the sign s ∈ {−1, 1} are of one 64-bit hash, so that n-grams that meet in a feature cancel on
average.  A text is normalised first (NFKC, lower case, one space between words and at both ends).
No vocabulary: a new text becomes numbers by itself.

Reference:
    Weinberger, Dasgupta, Langford, Smola & Attenberg (2009), Feature hashing for large scale
    multitask learning, arXiv:0902.2206.  The hash is FNV-1a over code points, then the finalizer
    of MurmurHash3.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

LENGTHS = (2, 3, 4)
CHUNK_TEXTS = 512
_OFFSET, _PRIME = 0xCBF29CE484222325, 0x100000001B3
_MIX = ((33, 0xFF51AFD7ED558CCD), (33, 0xC4CEB9FE1A85EC53))


def vectors(texts: Sequence[str], features: int) -> NDArray[Any]:
    """The texts as (texts, features) float32, each of length 1.

    Args:
        texts: None of them blank.
        features: F.

    Example:
        >>> vectors(["a text", "A  text "], 8).round(2).tolist()[0] == vectors(["a text"], 8)[
        ...     0
        ... ].round(2).tolist()
        True
    """
    import numpy as np

    x = np.empty((len(texts), features), np.float32)
    for begin in range(0, len(texts), CHUNK_TEXTS):
        chunk = [normal(text) for text in texts[begin : begin + CHUNK_TEXTS]]
        x[begin : begin + len(chunk)] = _counts(chunk, features)
    return x


def normal(text: str) -> str:
    """A text as it is hashed."""
    return f" {' '.join(unicodedata.normalize('NFKC', text).lower().split())} "


def _counts(texts: Sequence[str], features: int) -> NDArray[Any]:
    import numpy as np

    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    of = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    sums = np.zeros(len(texts) * features)
    for length in LENGTHS:
        ends = len(points) - length + 1
        if ends < 1:
            continue
        inside = of[:ends] == of[length - 1 :]
        hashes = _hashes(points.astype(np.uint64), length)[inside]
        places = of[:ends][inside] * features + (hashes % np.uint64(features)).astype(np.int64)
        signs = 1.0 - 2.0 * (hashes >> np.uint64(63)).astype(np.float64)
        sums += np.bincount(places, signs, minlength=len(sums))
    counts = sums.reshape(len(texts), features)
    norms = np.sqrt(np.square(counts).sum(1, keepdims=True))
    return counts / np.where(norms > 0, norms, 1.0)


def _hashes(points: NDArray[Any], length: int) -> NDArray[Any]:
    """The hash of each window of `length` code points."""
    import numpy as np

    ends = len(points) - length + 1
    hashes = np.full(ends, _OFFSET, np.uint64)
    for place in range(length):
        hashes = (hashes ^ points[place : place + ends]) * np.uint64(_PRIME)
    for shift, factor in _MIX:
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * np.uint64(factor)
    return hashes ^ (hashes >> np.uint64(33))
