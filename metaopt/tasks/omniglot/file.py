"""The packaged Omniglot file: every drawing, one bit a pixel, lossless, compressed with LZMA.

An xz stream of a JSON header in one line, a newline, and the packed bits:

    {"format": "omniglot-bits", "version": 1, "side": 105,
     "characters": ["images_background/Alphabet_of_the_Magi/character01/0709", …],
     "drawers": ["01", …, "20"]}
    bits: characters × drawers × 14 × 105 bytes

The drawing `{character}_{drawer}.png` is 14 columns of 105 bytes: byte y of column j holds the
pixels x = 8j … 8j+7 of row y, highest bit first, 1 for ink; the last 7 bits of a row are zero.
(Columns of bytes compress to 2.11 MB, rows to 2.65 MB: strokes run on from byte to byte.)
The standard library and numpy read it; Pillow and the official archives are needed only to
build it (`metaopt.tasks.omniglot.build`).
"""

import hashlib
import json
import lzma
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import InvalidTasks

SIDE = 105
COLUMNS = 14  # of 8 pixels each: 112 >= SIDE

_FILTERS = [
    {
        "id": lzma.FILTER_LZMA2,
        "preset": 9 | lzma.PRESET_EXTREME,
        "dict_size": 1 << 26,
        "lc": 3,
        "lp": 0,
        "pb": 0,
    }
]


class Drawings(NamedTuple):
    """All drawings: `bits` (characters, drawers, 14, 105) uint8, and the names of two axes."""

    characters: tuple[str, ...]
    drawers: tuple[str, ...]
    bits: NDArray[np.uint8]

    def names(self) -> tuple[str, ...]:
        """Return "Alphabet/characterNN" for each character."""
        return tuple("/".join(path.split("/")[1:3]) for path in self.characters)


def pack(ink: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The bits of images: (..., 105 rows, 105) true where there is ink -> (..., 14, 105)."""
    return np.ascontiguousarray(np.packbits(ink, axis=-1).swapaxes(-1, -2))


def unpack(bits: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The images of `bits`; the inverse of `pack`."""
    columns = np.unpackbits(bits, axis=-2)[..., :SIDE, :]
    return columns.swapaxes(-1, -2).astype(np.bool_)


def content(drawings: Drawings) -> bytes:
    """The file's bytes before compression: the same whatever compresses them."""
    header = {
        "format": "omniglot-bits",
        "version": 1,
        "side": SIDE,
        "characters": drawings.characters,
        "drawers": drawings.drawers,
    }
    return json.dumps(header).encode() + b"\n" + drawings.bits.tobytes()


def encode(drawings: Drawings) -> bytes:
    """The file's bytes."""
    return lzma.compress(
        content(drawings), format=lzma.FORMAT_XZ, check=lzma.CHECK_SHA256, filters=_FILTERS
    )


def decode(data: bytes) -> Drawings:
    """The drawings in a file's bytes.

    Raises:
        InvalidTasks: not such a file, or damaged; xz's own SHA-256 notices any flipped bit.
    """
    try:
        line, _, rest = lzma.decompress(data, format=lzma.FORMAT_XZ).partition(b"\n")
        header = json.loads(line)
        if (header["format"], header["version"]) != ("omniglot-bits", 1):
            raise ValueError(f"format {header['format']!r} version {header['version']!r}")
        characters, drawers = tuple(header["characters"]), tuple(header["drawers"])
        shape = (len(characters), len(drawers), COLUMNS, SIDE)
        bits = np.frombuffer(rest, dtype=np.uint8).reshape(shape)
    except (lzma.LZMAError, EOFError, ValueError, KeyError, TypeError) as error:
        raise InvalidTasks(f"not a packaged Omniglot file, or damaged: {error}") from error
    return Drawings(characters, drawers, bits)


def content_digest(drawings: Drawings) -> str:
    """The SHA-256 of `content`: equal digests mean equal names and equal pixels."""
    return hashlib.sha256(content(drawings)).hexdigest()
