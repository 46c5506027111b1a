"""Omniglot's pixels: from 105 × 105 bits to 28 × 28 greys with ink high, and quarter turns.

Shrinking averages over area: one output pixel covers 105/28 = 15/4 pixels a side.  Weights are
counted in quarters, so sums are integers below 2**24, exact in float32: the result has the same
bits whatever the chunk, the thread count or the matrix library.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.tasks.omniglot_file import COLUMNS, SIDE

SIZE = 28
PIXELS = SIZE * SIZE
_CHUNK = 200  # drawings at a time: 9 MB of float32, which stays in a core's cache


def shrink(bits: NDArray[np.uint8]) -> Tensor:
    """Return greys of packed drawings: (*B, 14, 105) -> (*B, 784) uint8, 255 where all is ink."""
    flat = bits.reshape(-1, COLUMNS, SIDE)
    greys = torch.empty(len(flat), SIZE, SIZE, dtype=torch.uint8)
    across, down = _coverage(8 * COLUMNS), _coverage(SIDE)
    for start in range(0, len(flat), _CHUNK):
        ink = torch.from_numpy(np.unpackbits(flat[start : start + _CHUNK], axis=1))
        covered = across @ ink.float() @ down.T  # (chunk, x, y), whole numbers 0..225
        grey = torch.floor((covered * 255 + 112) / 225)
        greys[start : start + _CHUNK] = grey.to(torch.uint8).transpose(1, 2)
    return greys.view(*bits.shape[:-2], PIXELS)


def turned_pixels() -> Tensor:
    """Return where each pixel of a turned image comes from: (4, 784) int64, turns of 90°.

    `image[turned_pixels()[k]]` is `image` turned k times counter-clockwise.
    """
    places = torch.arange(PIXELS).view(SIZE, SIZE)
    return torch.stack([places.rot90(k).reshape(-1) for k in range(4)])


def _coverage(pixels: int) -> Tensor:
    """Return quarters of pixel j that output pixel i covers: (28, pixels), rows summing to 15."""
    i, j = torch.arange(SIZE)[:, None], torch.arange(pixels)
    overlap = torch.minimum(15 * i + 15, 4 * j + 4) - torch.maximum(15 * i, 4 * j)
    return overlap.clamp(min=0).float()
