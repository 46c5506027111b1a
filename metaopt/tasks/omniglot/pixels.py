"""Omniglot's pixels: from 105 × 105 bits to 28 × 28 greys with ink high.

Shrinking averages over area: one output pixel covers 105/28 = 15/4 pixels a side.  Weights are
counted in quarters, so a sum is a whole number, at most 15 a side and 15² = 225 in all: it fits a
byte, and the result has the same bits on every machine.  No matrix library and so no threads:
their barriers were seen to cost ten times the work where other processes hold the cores.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.tasks.omniglot.file import COLUMNS, SIDE

SIZE = 28
PIXELS = SIZE * SIZE
_CHUNK = 100  # drawings at a time: 1.2 MB, which stays in a core's cache

# Quarters of 15 pixels in a row that each of 4 output pixels covers; SIDE = 7 · 15, SIZE = 7 · 4.
_QUARTERS = (
    {0: 4, 1: 4, 2: 4, 3: 3},
    {3: 1, 4: 4, 5: 4, 6: 4, 7: 2},
    {7: 2, 8: 4, 9: 4, 10: 4, 11: 1},
    {11: 3, 12: 4, 13: 4, 14: 4},
)
_GREYS = ((np.arange(226) * 255 + 112) // 225).astype(np.uint8)  # rounded 255 · sum / 225


def shrink(bits: NDArray[np.uint8]) -> Tensor:
    """Return greys of packed drawings: (*B, 14, 105) -> (*B, 784) uint8, 255 where all is ink."""
    flat = bits.reshape(-1, COLUMNS, SIDE)
    greys = np.empty((len(flat), SIZE, SIZE), dtype=np.uint8)
    for start in range(0, len(flat), _CHUNK):
        ink = np.unpackbits(flat[start : start + _CHUNK], axis=1)[:, :SIDE]  # (chunk, x, y)
        covered = _cover(np.ascontiguousarray(_cover(ink).swapaxes(1, 2)))  # (chunk, y, x)
        greys[start : start + _CHUNK] = _GREYS[covered]
    return torch.from_numpy(greys.reshape(*bits.shape[:-2], PIXELS))


def _cover(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return sums over 15/4 pixels of the middle axis, in quarters: (N, 105, M) -> (N, 28, M)."""
    count, _, width = pixels.shape
    groups = pixels.reshape(count, 7, 15, width)
    sums = np.zeros((count, 7, 4, width), dtype=np.uint8)
    for i, weights in enumerate(_QUARTERS):
        for j, quarters in weights.items():
            sums[:, :, i] += np.uint8(quarters) * groups[:, :, j]
    return sums.reshape(count, SIZE, width)
