"""Pictures as PNG, from values as a model's data were packed: seen as their owner has them.

No library of images: a worker has none.
"""

import struct
import zlib
from typing import Any

from numpy.typing import NDArray

from metaopt.data.raw.preparation import BYTE, Preparation


def pictures(values: NDArray[Any], preparation: Preparation, *, most: int) -> list[bytes]:
    """The PNG of each picture.

    Args:
        values: As packed (N, C, height, width); C is 1 or 3.
        preparation: An inverted one is turned back.
        most: Pixels of the longer side; what is larger is averaged over squares.
    """
    import numpy as np

    light = np.clip(values.astype(np.float64) / preparation.white, 0.0, 1.0)
    if preparation.packing.get("invert"):
        light = 1.0 - light
    factor = -(-max(values.shape[2:]) // most)
    light = _averaged(light, factor).transpose(0, 2, 3, 1)
    pixels: NDArray[np.uint8] = np.round(BYTE * light).astype(np.uint8)
    return [png(one[..., 0] if one.shape[-1] == 1 else one) for one in pixels]


def _averaged(light: NDArray[Any], factor: int) -> NDArray[Any]:
    """(N, C, H, W) -> each pixel the mean of a square; edges that make none are cut."""
    if factor <= 1:
        return light
    number, channels, height, width = light.shape
    rows, columns = max(1, height // factor), max(1, width // factor)
    cut = light[:, :, : rows * factor, : columns * factor]
    squares: NDArray[Any] = cut.reshape(
        number, channels, rows, -1, columns, cut.shape[3] // columns
    )
    means: NDArray[Any] = squares.mean((3, 5))
    return means


def png(pixels: NDArray[Any]) -> bytes:
    """A PNG of 8 bits.

    Args:
        pixels: uint8 (height, width), or (height, width, 3).

    Reference:
        Portable Network Graphics, ISO/IEC 15948, section 5.
    """
    import numpy as np

    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    unfiltered = np.zeros((height, 1 + rows.shape[1]), np.uint8)  # each row begins with its filter
    unfiltered[:, 1:] = rows
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    data = zlib.compress(unfiltered.tobytes(), 9)
    parts = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    content = name + data
    return struct.pack(">I", len(data)) + content + struct.pack(">I", zlib.crc32(content))
